from datetime import timedelta

import numpy as np
from scipy import stats

from services.core.measurement import Verdict, Why
from services.core.window import HOUR, WEEK, TimeWindow, floor_to
from services.serving import measure
from services.serving.latency import BINS, Latency, bin_of
from services.serving.traffic import Traffic, Usual, Volume, busiest, total
from tests.conftest import NOW

SUBJECT = measure.Subject(model="fares", environment="production", version="1")
WINDOW = TimeWindow(NOW - HOUR, NOW)


def timed(ms: float, n: int) -> Latency:
    counts = np.zeros(BINS, np.int64)
    counts[bin_of(ms)] = n
    return Latency(counts)


def volume(rows: int, failed: int = 0) -> Volume:
    return Volume(rows=rows, failed=failed, timeouts=0, duplicates=0, errors={"Timeout": failed} if failed else {},
                  last=NOW, latency=Latency.empty())


def test_three_times_the_usual_latency_fails_and_says_both_numbers():
    found = measure.latency(SUBJECT, WINDOW, timed(300, 500), timed(100, 5_000), at=NOW)
    assert found.verdict is Verdict.FAIL
    assert "usual" in found.reason
    assert found.detail["history_n"] == 5_000


def test_the_usual_latency_passes_and_half_as_slow_again_warns():
    assert measure.latency(SUBJECT, WINDOW, timed(100, 500), timed(100, 5_000), at=NOW).verdict is Verdict.PASS
    assert measure.latency(SUBJECT, WINDOW, timed(150, 500), timed(100, 5_000), at=NOW).verdict is Verdict.WARN


def test_few_predictions_or_no_history_are_never_fine():
    few = measure.latency(SUBJECT, WINDOW, timed(100, 20), timed(100, 5_000), at=NOW)
    assert (few.verdict, few.why) == (Verdict.INCONCLUSIVE, Why.TOO_FEW)
    young = measure.latency(SUBJECT, WINDOW, timed(100, 500), timed(100, 20), at=NOW)
    assert (young.verdict, young.why) == (Verdict.INCONCLUSIVE, Why.NO_DATA)
    assert measure.latency(SUBJECT, WINDOW, Latency.empty(), timed(1, 9), at=NOW).why is Why.NO_DATA


def test_five_of_five_failed_requests_fail_and_one_of_a_thousand_does_not():
    assert measure.error_share(SUBJECT, WINDOW, volume(5, 5), volume(0), at=NOW).verdict is Verdict.FAIL
    assert measure.error_share(SUBJECT, WINDOW, volume(1_000, 1), volume(0), at=NOW).verdict is Verdict.PASS
    assert measure.error_share(SUBJECT, WINDOW, volume(5), volume(0), at=NOW).verdict is Verdict.INCONCLUSIVE
    assert measure.error_share(SUBJECT, WINDOW, volume(0), volume(0), at=NOW).why is Why.NO_DATA


def test_the_share_of_errors_has_the_binomial_tail_that_scipy_gives():
    found = measure.error_share(SUBJECT, WINDOW, volume(400, 9), volume(0), at=NOW)
    assert np.isclose(found.detail["p"], stats.binom.sf(8, 400, 0.01))


def test_half_the_usual_requests_fail_only_beyond_chance():
    start = floor_to(NOW, HOUR)
    known = Usual(rows={start - k * WEEK - HOUR: 40 for k in range(1, 5)}, since=start - 5 * WEEK)
    window = TimeWindow(start - HOUR, start)
    assert measure.request_rate(SUBJECT, window, 10, known, at=NOW).verdict is Verdict.FAIL
    assert measure.request_rate(SUBJECT, window, 33, known, at=NOW).verdict is Verdict.PASS
    assert measure.request_rate(SUBJECT, window, 120, known, at=NOW).verdict is Verdict.WARN
    few = Usual(rows={start - k * WEEK - HOUR: 3 for k in range(1, 5)}, since=start - 5 * WEEK)
    assert measure.request_rate(SUBJECT, window, 0, few, at=NOW).verdict is Verdict.INCONCLUSIVE


def test_hours_add_up_with_their_kinds_of_error():
    hours = [Traffic(model="m", environment="p", version="1", variant="champion", hour=NOW + k * HOUR, rows=10,
                     failed=2, errors={"A": 1, "B": 1}, last=NOW + timedelta(minutes=k)) for k in range(3)]
    found = total(hours)
    assert (found.rows, found.failed, found.errors) == (30, 6, {"A": 3, "B": 3})
    assert found.last == NOW + timedelta(minutes=2)


def test_the_busiest_hour_is_of_all_versions_together_and_the_busiest_second_of_the_hours_that_know_it():
    def hour(k: int, version: str, rows: int, second: int | None) -> Traffic:
        return Traffic(model="m", environment="p", version=version, variant="champion", hour=NOW + k * HOUR, rows=rows,
                       busiest_second=second, busiest_minute=None if second is None else 5 * second)

    found = busiest([hour(0, "1", 90, 4), hour(0, "2", 30, 4), hour(1, "1", 100, 7), hour(2, "1", 110, None)])
    assert (found.hour, found.minute, found.second, found.hours, found.counted) == (120, 35, 7, 3, 2)
    nothing = busiest([])
    assert (nothing.hour, nothing.minute, nothing.second) == (0, None, None)
