"""Write what the data and validation pipelines would: a day's flights with their features, training and test sets."""

import time
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa

from services.adapters import parquet_writer
from services.demo import history
from services.demo.features import AIR_TIME, DELAY, FEATURES, LABEL
from services.demo.plan import VALIDATED


def split(rows: pd.DataFrame, *, cut: datetime, last: timedelta = VALIDATED) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what a version is trained on and what it is tested on: the flights known in the last days before `cut`.

    A random split would test on the hours that were trained on, whose weather and queues delay whole banks of flights
    together; production has only later ones. The flights that staging replays are not trained on either.
    """
    late = rows["known_at"] >= cut - last
    return rows[~late & ~rows["held_out"]], rows[late]


def table_of(journeys: pd.DataFrame, *labels: str) -> pa.Table:
    """Return rows of a data set: when they were asked about, the features, and the named labels."""
    frame = journeys[["row", "predict_at", *FEATURES, *labels]].rename(columns={"predict_at": "ts"})
    return history.arrow(frame)


def ingest(root: Path, journeys: pd.DataFrame, *, start: datetime, end: datetime) -> tuple[int, float]:
    """Write one span of the daily feed; return its rows and the seconds it took."""
    began = time.perf_counter()
    rows = journeys[(journeys["predict_at"] >= start) & (journeys["predict_at"] < end)]
    parquet_writer.append(root, table_of(rows), time_column="ts", stem="feed", sync=False)
    return len(rows), time.perf_counter() - began


def write_sets(data: Path, journeys: pd.DataFrame, *, start: datetime, cut: datetime) -> dict[str, int]:
    """Write the candidate's training set and both test sets; return the rows of each."""
    training, tested = split(journeys[(journeys["known_at"] >= start) & (journeys["known_at"] < cut)], cut=cut)
    sets = {
        f"{DELAY}-training": table_of(training, LABEL[DELAY]),
        f"{DELAY}-test": table_of(tested, LABEL[DELAY]),
        f"{AIR_TIME}-test": table_of(tested, LABEL[AIR_TIME]),
    }
    for name, rows in sets.items():
        parquet_writer.append(data / name, rows, time_column="ts", stem="set", sync=False)
    return {name: rows.num_rows for name, rows in sets.items()}


def days_before(now: datetime, count: int) -> list[tuple[datetime, datetime]]:
    """Return the last `count` whole UTC days before `now`, oldest first."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=1)
    return [(today - day * back, today - day * (back - 1)) for back in range(count, 0, -1)]
