"""Read runs and the registry from MLflow, a page at a time: which questions are asked, and what a fault is called.

How a question is put is in mlflow_rest.py and mlflow_client.py; what is read when is decided in
services/monitor/steps/mirror.py. Nothing is ever written here.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from services.adapters.mlflow_client import ClientPages
from services.adapters.mlflow_rest import RestPages, plain
from services.adapters.mlflow_settings import patient
from services.adapters.mlflow_words import Declined, cause, shown
from services.adapters.registry_table import RegisteredVersion
from services.errors import OpsError, SourceMalformed, SourceUnavailable
from services.training.run import TERMINAL, RawRun
from services.training.tags import clean

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_IDS: Final = 500  # run ids in one filter: 18 kB, which MLflow parses in 35 ms
_REFUSED: Final = (401, 403)
_UNFIT: Final = range(400, 500)  # the question is to blame, so the address is
OPS_FOLDER: Final = "ops"
_TEXT_LIMIT: Final = 200_000


class MlflowRuns:
    """The tracking server and registry behind two addresses."""

    def __init__(self, uri: str, registry_uri: str = "") -> None:
        """Remember the addresses; MLflow is asked, and imported where it has to be, on first use."""
        patient()
        self._uri = uri
        self._place = shown(uri)
        self._registry_uri = registry_uri or uri
        self._made: Any = None
        self._plain: RestPages | None = None
        self._names: Mapping[str, str] = {}  # experiments as of the last time they were asked for: once a pass

    @property
    def _pages(self) -> RestPages | ClientPages:
        # A client that was made once is used for everything.
        if self._plain is None and self._made is None and plain(self._uri, self._registry_uri):
            self._plain = self._asked(partial(RestPages, self._uri, self._registry_uri))
        return self._plain or ClientPages(self._client)

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._require_file()
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
        self._names = {of: name for page in self._every(self._pages.experiments) for of, name in page.items()}
        return self._names

    def started_since(self, ms: int, *, known: Sequence[str]) -> Iterator[Sequence[RawRun]]:
        """Yield the runs with a start time after `ms`, oldest first, in pages; those in `known` are left out."""
        # Ascending, because the page token is an offset: runs that arrive meanwhile then come last and shift nothing.
        yield from self._search(f"attributes.start_time > {ms}{_without(known)}",
                                order_by=["attributes.start_time ASC"])

    def ended_since(self, ms: int, *, known: Sequence[str] = ()) -> Iterator[Sequence[RawRun]]:
        """Yield the runs with an end time after `ms`, in pages; those in `known` are left out."""
        yield from self._search(f"attributes.end_time > {ms}{_without(known)}", order_by=["attributes.end_time ASC"])

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
        names = self._names or self.experiments()
        if names:
            pages = self._every(lambda token: self._pages.runs(
                text, names=names, order_by=order_by, deleted=deleted, token=token))
            yield from (page for page in pages if page)

    def registry(self) -> tuple[Sequence[RegisteredVersion], Mapping[tuple[str, str], str]]:
        """Return every registered version, and (model, alias) to version."""
        models = list(chain.from_iterable(self._every(self._pages.models)))
        versions = list(chain.from_iterable(self._every(self._pages.versions))) if models else []
        # A search over versions always returns empty aliases; those of a model are complete.
        found = {(model, alias): version for model, aliases in models for alias, version in aliases.items()}
        known = {(v.model, v.version) for v in versions}
        # Between the two reads a version may have been deleted: an alias to nothing is not kept.
        return versions, {key: version for key, version in found.items() if (key[0], version) in known}

    def _every(self, ask: Callable[[str], tuple[_T, str]]) -> Iterator[_T]:
        token, sent = "", {""}
        while True:
            page, token = self._asked(partial(ask, token))
            yield page
            if not token:
                return
            if token in sent:
                raise SourceMalformed(f"MLflow at {self._place} names a page as the next that it gave before: check "
                                      "that it is an MLflow server of version 3")
            sent.add(token)

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
        status = error.status if isinstance(error, Declined) else 0
        if code in {"UNAUTHENTICATED", "PERMISSION_DENIED"} or status in _REFUSED:
            return SourceUnavailable(f"MLflow at {self._place} refuses us ({text}): check MLFLOW_TRACKING_USERNAME and "
                                     "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN", retryable=False)
        if code in {"INVALID_PARAMETER_VALUE", "ENDPOINT_NOT_FOUND"} or status in _UNFIT:
            return SourceMalformed(f"MLflow at {self._place} answers what we cannot use ({text}): check that it is an "
                                   "MLflow server of version 3")
        return SourceUnavailable(f"MLflow at {self._place} does not answer ({text}): check that it runs and that "
                                 "tracking.uri is right")


def _plain(run_ids: Sequence[str]) -> list[str]:
    """Return the ids that may stand in a filter text."""
    return [i for i in run_ids if i.isalnum()]


def _without(known: Sequence[str]) -> str:
    # A row costs MLflow more than the whole rest of a question; those past the limit are merely read again.
    left_out = _plain(known)[:_IDS]
    return f" AND attributes.run_id NOT IN ({_listed(left_out)})" if left_out else ""


def _listed(run_ids: Sequence[str]) -> str:
    return ", ".join(f"'{i}'" for i in run_ids)
