"""A log of JSON lines or CSV, labels too: latency, errors and quality are those of the same rows in Parquet."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from services.core.measurement import Verdict
from services.core.window import DAY
from tests.conftest import NOW
from tests.signals_fixtures import SignalHouse, answers, labels_of


def write(folder: Path, name: str, table: pa.Table, form: str, time: str) -> None:
    folder.mkdir(exist_ok=True)
    place = table.schema.get_field_index(time)
    rows = table.set_column(place, time, pc.strftime(table[time], format="%Y-%m-%dT%H:%M:%SZ")).to_pylist()
    if form == "json":
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return
    with (folder / f"{name}.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("form", ["json", "csv"])
def test_text_logs_are_measured_like_parquet(tmp_path: Path, form: str) -> None:
    houses = {}
    for kind in ("parquet", form):
        (tmp_path / kind).mkdir()
        house = houses[kind] = SignalHouse(tmp_path / kind, format=kind)
        for back in range(9, 0, -1):
            found = answers(house.rng, NOW - back * DAY, 240)
            known = labels_of(house.rng, found)
            if kind == "parquet":
                house.log(found)
                house.label(known)
            else:
                write(house.folder / "log", f"day{back}", found, kind, "ts")
                write(house.folder / "labels", f"day{back}", known, kind, "label_ts")
        house.run()
    for name in ("latency_p95_ms", "error_share", "quality", "label_coverage"):
        theirs, ours = (house.services.measurements.newest(name=name) for house in houses.values())
        assert theirs
        assert [(m.verdict, m.column, m.value, m.n) for m, _ in ours] == [
            (m.verdict, m.column, pytest.approx(m.value), m.n) for m, _ in theirs]
    assert houses[form].newest("label_coverage").verdict is Verdict.PASS
