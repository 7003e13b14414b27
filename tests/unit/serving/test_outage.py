from datetime import datetime, timedelta

from services.core.measurement import Verdict, Why
from services.core.window import DAY, HOUR, WEEK, floor_to
from services.serving.outage import Probe, Silence, judge_outage
from services.serving.traffic import Usual
from tests.conftest import NOW


def steady(per_hour: float, *, weeks: int = 5) -> Usual:
    """Return a history of so many predictions in each hour."""
    start = floor_to(NOW, HOUR) - weeks * WEEK
    hours = int((NOW - start) / HOUR)
    return Usual(rows={start + k * HOUR: int(per_hour) for k in range(hours)}, since=start)


def asked(gap: timedelta, known: Usual, *, probe: bool | None = None, read: timedelta = timedelta(seconds=30),
          now: datetime = NOW, down: timedelta = timedelta(minutes=3)) -> Silence:
    answer = None if probe is None else Probe(url="http://m/health", well=probe, said="ok" if probe else "no answer",
                                              at=now, since=now - down)
    return judge_outage(last=now - gap, known=known, probe=answer, read_at=now - read, now=now)


def test_a_probe_that_is_not_answered_speaks_at_once():
    found = asked(timedelta(seconds=20), steady(40), probe=False)
    assert (found.kind, found.verdict) == ("down", Verdict.FAIL)
    assert found.reason.startswith("down for 3 min: its health probe says no answer")


def test_the_first_probe_that_is_not_answered_names_no_length():
    found = asked(timedelta(seconds=20), steady(40), probe=False, down=timedelta(0))
    assert found.reason.startswith("down: its health probe says no answer")


def test_silence_speaks_once_seven_predictions_were_to_be_expected():
    early = asked(timedelta(minutes=9), steady(40))  # 6 expected
    assert (early.kind, early.verdict) == ("quiet", Verdict.INCONCLUSIVE)
    late = asked(timedelta(minutes=11), steady(40))  # 7.3 expected
    assert (late.kind, late.verdict) == ("down", Verdict.FAIL)


def test_a_quiet_hour_is_neither_an_outage_nor_fine():
    found = asked(2 * HOUR, steady(2))
    assert (found.kind, found.verdict, found.why) == ("quiet", Verdict.INCONCLUSIVE, Why.TOO_FEW)
    assert "4.0 were to be expected" in found.reason


def test_a_probe_that_answers_while_rows_are_missing_means_that_the_log_is_late():
    found = asked(HOUR, steady(40), probe=True)
    assert (found.kind, found.verdict, found.why) == ("log late", Verdict.WARN, Why.LATE)


def test_a_log_that_nobody_read_lately_says_that_the_monitor_is_behind():
    found = asked(HOUR, steady(40), read=timedelta(minutes=30))
    assert (found.kind, found.verdict) == ("monitor behind", Verdict.ERROR)


def test_a_recent_prediction_is_evidence_enough_without_any_history():
    found = asked(timedelta(minutes=2), Usual(rows={}, since=None))
    assert found.verdict is Verdict.PASS


def test_a_model_that_never_answered_is_unsure_and_not_fine():
    found = judge_outage(last=None, known=Usual(rows={}, since=None), probe=None, read_at=NOW, now=NOW)
    assert (found.verdict, found.why) == (Verdict.INCONCLUSIVE, Why.NO_DATA)


def test_without_a_week_of_history_an_old_prediction_proves_nothing():
    young = Usual(rows={NOW - 2 * DAY: 50}, since=NOW - 2 * DAY)
    assert asked(5 * HOUR, young).verdict is Verdict.INCONCLUSIVE


def test_an_hour_without_rows_counts_as_none_in_what_is_usual():
    start = floor_to(NOW, HOUR)
    known = Usual(rows={start - WEEK: 10, start - 3 * WEEK: 30}, since=start - 4 * WEEK)
    from services.core.window import TimeWindow

    assert known.expected(TimeWindow(start, start + HOUR)) == 10.0  # (10 + 0 + 30 + 0) / 4
    assert known.expected(TimeWindow(start, start + HOUR / 2)) == 5.0
