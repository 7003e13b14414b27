"""Look at a team's own sources once, for `interlock init`: registered models with signatures, and a log's columns.

Nothing is written. What is proposed from it is decided in services/settings/propose.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.adapters.mlflow_registry import MlflowRegistry
from services.adapters.mlflow_settings import patient
from services.adapters.mlflow_words import cause, shown
from services.errors import NotFound, SourceMalformed, SourceUnavailable

SAMPLE: Final = 10_000
_READERS: Final = {
    "parquet": ("read_parquet(?, union_by_name=true, hive_partitioning=false)", (".parquet", ".pq")),
    "json": ("read_json_auto(?, union_by_name=true)", (".jsonl", ".ndjson", ".json")),
    "csv": ("read_csv_auto(?, union_by_name=true)", (".csv",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A registered model: its newest or champion version, and the features that its signature declares."""

    name: str
    version: str
    inputs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLog:
    """What the log looks like: where it lies, its format, columns with types, and a sample of its rows."""

    path: str
    format: str
    files: int
    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]

    def variety(self, column: str) -> tuple[int, bool]:
        """Return how many different values a column has in the sample, and whether they look like labels."""
        values = {row[column] for row in self.rows if row.get(column) is not None}
        whole = all(not isinstance(v, float) or v.is_integer() for v in values)
        return len(values), whole


def models(tracking: str, registry: str = "") -> list[str]:
    """Return the names of the registered models.

    Raises:
        SourceUnavailable: the server does not answer.
    """
    patient()
    _require_file(tracking)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(tracking_uri=tracking, registry_uri=registry or tracking)
        return sorted(found.name for found in client.search_registered_models(max_results=1000))
    except (MlflowException, OSError) as error:
        raise SourceUnavailable(f"MLflow at {shown(tracking)} does not answer ({cause(error)}): check the address, "
                                "and that the server runs") from error


def model(tracking: str, name: str, *, version: str = "", registry: str = "") -> FoundModel:
    """Return a registered model with its signature's inputs, empty where it has none.

    Raises:
        NotFound: there is no such model, or it has no version.
        SourceUnavailable: the server or its artefacts do not answer.
    """
    patient()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=tracking, registry_uri=registry or tracking)
    if not version:
        try:
            found = client.search_model_versions(f"name = '{name.replace(chr(39), '')}'")
        except MlflowException as error:
            raise SourceUnavailable(f"the versions of {name} cannot be read: {cause(error)}") from error
        if not found:
            raise NotFound(f"{name} has no version in the registry of {shown(tracking)}: register one, or name "
                           "another model")
        champion = [v for v in found if "champion" in v.aliases]
        version = str((champion or sorted(found, key=lambda v: int(v.version)))[-1].version)
    try:
        inputs = MlflowRegistry(tracking, registry).describe(name, version).inputs
    except SourceMalformed:
        inputs = {}
    return FoundModel(name=name, version=version, inputs=inputs)


def log(path: str, *, file_format: str = "") -> FoundLog:
    """Return what a folder or file of Parquet, JSON lines or CSV holds.

    Raises:
        NotFound: nothing readable lies there.
        SourceMalformed: the files cannot be read as what they are named.
    """
    import duckdb

    root = Path(path)
    kinds = [file_format] if file_format else list(_READERS)
    for kind in kinds:
        if kind not in _READERS:
            raise NotFound(f"format {kind} cannot be inspected: choose one of {', '.join(_READERS)}, or write "
                           "interlock.toml by hand from docs/settings.md")
        files = _files(root, _READERS[kind][1])
        if not files:
            continue
        reader = _READERS[kind][0]
        # The newest few tell the present shape; a log of years is not read for that.
        newest = [str(f) for f in sorted(files, key=lambda f: f.stat().st_mtime)[-20:]]
        try:
            with duckdb.connect() as connection:
                described = connection.execute(f"DESCRIBE SELECT * FROM {reader}", [newest]).fetchall()
                # By Arrow: DuckDB's own rows want pytz for a time with a zone.
                rows = connection.sql(f"SELECT * FROM {reader} LIMIT {SAMPLE}",
                                      params=[newest]).to_arrow_table().to_pylist()
        except duckdb.Error as error:
            raise SourceMalformed(f"the log {path} cannot be read as {kind}: {str(error).splitlines()[0]}. Name its "
                                  "format with --format") from error
        return FoundLog(path=str(root.absolute()), format=kind, files=len(files), rows=rows,
                        columns={str(row[0]): str(row[1]) for row in described})
    raise NotFound(f"no Parquet, JSON lines or CSV file lies in {path}: name the folder that the predictions are "
                   "logged to")


def _files(root: Path, suffixes: Sequence[str]) -> list[Path]:
    if root.is_file():
        return [root] if root.suffix in suffixes else []
    try:
        return [f for f in root.rglob("*") if f.suffix in suffixes and f.is_file()]
    except OSError as error:
        raise SourceUnavailable(f"{root} cannot be listed: {error.strerror}. Check its permissions") from error


def _require_file(uri: str) -> None:
    scheme, found, path = uri.partition(":///")
    if found and scheme == "sqlite" and not Path(path).is_file():
        raise SourceUnavailable(f"MLflow at {uri} cannot be read: there is no file {path}. Name the server's address "
                                "with --tracking")
