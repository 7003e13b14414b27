"""Which data sets did a run say that it read (`mlflow.log_input`), and can the monitor measure them?

Counting their rows is in services/adapters/dataset_rows.py. What a tag or a source may say comes from outside: nothing
here trusts its form.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from services.training.run import DataInput
from services.training.tags import clean

CONTEXT: Final = "mlflow.data.context"
LABEL_TAG: Final = "ops.label"  # a tag of the input: which column holds the truth
EVALUATION: Final = frozenset({"eval", "evaluation", "test", "testing", "valid", "validation"})
MOST: Final = 20  # inputs of a run that are measured
_LONGEST: Final = 500  # MLflow's own limit of a name
_PATTERN: Final = frozenset("*?[")


def hindrance(given: DataInput) -> str:
    """Return why the monitor does not measure an input; empty where it does."""
    if given.context.lower() in EVALUATION:
        return "logged for evaluation: name it in a [datasets] section with the role test"
    if given.source != "local":
        return f"its source is {given.source or 'not told'}: only files that the monitor can open are measured"
    if not given.uri.startswith("/") or ".." in given.uri.split("/"):
        return "its path is relative: log an absolute one, without .."
    if _PATTERN & set(given.uri):
        return "its path is a pattern: log one file or folder"
    # A folder of any name could be a whole disk.
    if not given.uri.endswith(".parquet"):
        return "it is no .parquet file or folder"
    return ""


def pack(given: DataInput) -> list[str | int | None]:
    """Return plain JSON values."""
    return [given.name, given.digest, given.context, given.source, given.uri, given.rows, given.label]


def unpack(packed: list[Any]) -> DataInput:
    """Return what `pack` packed."""
    name, digest, context, source, uri, rows, label = packed
    return DataInput(name=name, digest=digest, context=context, source=source, uri=uri, rows=rows, label=label)


def read_input(
    name: str, digest: str, *, source_type: str, source: str, profile: str, tags: Mapping[str, str]
) -> DataInput:
    """Return a data set from MLflow's words for it; `source` and `profile` are JSON texts, of any form."""
    told, counted = _object(source), _object(profile)
    rows = counted.get("num_rows")
    return DataInput(
        name=clean(name)[:_LONGEST], digest=clean(digest), context=clean(tags.get(CONTEXT, "")),
        source=clean(source_type), uri=_path(str(told.get("uri") or told.get("path") or told.get("url") or "")),
        rows=rows if isinstance(rows, int) and not isinstance(rows, bool) else None,
        label=clean(tags.get(LABEL_TAG, "")),
    )


def measured(model: str, inputs: Sequence[DataInput]) -> dict[str, DataInput]:
    """Return those of a run's inputs that are measured, by the name they are measured under; one of each name."""
    return dict(islice(_measurable(model, inputs).items(), MOST))


def left_out(model: str, inputs: Sequence[DataInput]) -> int:
    """Return how many of a run's inputs are not measured because the run logged more than `MOST`."""
    return max(len(_measurable(model, inputs)) - MOST, 0)


def subject_of(model: str, name: str) -> str:
    """Return what an input of that name is measured under; without a name, what every one of the model begins with."""
    return f"{model}-input-{name}"[:200]


def _measurable(model: str, inputs: Sequence[DataInput]) -> dict[str, DataInput]:
    found: dict[str, DataInput] = {}
    for given in inputs:
        if not hindrance(given):
            found.setdefault(subject_of(model, given.name), given)
    return found


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _path(uri: str) -> str:
    uri = clean(uri)[:_LONGEST]
    if not uri.startswith("file:"):
        return uri
    # Path takes "..", so that an address is shown as what it opens.
    return str(Path(unquote(urlsplit(uri).path)))
