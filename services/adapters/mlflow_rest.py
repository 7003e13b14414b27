"""Ask MLflow's documented REST endpoints in plain JSON, over one connection that is kept open.

MLflow's own client makes messages of an answer, and entities of those, which costs five times what reading the JSON
does; importing it takes seconds, and leaves so much on the heap that a full collection of garbage stops a pass for a
fifth of a second. What that client alone knows how to do is left to it: mlflow_client.py.
"""

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from services.adapters.registry_table import RegisteredVersion
from services.errors import SourceMalformed
from services.training.inputs import read_input
from services.training.run import DataInput, RawRun
from services.training.tags import clean, from_ms

PAGE: Final = 1_000
# MLflow's own defaults would wait for minutes on a dead server; the next pass asks again anyway.
PATIENCE: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
_PATH: Final = "/api/2.0/mlflow"
_TRANSIENT: Final = (408, 429, 500, 502, 503, 504)  # what MLflow's client asks again after
# Settings of MLflow's client that a plain question cannot follow, and the places where a team plugs code into it.
_CLIENT_ALONE: Final = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_WORKSPACE",
                        "MLFLOW_ALLOW_HTTP_REDIRECTS", "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER",
                        "_MLFLOW_DATABRICKS_TRAFFIC_ID")
_PLUGGED: Final = ("mlflow.request_header_provider", "mlflow.tracking_store", "mlflow.model_registry_store")
_CREDENTIALS: Final = "~/.mlflow/credentials"


class Declined(Exception):
    """An answer that is no success, with the code that MLflow gives for it, if any."""

    def __init__(self, text: str, error_code: str = "") -> None:
        """Keep both."""
        super().__init__(text)
        self.error_code = error_code


def plain(*uris: str) -> bool:
    """Return whether plain questions to all the addresses mean the same as those of MLflow's client would."""
    return (all(uri.startswith(("http://", "https://")) for uri in uris)
            and not any(os.environ.get(name) for name in _CLIENT_ALONE)
            and not any(entry_points(group=group) for group in _PLUGGED)
            and not Path(_CREDENTIALS).expanduser().exists())


class RestPages:
    """Pages of runs, experiments, models and versions; each with the token of the next one, empty after the last."""

    def __init__(self, uri: str, registry_uri: str) -> None:
        """Prepare the connection; nothing is opened until the first question."""
        self._tracking, self._registry = (address.removesuffix("/") + _PATH for address in (uri, registry_uri))
        self._timeout = _patience("TIMEOUT")
        self._session = _session()

    def experiments(self, token: str) -> tuple[Mapping[str, str], str]:
        """Return the names of experiments by id, deleted ones included."""
        answer = self._ask("POST", f"{self._tracking}/experiments/search", json={
            "view_type": "ALL", "max_results": PAGE, **_from(token)})
        with _Shape():
            return {str(e["experiment_id"]): clean(e.get("name")) for e in answer.get("experiments", ())}, _next(answer)

    def runs(
        self, text: str, *, names: Mapping[str, str], order_by: Sequence[str], deleted: bool, token: str
    ) -> tuple[Sequence[RawRun], str]:
        """Return the runs of the named experiments that match MLflow's filter `text`."""
        answer = self._ask("POST", f"{self._tracking}/runs/search", json={
            "experiment_ids": list(names), "filter": text, "run_view_type": "ALL" if deleted else "ACTIVE_ONLY",
            "max_results": PAGE, "order_by": list(order_by), **_from(token)})
        with _Shape():
            return [_run(told, names) for told in answer.get("runs", ())], _next(answer)

    def models(self, token: str) -> tuple[Sequence[tuple[str, Mapping[str, str]]], str]:
        """Return registered models, each with its aliases and the version that each points at."""
        answer = self._ask("GET", f"{self._registry}/registered-models/search", params={
            "max_results": PAGE, **_from(token)})
        with _Shape():
            return [(m["name"], {a["alias"]: str(a["version"]) for a in m.get("aliases", ())})
                    for m in answer.get("registered_models", ())], _next(answer)

    def versions(self, token: str) -> tuple[Sequence[RegisteredVersion], str]:
        """Return versions of every registered model."""
        answer = self._ask("GET", f"{self._registry}/model-versions/search", params={
            "max_results": PAGE, **_from(token)})
        with _Shape():
            return [_version(told) for told in answer.get("model_versions", ())], _next(answer)

    def _ask(self, method: str, url: str, **question: Mapping[str, Any]) -> Mapping[str, Any]:
        # Every question only reads, so it may be asked again where the kept connection was closed meanwhile. What
        # `verify` says is given here: a session's own is overridden by the environment.
        reply = self._session.request(method, url, timeout=self._timeout, verify=_verify(), **question)  # type: ignore[arg-type]
        try:
            answer = reply.json()
        except ValueError:
            answer = None
        if reply.status_code != requests.codes.ok:
            code = str(answer.get("error_code", "")) if isinstance(answer, dict) else ""
            said = f"{code}: {answer.get('message', '')}" if isinstance(answer, dict) and code else reply.text
            # Whatever says of such a path that it is not there is no MLflow.
            unknown = reply.status_code == requests.codes.not_found
            raise Declined(f"error {reply.status_code}, {said}", code or ("ENDPOINT_NOT_FOUND" if unknown else ""))
        if not isinstance(answer, dict):
            raise SourceMalformed(f"MLflow at {url} answers with something other than a JSON object: check that "
                                  "tracking.uri is an MLflow server's address")
        return answer


class _Shape:
    """Turn what reading an answer of another shape raises into one line."""

    def __enter__(self) -> None:
        """Nothing is prepared."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate."""
        if isinstance(error, KeyError | TypeError | ValueError | AttributeError):
            raise SourceMalformed(f"MLflow answers in a shape that is not its own ({type(error).__name__}: {error}): "
                                  "check that tracking.uri is an MLflow server of version 3") from error


def _session() -> requests.Session:
    again = Retry(total=int(_patience("MAX_RETRIES")), status_forcelist=_TRANSIENT, allowed_methods=None,
                  backoff_factor=_patience("BACKOFF_FACTOR"), backoff_jitter=_patience("BACKOFF_JITTER"))
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=again))
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{word}") for word in ("USERNAME", "PASSWORD"))
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user and password:
        told = b64encode(f"{user}:{password}".encode()).decode()
        session.headers["Authorization"] = f"Basic {told}"
    elif token:
        session.headers["Authorization"] = f"Bearer {token}"
    session.cert = os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None
    return session


def _patience(word: str) -> float:
    name = f"MLFLOW_HTTP_REQUEST_{word}"
    return float(os.environ.get(name) or PATIENCE[name])


def _verify() -> bool | str:
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}:
        return False
    return os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True


def _from(token: str) -> dict[str, str]:
    return {"page_token": token} if token else {}


def _next(answer: Mapping[str, Any]) -> str:
    return str(answer.get("next_page_token") or "")


def _run(told: Mapping[str, Any], names: Mapping[str, str]) -> RawRun:
    info, data = told["info"], told.get("data", {})
    experiment = str(info["experiment_id"])
    return RawRun(
        run_id=info["run_id"], experiment_id=experiment,
        experiment=names.get(experiment, f"experiment {experiment}"), status=str(info.get("status", "RUNNING")),
        # The format leaves out what is zero or empty; a time of zero is no end.
        start_ms=int(info.get("start_time", 0)), end_ms=int(info.get("end_time", 0)) or None,
        name=info.get("run_name", ""), user=info.get("user_id", ""), artifact_uri=info.get("artifact_uri", ""),
        deleted=info.get("lifecycle_stage") == "deleted",
        params=_pairs(data.get("params", ())), tags=_pairs(data.get("tags", ())),
        # NaN and the infinities come as words, whole numbers of 64 bits as either.
        metrics=tuple([(m["key"], float(m.get("value", 0)), int(m.get("timestamp", 0)), int(m.get("step", 0)))
                       for m in data.get("metrics", ())]),
        inputs=tuple([_input(given) for given in told.get("inputs", {}).get("dataset_inputs", ())]),
    )


def _input(given: Mapping[str, Any]) -> DataInput:
    data = given.get("dataset", {})
    return read_input(data.get("name", ""), data.get("digest", ""), source_type=data.get("source_type", ""),
                      source=data.get("source", ""), profile=data.get("profile", ""),
                      tags=_pairs(given.get("tags", ())))


def _version(told: Mapping[str, Any]) -> RegisteredVersion:
    return RegisteredVersion(
        model=told["name"], version=str(told["version"]), run_id=told.get("run_id", ""),
        created_at=from_ms(int(told.get("creation_timestamp", 0))), status=str(told.get("status", "READY")),
        source=clean(told.get("source")), description=clean(told.get("description")),
        tags={key: clean(value) for key, value in _pairs(told.get("tags", ())).items()},
    )


def _pairs(listed: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {one["key"]: one.get("value", "") for one in listed}
