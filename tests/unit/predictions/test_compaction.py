from dataclasses import replace
from datetime import timedelta

import pytest

from services.core.window import HOUR
from services.predictions.compaction import CLOSED, WORTH, batches, merged
from services.predictions.ledger import FileState, LogFile
from tests.conftest import NOW

HOUR_OF_FILES = NOW - timedelta(hours=5)
FOLDER = "date=2026-03-04"


def file(number: int, **more: object) -> LogFile:
    first = HOUR_OF_FILES + timedelta(minutes=number)
    known = LogFile(path=f"{FOLDER}/gateway-{number:04}-v1.parquet", size=100, mtime=NOW, state=FileState.OK, rows=10,
                    first=first, last=first + timedelta(seconds=50), versions={"1": 10})
    return replace(known, **more)


def files(**more: object) -> list[LogFile]:
    return [file(number, **more) for number in range(WORTH)]


def test_the_files_of_a_closed_hour_are_one_batch() -> None:
    [batch] = batches(files(), now=NOW)
    assert (batch.folder, batch.hour, len(batch.files)) == (FOLDER, HOUR_OF_FILES, WORTH)


def test_an_hour_stays_until_its_stragglers_had_time() -> None:
    closes = HOUR_OF_FILES + HOUR + CLOSED
    assert batches(files(), now=closes - timedelta(seconds=1)) == []
    assert len(batches(files(), now=closes)) == 1


@pytest.mark.parametrize("more", [
    {"state": FileState.NEW}, {"state": FileState.QUARANTINED}, {"state": FileState.GONE},
    {"undated": 1}, {"first": None}, {"last": HOUR_OF_FILES + 2 * HOUR},
], ids=["not counted yet", "quarantined", "gone", "with rows that have no time", "without rows", "over two hours"])
def test_what_must_stay_itself_is_left_alone(more: dict) -> None:
    assert batches(files(**more), now=NOW) == []


@pytest.mark.parametrize("path", [
    "date=2026-03-04/part-{}.orc", "part-{}.parquet", "date=2026-03-04/theirs-{}.parquet",
    "date=2026-03-04/hour-10-{}.parquet", "year=2026/part-{}.parquet",
])
def test_what_our_own_writers_did_not_name_is_never_rewritten(path: str) -> None:
    assert batches([file(n, path=path.format(n)) for n in range(WORTH)], now=NOW) == []


def test_a_few_files_and_too_many_rows_are_not_worth_it() -> None:
    assert batches(files()[:-1], now=NOW) == []
    assert batches(files(rows=300_000), now=NOW) == []


def test_hours_are_batches_of_their_own_oldest_first() -> None:
    earlier = [replace(f, path=f.path.replace("gateway", "part"), first=f.first - HOUR, last=f.last - HOUR)
               for f in files()]
    assert [b.hour for b in batches([*files(), *earlier], now=NOW)] == [HOUR_OF_FILES - HOUR, HOUR_OF_FILES]


def test_the_merged_file_is_known_by_the_sums_of_what_it_holds() -> None:
    parts = [file(0), file(1, versions={"1": 4, "2": 6}, lacks=("dewp",))]
    one = merged(parts, path="x", size=7, mtime=NOW)
    assert (one.rows, one.versions, one.lacks) == (20, {"1": 14, "2": 6}, ("dewp",))
    assert (one.first, one.last) == (parts[0].first, parts[1].last)
    assert one.state is FileState.OK
