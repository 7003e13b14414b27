"""Read runs and the registry from MLflow, a page at a time. Importing MLflow takes seconds: the monitor only.

What is read when is decided in services/monitor/steps/mirror.py. Nothing is ever written here.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from services.adapters.mlflow_words import cause
from services.adapters.registry_table import RegisteredVersion
from services.errors import OpsError, SourceMalformed, SourceUnavailable
from services.training.inputs import read_input
from services.training.run import TERMINAL, RawRun
from services.training.tags import clean, from_ms

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

PAGE: Final = 1_000
_IDS: Final = 500  # run ids in one filter: 18 kB, which MLflow parses in 35 ms
OPS_FOLDER: Final = "ops"
_TEXT_LIMIT: Final = 200_000
# MLflow's own defaults would wait for minutes on a dead server; the next pass asks again anyway.
_PATIENCE: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


class MlflowRuns:
    """The tracking server and registry behind two addresses."""

    def __init__(self, uri: str, registry_uri: str = "") -> None:
        """Remember the addresses; MLflow is imported and asked on first use."""
        self._uri = uri
        self._registry_uri = registry_uri or uri
        self._made: Any = None
        self._names: Mapping[str, str] = {}  # experiments as of the last time they were asked for: once a pass

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._require_file()
            for name, value in _PATIENCE.items():
                os.environ.setdefault(name, value)
            self._made = self._asked(self._open)
        return self._made

    def _open(self) -> Any:
        logging.getLogger("alembic").setLevel(logging.WARNING)
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self._uri, registry_uri=self._registry_uri)

    def _require_file(self) -> None:
        """Refuse a SQLite file that is not there: MLflow would create an empty store in its place."""
        scheme, found, path = self._uri.partition(":///")
        if found and scheme == "sqlite" and path and not Path(path).is_file():
            raise SourceUnavailable(f"MLflow at {self._uri} cannot be read: there is no file {path}. Set tracking.uri, "
                                    "or start a training run that writes there")

    def experiments(self) -> Mapping[str, str]:
        """Return the name of every experiment by id, deleted ones included."""
        from mlflow.entities import ViewType

        found: dict[str, str] = {}
        token: str | None = None
        while True:
            page = self._asked(partial(self._client.search_experiments, view_type=ViewType.ALL, max_results=PAGE,
                                       page_token=token))
            found.update({e.experiment_id: clean(e.name) for e in page})
            token = page.token
            if not token:
                self._names = found
                return found

    def started_since(self, ms: int, *, known: Sequence[str]) -> Iterator[Sequence[RawRun]]:
        """Yield the runs with a start time after `ms`, oldest first, in pages; those in `known` are left out."""
        wanted = f"attributes.start_time > {ms}"
        if left_out := _plain(known)[:_IDS]:
            # A row costs MLflow more than the whole rest of a question; those past the limit are merely read again.
            wanted += f" AND attributes.run_id NOT IN ({_listed(left_out)})"
        # Ascending, because the page token is an offset: runs that arrive meanwhile then come last and shift nothing.
        yield from self._search(wanted, order_by=["attributes.start_time ASC"])

    def ended_since(self, ms: int) -> Iterator[Sequence[RawRun]]:
        """Yield the runs with an end time after `ms`, in pages."""
        yield from self._search(f"attributes.end_time > {ms}", order_by=["attributes.end_time ASC"])

    def open_runs(self) -> Iterator[Sequence[RawRun]]:
        """Yield the runs that have not ended, in pages."""
        # MLflow knows lists for ids only: a status that is none of these is asked for in one question so.
        yield from self._search(" AND ".join(f"attributes.status != '{s}'" for s in sorted(TERMINAL)),
                                order_by=["attributes.start_time ASC"])

    def by_ids(self, run_ids: Sequence[str]) -> Iterator[Sequence[RawRun]]:
        """Yield the given runs, deleted or not, in pages."""
        ids = _plain(run_ids)
        for start in range(0, len(ids), _IDS):
            yield from self._search(f"attributes.run_id IN ({_listed(ids[start : start + _IDS])})", deleted=True)

    def everything(self) -> Iterator[Sequence[RawRun]]:
        """Yield every run, deleted ones included, in pages."""
        yield from self._search("", order_by=["attributes.start_time ASC"], deleted=True)

    def _search(
        self, text: str, *, order_by: Sequence[str] = (), deleted: bool = False
    ) -> Iterator[Sequence[RawRun]]:
        from mlflow.entities import ViewType

        names = self._names or self.experiments()
        token: str | None = None
        while names:
            page = self._asked(partial(
                self._client.search_runs, list(names), filter_string=text,
                run_view_type=ViewType.ALL if deleted else ViewType.ACTIVE_ONLY, max_results=PAGE,
                order_by=list(order_by), page_token=token))
            if page:
                yield [read_entity(run, names) for run in page]
            token = page.token
            if not token:
                return

    def registry(self) -> tuple[Sequence[RegisteredVersion], Mapping[tuple[str, str], str]]:
        """Return every registered version, and (model, alias) to version."""
        models = list(self._all_pages("search_registered_models"))
        versions = [_version(v) for v in self._all_pages("search_model_versions")] if models else []
        # A search over versions always returns empty aliases; those of a model are complete.
        aliases = {(m.name, alias): str(version) for m in models for alias, version in m.aliases.items()}
        known = {(v.model, v.version) for v in versions}
        # Between the two reads a version may have been deleted: an alias to nothing is not kept.
        return versions, {key: version for key, version in aliases.items() if (key[0], version) in known}

    def _all_pages(self, method: str) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = self._asked(partial(getattr(self._client, method), max_results=PAGE, page_token=token))
            yield from page
            token = page.token
            if not token:
                return

    def texts(self, run_id: str) -> Mapping[str, str]:
        """Return the small text artefacts under `ops/`, by path. An artefact store that fails yields nothing."""
        try:
            return self._asked(lambda: self._texts(run_id))
        except OpsError as error:
            # A missing bucket must not stop the mirror: the run keeps what its tags say.
            _log.info("artefacts of run %s cannot be read: %s", run_id, error)
            return {}

    def _texts(self, run_id: str) -> dict[str, str]:
        found = {}
        with TemporaryDirectory() as folder:
            for item in self._client.list_artifacts(run_id, OPS_FOLDER):
                if item.is_dir or (item.file_size or 0) > _TEXT_LIMIT or len(item.path) > 250:
                    continue
                path = Path(self._client.download_artifacts(run_id, item.path, folder))
                found[item.path] = clean(path.read_bytes()[:_TEXT_LIMIT].decode("utf-8", "replace"))
        return found

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """Return the answer, or raise one line that names the address."""
        try:
            return ask()
        except OpsError:
            raise
        except Exception as error:
            # MLflow raises its own exception, requests', SQLAlchemy's and plain ones: all mean that it did not answer.
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> OpsError:
        text = cause(error)
        code = getattr(error, "error_code", "")
        if code in {"UNAUTHENTICATED", "PERMISSION_DENIED"} or " 401" in text or " 403" in text:
            return SourceUnavailable(f"MLflow at {self._uri} refuses us ({text}): check MLFLOW_TRACKING_USERNAME and "
                                     "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN", retryable=False)
        if code in {"INVALID_PARAMETER_VALUE", "ENDPOINT_NOT_FOUND"}:
            return SourceMalformed(f"MLflow at {self._uri} answers what we cannot use ({text}): check that it is an "
                                   "MLflow server of version 3")
        return SourceUnavailable(f"MLflow at {self._uri} does not answer ({text}): check that it runs and that "
                                 "tracking.uri is right")


def _plain(run_ids: Sequence[str]) -> list[str]:
    """Return the ids that may stand in a filter text."""
    return [i for i in run_ids if i.isalnum()]


def _listed(run_ids: Sequence[str]) -> str:
    return ", ".join(f"'{i}'" for i in run_ids)


def read_entity(run: Any, names: Mapping[str, str]) -> RawRun:
    """Return an MLflow run entity as plain values."""
    info = run.info
    # The public dict of metrics drops time and step, and those tell whether training advances.
    metrics = getattr(run.data, "_metric_objs", None) or []
    return RawRun(
        run_id=info.run_id, experiment_id=info.experiment_id,
        experiment=names.get(info.experiment_id, f"experiment {info.experiment_id}"), status=str(info.status),
        start_ms=info.start_time, end_ms=info.end_time, name=info.run_name or "", user=info.user_id or "",
        artifact_uri=info.artifact_uri or "", deleted=info.lifecycle_stage == "deleted",
        params=dict(run.data.params), tags=dict(run.data.tags),
        metrics=tuple((m.key, float(m.value), int(m.timestamp), int(m.step)) for m in metrics),
        inputs=tuple(
            read_input(i.dataset.name, i.dataset.digest, source_type=i.dataset.source_type or "",
                       source=i.dataset.source or "", profile=i.dataset.profile or "",
                       tags={t.key: t.value for t in i.tags})
            for i in (run.inputs.dataset_inputs if run.inputs else ())),
    )


def _version(found: Any) -> RegisteredVersion:
    created = from_ms(found.creation_timestamp)
    return RegisteredVersion(
        model=found.name, version=str(found.version), run_id=found.run_id or "", created_at=created,
        status=str(found.status or ""), source=clean(found.source), description=clean(found.description),
        tags={key: clean(value) for key, value in (found.tags or {}).items()},
    )
