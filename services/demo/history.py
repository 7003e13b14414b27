"""Write the past that production would have logged: answers of the logged models, and labels as flights landed.

Answers are really computed. Latencies are *simulated*: each is drawn, with a seeded generator, from the really
measured single-row latencies of the same version on this machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from services.adapters import parquet_writer
from services.demo.features import FEATURES, LABEL
from services.demo.models import answer
from services.predictions.schema import CHAMPION, LABEL_COLUMNS, PREDICTION_COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A version that answered production from `start` until `end`."""

    version: str
    fitted: Any
    start: datetime
    end: datetime
    latencies_ms: Sequence[float]


def request_id(row: int) -> str:
    """Return the id under which production is asked about a flight; the live replay goes on with the same ids."""
    return f"ny13-{row:06d}"


def predictions(model: str, served: Served, journeys: pd.DataFrame, *, seed: int) -> pa.Table:
    """Return the rows of the prediction log for one version's time in production."""
    asked = journeys[(journeys["predict_at"] >= served.start) & (journeys["predict_at"] < served.end)]
    if asked.empty:
        return prediction_table(asked, {})
    predicted, score = answer(model, served.fitted, asked)
    latency = np.random.default_rng(seed).choice(np.asarray(served.latencies_ms), size=len(asked))
    delivered = asked["predict_at"] + pd.to_timedelta(np.round(latency * 1000), unit="us")
    return prediction_table(asked, {
        "request_id": [request_id(row) for row in asked["row"]], "ts": delivered, "model": model,
        "model_version": served.version, "variant": CHAMPION, "environment": "production",
        "entity_id": asked["flight_key"], "latency_ms": latency, "status": "ok", "error_type": "",
        "prediction": predicted, "score": score,
    })


def prediction_table(asked: pd.DataFrame, columns: dict[str, Any]) -> pa.Table:
    """Return rows of the prediction log: the contract's columns, then the features as served."""
    frame = pd.DataFrame(columns, index=asked.index, columns=list(PREDICTION_COLUMNS)).join(asked[list(FEATURES)])
    fields = [pa.field(name, _arrow(kind)) for name, (kind, _) in PREDICTION_COLUMNS.items()]
    fields += [
        pa.field(name, pa.string() if pd.api.types.is_string_dtype(asked[name]) else pa.float64()) for name in FEATURES
    ]
    return arrow(frame, pa.schema(fields))


def labels(model: str, journeys: pd.DataFrame, *, start: datetime, now: datetime) -> pa.Table:
    """Return the label log: what was known by `now` about flights asked about since `start`."""
    known = journeys[(journeys["predict_at"] >= start) & (journeys["predict_at"] < now) & (journeys["known_at"] <= now)]
    return label_table(model, known, [request_id(row) for row in known["row"]], known["known_at"])


def label_table(model: str, known: pd.DataFrame, request_ids: Sequence[str], known_at: Any) -> pa.Table:
    """Return rows of the label log; a flight that never landed where it should has a reason instead of a label."""
    label = known[LABEL[model]]
    frame = pd.DataFrame({
        "request_id": request_ids, "label": label.to_numpy(), "label_ts": known_at,
        "absent_reason": known["absent_reason"].to_numpy(),
    })
    schema = pa.schema([pa.field(name, _arrow(kind)) for name, (kind, _) in LABEL_COLUMNS.items()])
    return arrow(frame, schema)


def arrow(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    """Return a frame as an Arrow table; its aware times become timestamps in UTC.

    pyarrow reads aware columns through an attribute that pandas has deprecated, so it is given naive ones.
    """
    aware = frame.select_dtypes("datetimetz").columns
    naive = frame.assign(**{name: frame[name].dt.tz_convert(None) for name in aware})
    table = pa.Table.from_pandas(naive, preserve_index=False)
    moment = pa.timestamp("us", tz="UTC")
    own = pa.schema([pa.field(f.name, moment if f.name in aware else f.type) for f in table.schema])
    return table.cast(schema or own)


def write(root: Path, rows: pa.Table, *, time_column: str) -> int:
    """Append rows to a log; return how many. The seed is thrown away when it is not complete, so nothing is synced."""
    parquet_writer.append(root, rows, time_column=time_column, stem="seed", sync=False)
    return int(rows.num_rows)


def _arrow(kind: str) -> pa.DataType:
    return {"string": pa.string(), "double": pa.float64()}.get(kind, pa.timestamp("us", tz="UTC"))
