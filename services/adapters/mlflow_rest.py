"""Ask MLflow's documented REST endpoints in plain JSON, over one connection that is kept open.

MLflow's own client makes messages of an answer, and entities of those, which costs five times what reading the JSON
does; importing it takes seconds, and leaves so much on the heap that a full collection of garbage stops a pass for a
fifth of a second. What that client alone knows how to do is left to it: mlflow_client.py.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final
from warnings import catch_warnings

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InsecureRequestWarning
from urllib3.util import Retry

from services.adapters.mlflow_settings import authorization, certificates, patience
from services.adapters.mlflow_words import Declined, shown
from services.adapters.registry_table import RegisteredVersion
from services.errors import SourceMalformed
from services.training.inputs import read_input
from services.training.run import DataInput, RawRun
from services.training.tags import clean, from_ms

PAGE: Final = 1_000
_PATH: Final = "/api/2.0/mlflow"
_TRANSIENT: Final = (408, 429, 500, 502, 503, 504)  # what MLflow's client asks again after
# Settings of MLflow's client that a plain question cannot follow, and the places where a team plugs code into it.
_CLIENT_ALONE: Final = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_WORKSPACE",
                        "MLFLOW_ALLOW_HTTP_REDIRECTS", "_MLFLOW_DATABRICKS_TRAFFIC_ID")
_WAITS: Final = "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER"
_PLUGGED: Final = ("mlflow.request_header_provider", "mlflow.tracking_store", "mlflow.model_registry_store")
_BEYOND: Final = 2**63
_CREDENTIALS: Final = "~/.mlflow/credentials"


def plain(*uris: str) -> bool:
    """Return whether plain questions to all the addresses mean the same as those of MLflow's client would."""
    return (all(uri.startswith(("http://", "https://")) for uri in uris)
            and not any(os.environ.get(name) for name in _CLIENT_ALONE)
            and os.environ.get(_WAITS, "").lower() not in {"true", "1"}
            and not any(entry_points(group=group) for group in _PLUGGED)
            and not Path(_CREDENTIALS).expanduser().exists())


class RestPages:
    """Pages of runs, experiments, models and versions; each with the token of the next one, empty after the last."""

    def __init__(self, uri: str, registry_uri: str) -> None:
        """Prepare the connection; nothing is opened until the first question."""
        self._tracking, self._registry = (address.removesuffix("/") + _PATH for address in (uri, registry_uri))
        self._timeout = patience("TIMEOUT")
        self._session = _session()

    def experiments(self, token: str) -> tuple[Mapping[str, str], str]:
        """Return the names of experiments by id, deleted ones included."""
        answer = self._ask("experiments", "POST", f"{self._tracking}/experiments/search", json={
            "view_type": "ALL", "max_results": PAGE, **_from(token)})
        with _Shape():
            found = _list(answer, "experiments")
            return {_must(e, "experiment_id"): clean(e.get("name")) for e in found}, _next(answer)

    def runs(
        self, text: str, *, names: Mapping[str, str], order_by: Sequence[str], deleted: bool, token: str
    ) -> tuple[Sequence[RawRun], str]:
        """Return the runs of the named experiments that match MLflow's filter `text`."""
        answer = self._ask("runs", "POST", f"{self._tracking}/runs/search", json={
            "experiment_ids": list(names), "filter": text, "run_view_type": "ALL" if deleted else "ACTIVE_ONLY",
            "max_results": PAGE, "order_by": list(order_by), **_from(token)})
        with _Shape():
            return [_run(told, names) for told in _list(answer, "runs")], _next(answer)

    def models(self, token: str) -> tuple[Sequence[tuple[str, Mapping[str, str]]], str]:
        """Return registered models, each with its aliases and the version that each points at."""
        answer = self._ask("registered_models", "GET", f"{self._registry}/registered-models/search", params={
            "max_results": PAGE, **_from(token)})
        with _Shape():
            return [(_must(m, "name"), {_must(a, "alias"): _must(a, "version") for a in _list(m, "aliases")})
                    for m in _list(answer, "registered_models")], _next(answer)

    def versions(self, token: str) -> tuple[Sequence[RegisteredVersion], str]:
        """Return versions of every registered model."""
        answer = self._ask("model_versions", "GET", f"{self._registry}/model-versions/search", params={
            "max_results": PAGE, **_from(token)})
        with _Shape():
            return [_version(told) for told in _list(answer, "model_versions")], _next(answer)

    def _ask(self, wanted: str, method: str, url: str, **question: Mapping[str, Any]) -> Mapping[str, Any]:
        # Every question only reads, so it may be asked again where the kept connection was closed meanwhile. What
        # `verify` says is given here: a session's own is overridden by the environment.
        verify, cert = certificates(url)
        with _unwarned(verify):
            reply = self._session.request(method, url, timeout=self._timeout, verify=verify, cert=cert, **question)  # type: ignore[arg-type]
        try:
            answer = reply.json()
        except ValueError:
            answer = None
        if reply.status_code != requests.codes.ok:
            code = str(answer.get("error_code") or "") if isinstance(answer, dict) else ""
            said = f"{code}: {answer.get('message') or ''}" if isinstance(answer, dict) and code else reply.text
            # Whatever says of such a path that it is not there is no MLflow.
            unknown = reply.status_code == requests.codes.not_found
            raise Declined(f"error {reply.status_code}, {said}", status=reply.status_code,
                           error_code=code or ("ENDPOINT_NOT_FOUND" if unknown else ""))
        if not isinstance(answer, dict):
            raise SourceMalformed(f"MLflow at {shown(url)} answers with something other than a JSON object: check "
                                  "that tracking.uri is an MLflow server's address")
        # MLflow leaves out an empty list. Anything else without it would read as if all were deleted.
        if answer and not answer.keys() & {wanted, "next_page_token"}:
            raise SourceMalformed(f"MLflow at {shown(url)} answers without {wanted}: check that tracking.uri is an "
                                  "MLflow server's address")
        return answer


class _Shape:
    """Turn what reading an answer of another shape raises into one line."""

    def __enter__(self) -> None:
        """Nothing is prepared."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate."""
        if isinstance(error, KeyError | TypeError | ValueError | AttributeError | OverflowError):
            raise SourceMalformed(f"MLflow answers in a shape that is not its own ({type(error).__name__}: {error}): "
                                  "check that tracking.uri is an MLflow server of version 3") from error


def _session() -> requests.Session:
    again = Retry(total=int(patience("MAX_RETRIES")), status_forcelist=_TRANSIENT, allowed_methods=None,
                  backoff_factor=patience("BACKOFF_FACTOR"), backoff_jitter=patience("BACKOFF_JITTER"),
                  respect_retry_after_header=False)
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=again))
    if told := authorization():
        session.headers["Authorization"] = told
    return session


def _unwarned(verify: bool | str) -> AbstractContextManager[object]:
    # Who switched the check off knows it; each question would say so again.
    return nullcontext() if verify else catch_warnings(action="ignore", category=InsecureRequestWarning)


def _from(token: str) -> dict[str, str]:
    return {"page_token": token} if token else {}


def _next(answer: Mapping[str, Any]) -> str:
    return str(answer.get("next_page_token") or "")


def _run(told: Mapping[str, Any], names: Mapping[str, str]) -> RawRun:
    # The format leaves out what is zero or empty, and takes null for left out.
    info, data = told["info"], told.get("data") or {}
    experiment = _must(info, "experiment_id")
    return RawRun(
        run_id=_must(info, "run_id"), experiment_id=experiment,
        experiment=names.get(experiment, f"experiment {experiment}"), status=_text(info, "status") or "RUNNING",
        start_ms=_whole(info, "start_time"), end_ms=_whole(info, "end_time") or None,  # a time of zero is no end
        name=_text(info, "run_name"), user=_text(info, "user_id"), artifact_uri=_text(info, "artifact_uri"),
        deleted=info.get("lifecycle_stage") == "deleted", params=_pairs(data, "params"), tags=_pairs(data, "tags"),
        # NaN and the infinities come as words, whole numbers of 64 bits as either.
        metrics=tuple([(str(m["key"]), float(m.get("value") or 0), _whole(m, "timestamp"), _whole(m, "step"))
                       for m in _list(data, "metrics")]),
        inputs=tuple([_input(given) for given in _list(told.get("inputs") or {}, "dataset_inputs")]),
    )


def _input(given: Mapping[str, Any]) -> DataInput:
    data = given.get("dataset") or {}
    return read_input(_text(data, "name"), _text(data, "digest"), source_type=_text(data, "source_type"),
                      source=_text(data, "source"), profile=_text(data, "profile"), tags=_pairs(given, "tags"))


def _version(told: Mapping[str, Any]) -> RegisteredVersion:
    return RegisteredVersion(
        model=_must(told, "name"), version=_must(told, "version"), run_id=_text(told, "run_id"),
        created_at=from_ms(_whole(told, "creation_timestamp")), status=_text(told, "status") or "READY",
        source=clean(told.get("source")), description=clean(told.get("description")),
        tags={key: clean(value) for key, value in _pairs(told, "tags").items()},
    )


def _pairs(told: Mapping[str, Any], key: str) -> dict[str, str]:
    return {str(one["key"]): str(one.get("value") or "") for one in _list(told, key)}


def _list(told: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    found = told.get(key)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise TypeError(f"{key} is no list")
    return found


def _must(told: Mapping[str, Any], key: str) -> str:
    found = _text(told, key)
    if not found:
        raise KeyError(key)
    return found


def _text(told: Mapping[str, Any], key: str) -> str:
    found = told.get(key)
    return "" if found is None else str(found)


def _whole(told: Mapping[str, Any], key: str) -> int:
    found = int(told.get(key) or 0)
    if not -_BEYOND <= found < _BEYOND:
        raise ValueError(f"{key} is no number of 64 bits")
    return found
