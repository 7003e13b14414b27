"""The journal on a real disk: a kill, a power cut's shadow, and a disk that is full."""

import asyncio
import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from services.adapters import gateway_journal
from services.adapters.gateway_journal import SEALED, Journal
from services.adapters.prediction_writer import convert
from services.gateway.journal import Entry, Schema, unpack
from tests.waiting import until

ENTRY = Entry(ts_us=1_772_636_400_000_000, model="m", version="1", variant="champion", environment="production",
              request_id="r", entity_id="e", latency_ms=2.5, status="ok", body=b'{"inputs": {"x": [1]}}',
              record=b'{"rows": 1, "prediction": [3.5]}')
SIGNATURE = {"columns": [{"name": "x", "type": "double", "required": True}], "dtype": "", "shape": []}


def _journal(folder: Path) -> tuple[Journal, list[Path]]:
    sealed: list[Path] = []
    return Journal(folder, window_s=0.05, sealed=sealed.append), sealed


def _entries(segments: list[Path]) -> list[Entry]:
    return [read.item for path in segments for read in unpack(path.read_bytes()) if isinstance(read.item, Entry)]


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Make every file of this process end at `limit` bytes: the kernel refuses the rest, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_entries_are_sealed_in_order_and_numbered_over_restarts(tmp_path):
    for first in (0, 3):
        journal, sealed = _journal(tmp_path)
        for i in range(first, first + 3):
            journal.append(replace(ENTRY, request_id=str(i)))
        journal.close()
    reads = [read for path in sealed for read in unpack(path.read_bytes())]
    assert [read.sequence for read in reads] == [1, 2, 3, 4, 5, 6]
    assert [read.item.request_id for read in reads] == ["0", "1", "2", "3", "4", "5"]
    assert journal.counters() == {"taken": 6, "written": 6, "held_back": 0, "dropped": 0, "lost": 0}


def test_a_killed_gateway_loses_nothing_that_it_had_written(tmp_path):
    code = ("import os, signal, sys\nfrom pathlib import Path\n"
            "from services.adapters.gateway_journal import Journal\n"
            "from tests.contract.test_gateway_journal import ENTRY\n"
            "journal = Journal(Path(sys.argv[1]), window_s=60, sealed=print)\n"
            "for _ in range(250): journal.append(ENTRY)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    journal, sealed = _journal(tmp_path)
    assert len(_entries(sealed)) == 250
    assert (journal.lost, journal.taken) == (0, 250)
    journal.close()


def test_what_a_kill_took_between_counting_and_writing_is_counted(tmp_path):
    journal, _ = _journal(tmp_path)
    for _ in range(4):
        journal.append(ENTRY)
    segment = next(tmp_path.glob("*.open"))
    journal.taken += 1
    journal._count()  # killed here: counted, not written
    again, sealed = _journal(tmp_path)
    assert again.lost == 1
    assert len(_entries(sealed)) == 4
    again.close()
    third, _ = _journal(tmp_path)
    assert (third.lost, third.taken) == (0, 5)
    third.close()
    assert not segment.exists()


def test_a_record_torn_by_a_power_cut_does_not_take_the_others_along(tmp_path):
    journal, _ = _journal(tmp_path)
    for _ in range(3):
        journal.append(ENTRY)
    segment = next(tmp_path.glob("*.open"))
    os.truncate(segment, segment.stat().st_size - 5)
    again, sealed = _journal(tmp_path)
    assert len(_entries(sealed)) == 2
    again.close()


def test_a_full_disk_holds_rows_back_loudly_and_loses_none_when_it_has_room_again(tmp_path, caplog):
    journal, sealed = _journal(tmp_path)
    with full_disk(2_000):
        for i in range(40):
            journal.append(replace(ENTRY, request_id=str(i)))
        counters = journal.counters()
        assert counters["held_back"] > 20
        assert counters["held_back"] + counters["written"] == 40
    assert "disk" in caplog.text
    assert "is full or broken" in caplog.text
    journal.append(replace(ENTRY, request_id="40"))
    assert journal.counters()["held_back"] == 0
    journal.close()
    assert [entry.request_id for entry in _entries(sealed)] == [str(i) for i in range(41)]


def test_a_disk_without_room_for_a_new_segment_keeps_the_open_one_and_goes_on_after(tmp_path, monkeypatch, caplog):
    async def live() -> None:
        journal, sealed = _journal(tmp_path)
        tending = asyncio.create_task(journal.tend())
        real = os.open

        def no_room(path, flags, *rest):
            if str(path).endswith(".open"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            return real(path, flags, *rest)

        with monkeypatch.context() as full:
            full.setattr(os, "open", no_room)
            journal.append(replace(ENTRY, request_id="0"))
            await journal.seal()
            journal.append(replace(ENTRY, request_id="1"))
            async with asyncio.timeout(120):
                while caplog.text.count("takes no new segment: No space left") < 2:  # noqa: ASYNC110 -- by tend()
                    await asyncio.sleep(0.01)
            assert sealed == []
        journal.append(replace(ENTRY, request_id="2"))
        async with asyncio.timeout(120):
            while not sealed:  # noqa: ASYNC110 -- a thread seals, and there is nothing to wait on
                await asyncio.sleep(0.01)
        assert not tending.done(), "nobody would seal any more"
        tending.cancel()
        assert [entry.request_id for entry in _entries(sealed)] == ["0", "1", "2"]
        journal.close()

    asyncio.run(live())


def test_when_memory_is_full_as_well_the_dropped_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("services.adapters.gateway_journal._HOLD_BYTES", 1_000)
    journal, sealed = _journal(tmp_path)
    with full_disk(500):
        for _ in range(30):
            journal.append(ENTRY)
    held, dropped = journal.counters()["held_back"], journal.counters()["dropped"]
    assert dropped > 0
    journal.close()
    assert len(_entries(sealed)) == 30 - dropped
    assert journal.counters()["written"] == 30 - dropped
    assert held > 0


def test_durable_returns_when_the_rows_are_on_the_disk_and_callers_share_a_sync(tmp_path, monkeypatch):
    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (synced.append(file), real(file))[1])

    async def many() -> None:
        async def one() -> None:
            journal.append(ENTRY)
            await journal.durable()

        await asyncio.gather(*(one() for _ in range(50)))

    journal, _ = _journal(tmp_path)
    asyncio.run(many())
    assert 1 <= len(synced) <= 3
    journal.close()


def test_a_busy_log_is_sealed_at_its_window_and_a_quiet_one_once_it_is_old(tmp_path, monkeypatch):
    synced: list[int] = []
    real = gateway_journal._sync
    monkeypatch.setattr(gateway_journal, "_sync", lambda file: (synced.append(file), real(file)))
    hour = 3_600.0

    async def come(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(120):
            while not condition():  # noqa: ASYNC110 -- a thread seals, and there is nothing to wait on
                await asyncio.sleep(0.005)

    async def watch() -> None:
        tending = asyncio.create_task(journal.tend())
        journal._since = time.monotonic() + hour  # young for as long as this test may take
        journal.append(ENTRY)
        await come(lambda: len(synced) >= 3)
        assert sealed == []  # windows went by, and one row waits for company
        journal._since -= 2 * hour
        await come(lambda: len(sealed) == 1)
        journal._since = time.monotonic() + hour
        for _ in range(1_200):
            journal.append(ENTRY)
        await come(lambda: len(sealed) == 2)
        tending.cancel()

    journal, sealed = _journal(tmp_path)
    asyncio.run(watch())
    assert [len(_entries([segment])) for segment in sealed] == [1, 1_200]
    journal.close()


def test_a_segment_becomes_the_log_once_however_often_it_is_tried(tmp_path):
    segment = _segment(tmp_path)
    kept = segment.read_bytes()
    for _ in range(2):
        segment.write_bytes(kept)
        assert convert(segment) == 3
    assert convert(segment) == 0
    (file,) = (tmp_path / "log").glob("date=2026-03-04/*.parquet")
    rows = pq.ParquetFile(file).read().to_pylist()
    assert [(r["request_id"], r["x"], r["prediction"], r["status"]) for r in rows] == [
        ("r", 1.0, 3.5, "ok"), ("r", None, None, "error"), ("r", 1.0, 3.5, "ok")]


def test_a_log_that_cannot_be_written_keeps_the_segment(tmp_path):
    segment = _segment(tmp_path)
    with full_disk(100), pytest.raises(OSError, match="too large"):
        convert(segment)
    assert segment.exists()
    assert not list((tmp_path / "log").rglob("*.parquet"))
    assert convert(segment) == 3


def test_the_writer_tries_again_until_the_log_can_be_written(tmp_path):
    segment = _segment(tmp_path)
    (tmp_path / "log").write_text("in the way")
    with subprocess.Popen([sys.executable, "-m", "services.adapters.prediction_writer"], stdin=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as writer:
        writer.stdin.write(f"{segment}\n")
        writer.stdin.flush()
        assert "waits: the log cannot be written" in writer.stderr.readline()
        (tmp_path / "log").unlink()
        until(lambda: not segment.exists())
        writer.stdin.close()
        assert writer.wait(timeout=120) == 0
    assert len(list((tmp_path / "log").rglob("*.parquet"))) == 1


def _segment(folder: Path) -> Path:
    journal, sealed = _journal(folder / "journal")
    journal.describe(Schema(model="m", version="1", root=str(folder / "log"), signature=SIGNATURE))
    journal.append(ENTRY)
    journal.append(replace(ENTRY, status="error", record=b"", body=b'{"inputs": {"x": ["bad"]}}'))
    journal.append(ENTRY)
    journal.close()
    assert sealed[0].suffix == SEALED
    return sealed[0]
