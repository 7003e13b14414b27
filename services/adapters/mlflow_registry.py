"""Read and write MLflow's model registry for releases: versions with their files hashed, aliases, tags.

Importing MLflow takes seconds, so only the monitor uses this. The registry has no compare-and-set: what to compare
before a write, and the read-back after it, is in services/releases/reconcile.py.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

# MLflow brings it into a thread of the outbox; a query that meets it half made there ends the process.
import sqlalchemy.orm  # noqa: F401

from services.adapters.mlflow_settings import patient
from services.adapters.mlflow_words import cause, shown, unanswered
from services.errors import NotFound, SourceMalformed, SourceUnavailable
from services.releases.evidence import VersionFacts

T = TypeVar("T")

_TAG_LIMIT: Final = 200
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?\s*(.*)")
# MLflow puts this note (model name and version) beside the files whenever somebody loads `models:/name/version` from
# a store on the same machine; it holds nothing that is loaded, and would otherwise read as tampering.
_WRITTEN_BY_READERS: Final = "registered_model_meta"


class MlflowRegistry:
    """The registry behind an address. Nothing is opened until first use."""

    def __init__(self, uri: str, registry_uri: str = "") -> None:
        """Remember the addresses of tracking server and registry."""
        patient()
        self._uri = uri
        self._registry_uri = registry_uri or uri
        self._made: Any = None

    @property
    def _client(self) -> Any:
        if self._made is None:
            scheme, found, path = self._registry_uri.partition(":///")
            if found and scheme == "sqlite" and path and not Path(path).is_file():
                # MLflow would create an empty registry in its place.
                raise SourceUnavailable(f"the registry {self._registry_uri} cannot be read: there is no file {path}. "
                                        "Set tracking.uri, or register a model there")
            logging.getLogger("alembic").setLevel(logging.WARNING)
            from mlflow import MlflowClient

            self._made = self._asked("the registry", lambda: MlflowClient(
                tracking_uri=self._uri, registry_uri=self._registry_uri))
        return self._made

    def describe(self, model: str, version: str) -> VersionFacts:
        """Return what is known about a version, its files hashed.

        Raises:
            NotFound: there is no such version, or nothing lies behind it.
            SourceUnavailable: the registry or the artefact store does not answer.
        """
        what = f"version {version} of {model}"
        found = self._asked(what, lambda: self._client.get_model_version(model, version))
        with TemporaryDirectory(prefix="interlock-model-") as folder:
            root = self._asked(what, lambda: self._files(model, version, folder))
            files = [f for f in sorted(root.rglob("*")) if f.is_file() and f.name != _WRITTEN_BY_READERS]
            manifest = {str(f.relative_to(root)): _sha256(f) for f in files}
            size = sum(f.stat().st_size for f in files)
            signature, requirements = _signature(root), _requirements(root)
        run = self._run(found.run_id)
        return VersionFacts(
            model=model, version=str(version), run_id=found.run_id or "", status=str(found.status),
            source=str(found.source or ""), manifest=manifest, size_bytes=size, signature=signature,
            inputs=_columns(signature, "inputs", what), outputs=_columns(signature, "outputs", what),
            metrics=dict(run.data.metrics) if run else {},
            params=dict(run.data.params) if run else {}, tags=_own(found.tags),
            requirements=requirements,
            created_at=_time(found.creation_timestamp), took_s=_took(run),
        )

    def _files(self, model: str, version: str, folder: str) -> Path:
        from mlflow.artifacts import download_artifacts

        # A registry file store on this machine is hashed where it lies; anything else is fetched first.
        uri = self._client.get_model_version_download_uri(model, version)
        if uri.startswith("models:/m-"):
            uri = self._client.get_logged_model(uri.removeprefix("models:/")).artifact_location
        local = Path(uri.removeprefix("file://"))
        if local.is_absolute() and local.is_dir():
            return local
        return Path(download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=self._uri))

    def _run(self, run_id: str | None) -> Any:
        if not run_id:
            return None
        try:
            return self._asked(f"run {run_id}", lambda: self._client.get_run(run_id))
        except NotFound:
            return None  # a run may be deleted under its version; the version stays, with less to say

    def files_at(self, model: str, version: str) -> str:
        """Return the address of a version's files, for systems that fetch them by themselves.

        Raises:
            NotFound: there is no such version.
            SourceUnavailable: the registry does not answer.
        """
        return str(self._asked(f"version {version} of {model}",
                               lambda: self._client.get_model_version_download_uri(model, version)))

    def alias(self, model: str, name: str) -> str:
        """Return the version an alias points to, or nothing.

        Raises:
            NotFound: there is no such model.
            SourceUnavailable: the registry does not answer.
        """
        found = self._asked(f"model {model}", lambda: self._client.get_registered_model(model))
        return str(found.aliases.get(name, ""))

    def set_alias(self, model: str, name: str, version: str) -> None:
        """Point an alias; an empty version removes it."""
        if version:
            self._asked(f"version {version} of {model}",
                        lambda: self._client.set_registered_model_alias(model, name, version))
        else:
            self._asked(f"model {model}", lambda: self._client.delete_registered_model_alias(model, name))

    def tags(self, model: str, version: str) -> Mapping[str, str]:
        """Return a version's tags."""
        found = self._asked(f"version {version} of {model}", lambda: self._client.get_model_version(model, version))
        return dict(found.tags)

    def set_tags(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags; an empty value removes one."""
        for key, value in tags.items():
            if value:
                self._asked(f"version {version} of {model}",
                            lambda key=key, value=value: self._client.set_model_version_tag(  # type: ignore[misc]
                                model, version, key, value))
            else:
                self._asked(f"version {version} of {model}",
                            lambda key=key: self._client.delete_model_version_tag(  # type: ignore[misc]
                                model, version, key))

    def _asked(self, what: str, ask: Callable[[], T]) -> T:
        """Ask MLflow and turn its errors into facts."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return ask()
        except MlflowException as error:
            if silent := unanswered(error):
                raise SourceUnavailable(f"the registry {shown(self._registry_uri)} does not answer ({silent}): check "
                                        "that it runs and that tracking.registry_uri is right") from error
            first = cause(error)
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                raise NotFound(f"{what} is not in the registry {shown(self._registry_uri)}: {first}") from error
            raise SourceUnavailable(f"the registry {shown(self._registry_uri)} refused {what}: {first}") from error
        except (OSError, SQLAlchemyError) as error:
            raise SourceUnavailable(f"the registry {shown(self._registry_uri)} does not answer: "
                                    f"{cause(error)}") from error


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _signature(root: Path) -> str:
    """Return the signature as MLflow wrote it into the model's own description, as JSON; empty when there is none."""
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    if not (root / "MLmodel").is_file():
        return ""
    try:
        signature = Model.load(str(root)).signature
    except (MlflowException, ValueError, TypeError, AttributeError) as error:
        raise SourceMalformed(f"the model's own description {root / 'MLmodel'} cannot be read: {error}") from error
    return json.dumps(signature.to_dict(), sort_keys=True) if signature else ""


def _requirements(root: Path) -> dict[str, str]:
    """Return the packages that the model was logged with, as its requirements.txt names them."""
    file = root / "requirements.txt"
    if not file.is_file():
        return {}
    lines = (line.partition("#")[0].partition(";")[0].strip() for line in file.read_text("utf-8").splitlines())
    named = (_REQUIREMENT.match(line) for line in lines)
    return {found[1].lower(): found[2].strip() for found in named if found}


def _columns(signature: str, side: str, what: str) -> dict[str, str]:
    """Return name to type of a side, `inputs` or `outputs`; what has no name gets its place as one."""
    if not signature:
        return {}
    try:
        listed = json.loads(json.loads(signature)[side] or "[]")
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise SourceMalformed(f"the signature of {what} cannot be read: {error}") from error
    return {str(item.get("name") or number): str(item.get("type")) for number, item in enumerate(listed)}


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that people or pipelines wrote, shortened; ours would change the evidence by showing it."""
    return {k: v[:_TAG_LIMIT] for k, v in tags.items() if not k.startswith("release")}


def _time(ms: int | None) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, tz=UTC) if ms else None


def _took(run: Any) -> float | None:
    if run is None or not run.info.end_time or not run.info.start_time:
        return None
    return float(run.info.end_time - run.info.start_time) / 1000
