"""Try the logs that the settings name.

Local text and Parquet are read where they lie; of anything else the newest file is read as the monitor would, into a
folder that is thrown away.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.adapters import inspect_sources
from services.adapters.mirrored_log import MirroredLog
from services.core.measurement import Verdict
from services.predictions.ledger import Changes, FileState
from services.settings import Settings
from services.settings.propose import NEEDED
from services.settings.sections import Columns, Model

_LABELS: Final = ("request_id", "label", "label_ts")


def try_log(settings: Settings, name: str, model: Model) -> tuple[Verdict, str]:
    """Return how the prediction log of a model stands.

    Raises:
        OpsError: it cannot be reached or read.
    """
    wanted = {getattr(model.columns, ours): f" (models.{name}.columns.{ours})" for ours in NEEDED}
    wanted |= {feature: "" for feature in model.features if feature not in wanted}
    if model.format == "table":
        return _table(settings, name, model, wanted)
    if model.remote or model.format not in ("parquet", "json", "csv"):
        # A file is held against what is declared; here what every log needs is, named or not.
        needed = {ours: getattr(model.columns, ours) for ours in NEEDED}
        held = model.model_copy(update={"columns": Columns(**needed, **{
            ours: theirs for ours, theirs in model.columns.model_dump(exclude_unset=True).items()
            if ours not in needed})})
        location = model.log if model.remote else str(settings.resolve(model.log))
        return _newest(location, name, held, f"of format {model.format}")
    path = settings.resolve(model.log)
    found = inspect_sources.log(str(path), file_format=model.format)
    lost = [column + where for column, where in wanted.items() if column not in found.columns]
    if lost:
        return Verdict.FAIL, f"{path} has no column {', '.join(lost)}; it has {', '.join(list(found.columns)[:20])}"
    kind = found.columns[model.columns.timestamp]
    bare = kind.startswith("TIMESTAMP") and "ZONE" not in kind
    return Verdict.PASS, f"{found.files} {found.format} files with every declared column" + (
        "; its times have no zone and are taken as UTC" if bare else "")


def try_labels(settings: Settings, name: str, model: Model) -> tuple[Verdict, str]:
    """Return how the label log of a model stands.

    Raises:
        OpsError: it cannot be reached or read.
    """
    if not model.labels:
        return Verdict.INCONCLUSIVE, f"none declared (models.{name}.labels): quality stays unsure"
    if "://" in model.labels:
        columns = Columns(timestamp="label_ts", request_id="request_id", prediction="label")
        held = model.model_copy(update={"columns": columns, "features": [], "format": model.labels_format})
        return _newest(model.labels, name, held, "of labels")
    path = settings.resolve(model.labels)
    found = inspect_sources.log(str(path), file_format=model.labels_format)
    lost = [column for column in _LABELS if column not in found.columns]
    if lost:
        return Verdict.FAIL, f"{path} has no column {', '.join(lost)}"
    return Verdict.PASS, f"{found.files} {found.format} files"


def _newest(location: str, name: str, model: Model, what: str) -> tuple[Verdict, str]:
    with tempfile.TemporaryDirectory() as folder:
        log = MirroredLog(name, location, model, mirror=Path(folder))
        files = log.changes({}).look
        if not files:
            return Verdict.FAIL, f"{location} has no file {what}: check models.{name}, or wait for the first one"
        newest = max(files, key=lambda file: (file.mtime, file.path))
        [file] = log.inspect(Changes(look=(newest,), gone=()))
    shown = newest.path.removesuffix(".parquet")
    if file.state is FileState.QUARANTINED:
        return Verdict.FAIL, f"{shown}, the newest of {len(files)} files, {file.reason}"
    if file.lacks:
        return Verdict.FAIL, f"{shown}, the newest of {len(files)} files, has no column {', '.join(file.lacks)}"
    return Verdict.PASS, f"{len(files)} files {what}; the newest, {shown}, holds {file.rows:,} rows with every column"


def _table(settings: Settings, name: str, model: Model, wanted: dict[str, str]) -> tuple[Verdict, str]:
    from services.adapters.table_log import TableLog  # Ibis takes a second to import

    log = TableLog(name, settings.engine.url, model)
    try:
        columns: Sequence[str] = log.columns()
    finally:
        log.close()
    lost = [column + where for column, where in wanted.items() if column not in columns]
    if lost:
        return Verdict.FAIL, f"table {model.log} has no column {', '.join(lost)}; it has {', '.join(columns[:20])}"
    return Verdict.PASS, (f"table {model.log} has every declared column; outage, latency, volume and quality are not "
                          "read from a table")
