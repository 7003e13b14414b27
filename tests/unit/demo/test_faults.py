"""An injected fault holds until its end, spoils only what it names, and never leaves a process stopped."""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from services.demo.faults import Brake, Fault, current, inject, spoil, tree
from services.demo.features import FEATURES
from services.errors import Refused

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame({name: [50.0, 32.0] for name in FEATURES})


def test_a_fault_holds_from_now_until_its_end(tmp_path: Path) -> None:
    assert inject(tmp_path, "outage", span=MINUTE, now=NOW) == NOW + MINUTE
    assert current(tmp_path, now=NOW) is Fault.OUTAGE
    assert current(tmp_path, now=NOW + MINUTE) is None


def test_without_a_request_or_with_a_broken_one_nothing_is_wrong(tmp_path: Path) -> None:
    assert current(tmp_path, now=NOW) is None
    (tmp_path / "inject.json").write_text('{"fault": "earthquake", "until": "2030-01-01T00:00:00+00:00"}')
    assert current(tmp_path, now=NOW) is None


def test_an_unknown_fault_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"no fault flood.*null-feed"):
        inject(tmp_path, "flood", span=MINUTE, now=NOW)


def test_a_null_feed_empties_three_columns_and_no_other(rows: pd.DataFrame) -> None:
    broken = spoil(rows, Fault.NULL_FEED)
    assert set(broken.columns[broken.isna().all()]) == {"temp", "dewp", "humid"}
    assert list(broken) == list(rows)


def test_a_celsius_feed_is_off_by_the_unit(rows: pd.DataFrame) -> None:
    assert spoil(rows, Fault.CELSIUS_FEED)["temp"].tolist() == [10.0, 0.0]


@pytest.mark.parametrize("fault", [None, Fault.OUTAGE, Fault.LATENCY])
def test_other_faults_leave_the_rows_alone(rows: pd.DataFrame, fault: Fault | None) -> None:
    assert spoil(rows, fault) is rows


class Wire:
    """Remembers the signals that were sent."""

    def __init__(self) -> None:
        self.sent: list[int] = []

    def __call__(self, pids: object, number: int) -> None:
        self.sent.append(number)


def brake() -> tuple[Brake, Wire]:
    import os

    wire = Wire()
    return Brake(pid=os.getpid(), send=wire), wire


def test_an_outage_stops_once_and_goes_on_once() -> None:
    found, wire = brake()
    for fault in (None, Fault.OUTAGE, Fault.OUTAGE, Fault.OUTAGE, None, None):
        found.turn(fault)
    assert wire.sent == [signal.SIGSTOP, signal.SIGCONT]


def test_latency_stops_every_other_turn() -> None:
    found, wire = brake()
    for _ in range(4):
        found.turn(Fault.LATENCY)
    assert wire.sent == [signal.SIGSTOP, signal.SIGCONT] * 2


def test_a_process_that_is_gone_has_no_tree() -> None:
    assert tree(2**22 - 1) == ()
