"""Small files of closed hours become one: same counts, nothing counted again, and no kill loses or doubles a row."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from services.adapters.log_compaction import LogCompaction
from services.adapters.ops_db import OpsDb
from services.core.window import HOUR
from services.errors import OpsError, SourceUnavailable
from services.monitor.steps.compaction import CompactionStep
from services.predictions.compaction import WORTH, Batch
from services.predictions.ledger import FileState
from tests.conftest import NOW
from tests.flows.test_log_to_drift import MODEL, House, rows

LOG = f"predictions:{MODEL}"
FILES = WORTH + 2


@pytest.fixture
def house(tmp_path: Path, db: OpsDb) -> House:
    """Return a log whose hour from 8 to 9 has many files, counted by one pass."""
    house = House(tmp_path, db)
    start = NOW - 7 * HOUR
    house.log(*(rows(house.rng, start + timedelta(minutes=5 * k), 10, timedelta(minutes=4)) for k in range(FILES)))
    house.log(rows(house.rng, NOW - 2 * HOUR, 30, HOUR))
    house.run()
    return house


def compaction(house: House) -> LogCompaction:
    return LogCompaction(LOG, house.root, house.ledger, time_column="ts")


def step(house: House) -> str:
    return CompactionStep(logs={MODEL: compaction(house)}).run(now=NOW)


def names(house: House) -> list[str]:
    return sorted(path.name for path in house.root.rglob("*") if path.is_file())


def test_many_files_become_one_and_nothing_is_counted_again(house: House) -> None:
    before, seen = house.counts(), max(f.mtime for f in house.ledger.files(LOG).values())
    assert step(house) == f"1 hours compacted, {FILES - 1} files fewer"
    assert [n.split("-")[0] for n in names(house)] == ["hour", "part"]
    assert house.run() == f"{MODEL}: nothing new"
    after = house.counts()
    assert (after.rows, after.counts.tolist()) == (before.rows, before.counts.tolist()) == (
        10 * FILES + 30, before.counts.tolist())
    assert step(house) == "nothing to compact"
    [one] = [f for f in house.ledger.files(LOG).values() if "/hour-" in f.path]
    assert (one.state, one.rows, one.versions) == (FileState.OK, 10 * FILES, {"1": 10 * FILES})
    assert one.mtime >= seen


def test_a_recount_from_the_merged_file_gives_the_same_counts(house: House) -> None:
    before = house.counts()
    step(house)
    path = next(house.root.rglob("hour-*.parquet"))
    table = pq.read_table(path, partitioning=None)
    assert table["ts"].to_pylist() == sorted(table["ts"].to_pylist())
    house.ledger.save(LOG, [f.__class__(**{**{n: getattr(f, n) for n in f.__dataclass_fields__},
                                           "state": FileState.NEW})
                            for f in house.ledger.files(LOG).values()], now=NOW)
    assert "buckets counted from 2 changed files" in house.run()
    assert house.counts().counts.tolist() == before.counts.tolist()


def test_files_whose_columns_differ_stay_as_they_are(house: House) -> None:
    house.log(rows(house.rng, NOW - 7 * HOUR, 10, HOUR, amount=["1"] * 10))
    house.run()
    before = names(house)
    assert step(house) == "nothing to compact"
    assert names(house) == before


def test_a_folder_that_cannot_be_written_is_one_line_and_keeps_every_row(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = names(house)
    monkeypatch.setattr("services.adapters.log_compaction.pq.write_table", full)
    with pytest.raises(SourceUnavailable, match="Every row stays where it was; free space"):
        step(house)
    assert names(house) == before
    assert house.run() == f"{MODEL}: nothing new"


def test_one_log_that_cannot_be_compacted_does_not_stop_another(house: House) -> None:
    class Broken:
        def files(self) -> list:
            return []

        def recover(self) -> int:
            raise SourceUnavailable("the folder is gone")

        def compact(self, batch: Batch) -> int:
            raise AssertionError(batch)

    with pytest.raises(OpsError, match="the folder is gone"):
        CompactionStep(logs={"broken": Broken(), MODEL: compaction(house)}).run(now=NOW)
    assert any(name.startswith("hour-") for name in names(house))


def test_a_merged_file_that_is_gone_leaves_the_old_ones_where_they_are(house: House) -> None:
    before = names(house)
    folder = house.root / "date=2026-03-04"
    old = [path for path, f in house.ledger.files(LOG).items() if f.rows == 10]
    (folder / ".compact-hour-08-x.parquet.json").write_text(json.dumps({"new": f"{folder.name}/hour-08-x.parquet",
                                                                       "old": old}))
    with pytest.raises(SourceUnavailable, match=r"lost hour-08-x.parquet: the old files stay. Remove"):
        step(house)
    assert [n for n in names(house) if not n.startswith(".")] == before


# In the order of compaction: 0 file on the disk, 1 and 3 plan on the disk, 2 plan named, 4 ledger, 5 file named,
# 6 folder on the disk, 9 some of the old files removed, 18 the plan removed; 40 never comes.
@pytest.mark.parametrize("touch", [0, 1, 2, 3, 4, 5, 6, 9, 18, 40])
def test_a_kill_at_any_touch_of_disk_or_store_loses_and_doubles_no_row(
    house: House, db: OpsDb, touch: int
) -> None:
    right = house.counts()
    command = [sys.executable, "-m", "tests.flows.compaction_killed", LOG, str(house.root), str(db.engine.url),
               str(touch), NOW.isoformat()]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == (0 if touch == 40 else -9), done.stderr
    compaction(house).recover()
    assert house.run() == f"{MODEL}: nothing new"
    assert not [name for name in names(house) if name.startswith(".")]
    paths = list(house.root.rglob("*.parquet"))
    ids = [i for path in paths for i in pq.read_table(path, partitioning=None)["request_id"].to_pylist()]
    assert len(ids) == len(set(ids)) == right.rows
    assert set(house.ledger.files(LOG)) == {str(path.relative_to(house.root)) for path in paths}
    assert house.counts().counts.tolist() == right.counts.tolist()
