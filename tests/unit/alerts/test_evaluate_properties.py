"""Random histories through evaluation: no flapping inside hysteresis, nothing lost, nothing doubled."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.backtest import backtest
from services.alerts.incident import State
from services.core.measurement import Verdict
from tests.unit.alerts.alert_builders import MINUTE, NOW, History, measured, rule

FAIL, CLEAR = 10.0, 8.0
values = st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=60)
verdicts = st.lists(st.sampled_from(Verdict), min_size=1, max_size=60)


def value(number: float, at):
    return measured(Verdict.PASS, value=number, at=at, reason=f"{number}")


def states_after(history: History, series):
    """Drive a series a minute apart and return after each look whether an incident was open, and what happened."""
    found = []
    for minute, m in enumerate(series, start=1):
        now = NOW + minute * MINUTE
        kinds = history.run(m(now), now=now)
        found.append((bool(history.open), kinds))
    return found


@settings(max_examples=200)
@given(values)
def test_between_the_limits_nothing_changes_and_beyond_them_everything_does(series):
    history = History(rule(fail_above=FAIL, clear_above=CLEAR))
    firing = False
    for number, (is_open, kinds) in zip(
        series, states_after(history, [lambda now, n=n: value(n, now) for n in series]), strict=True
    ):
        before, firing = firing, number > FAIL or (firing and number > CLEAR)
        assert is_open == firing
        # One event where it flips, none where it does not: within (CLEAR, FAIL] it never flips.
        assert len(kinds) == (before != firing)


@settings(max_examples=100)
@given(values, st.integers(0, 6), st.integers(0, 6))
def test_a_value_that_swings_within_the_hysteresis_opens_at_most_one_incident(swings, wait, keep):
    """However it swings between the clear and the fail limit, what fired once goes on firing, told once."""
    inside = [CLEAR + 0.001 + (n / 20) * (FAIL - CLEAR - 0.002) for n in swings]
    history = History(rule(fail_above=FAIL, clear_above=CLEAR, for_=wait * MINUTE, keep_firing=keep * MINUTE))
    series = [FAIL + 1] * (wait + 1) + inside
    happened = [k for _, kinds in states_after(history, [lambda now, n=n: value(n, now) for n in series])
                for k in kinds]
    assert happened == ["opened"]


@settings(max_examples=200)
@given(verdicts, st.integers(0, 5), st.integers(0, 5))
def test_it_ends_only_after_it_was_good_for_as_long_as_the_rule_says(series, wait, keep):
    history = History(rule(for_=wait * MINUTE, keep_firing=keep * MINUTE))
    last_bad = None
    was_open = False
    for minute, verdict in enumerate(series, start=1):
        now = NOW + minute * MINUTE
        history.run(measured(verdict, at=now), now=now)
        last_bad = now if verdict is Verdict.FAIL else last_bad
        ended = was_open and not history.open
        if ended:
            assert verdict in (Verdict.PASS, Verdict.WARN)  # never for not knowing
            assert last_bad is not None
            assert now - last_bad >= keep * MINUTE
        was_open = bool(history.open)


@settings(max_examples=100)
@given(verdicts, st.integers(0, 5), st.integers(0, 5))
def test_every_revision_of_an_incident_has_exactly_one_event(series, wait, keep):
    history = History(rule(for_=wait * MINUTE, keep_firing=keep * MINUTE))
    for minute, verdict in enumerate(series, start=1):
        history.run(measured(verdict, at=NOW + minute * MINUTE), now=NOW + minute * MINUTE)
    for number, incident in history.incidents.items():
        events = [event for n, event in history.events if n == number]
        assert incident.revision == len(events)
        assert all(a.at < b.at for a, b in pairwise(events))
        assert (incident.state is State.RESOLVED) == (events[-1].kind == "resolved")


@settings(max_examples=100)
@given(values, st.integers(0, 5), st.integers(0, 5))
def test_the_replay_of_a_rule_fires_exactly_when_the_monitor_did(series, wait, keep):
    checked = rule(fail_above=FAIL, clear_above=CLEAR, for_=wait * MINUTE, keep_firing=keep * MINUTE)
    history = History(checked)
    told = [value(n, NOW + minute * MINUTE) for minute, n in enumerate(series, start=1)]
    for m in told:
        history.run(m, now=m.at)
    began = [e.at for _, e in history.events if e.kind in ("opened", "reopened")]
    ended = [e.at for _, e in history.events if e.kind == "resolved"]
    firings = backtest(checked, told).firings
    assert [f.began for f in firings] == began
    assert [f.ended for f in firings if f.ended] == ended
