"""From measurements to incidents: nothing flaps, nothing is lost, nothing is doubled."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.evaluate import REOPEN_WITHIN, Phase, evaluate, lapse
from services.alerts.incident import State
from services.alerts.rule import Severity
from services.core.measurement import Verdict
from tests.unit.alerts.alert_builders import MINUTE, NOW, History, measured, rule


def test_a_failure_must_last_before_it_becomes_an_incident():
    history = History(rule(for_=5 * MINUTE))
    assert history.run(measured(), now=NOW) == []
    assert history.run(measured(), now=NOW + 4 * MINUTE) == []
    assert history.run(measured(), now=NOW + 5 * MINUTE) == ["opened"]
    assert history.open[0].members[0].since == NOW


def test_one_good_look_starts_the_wait_again():
    history = History(rule(for_=5 * MINUTE))
    history.run(measured(), now=NOW)
    history.run(measured(Verdict.PASS), now=NOW + MINUTE)
    assert history.run(measured(), now=NOW + 5 * MINUTE) == []


def test_the_same_failure_again_says_nothing_new():
    history = History(rule())
    assert history.run(measured(), now=NOW) == ["opened"]
    assert history.run(measured(), now=NOW + MINUTE) == []


def test_it_resolves_only_after_it_was_good_for_a_while():
    history = History(rule(keep_firing=5 * MINUTE))
    history.run(measured(), now=NOW)
    assert history.run(measured(Verdict.PASS), now=NOW + 4 * MINUTE) == []
    assert history.run(measured(Verdict.PASS), now=NOW + 5 * MINUTE) == ["resolved"]


def test_not_knowing_is_no_recovery():
    history = History(rule())
    history.run(measured(), now=NOW)
    assert history.run(measured(Verdict.INCONCLUSIVE), now=NOW + MINUTE) == []
    assert history.run(measured(Verdict.ERROR), now=NOW + 2 * MINUTE) == []
    assert history.run(now=NOW + 3 * MINUTE) == []  # the source fell silent
    assert len(history.open) == 1


def test_not_knowing_is_a_phase_of_its_own_and_never_quiet():
    done = evaluate([rule()], [measured(Verdict.INCONCLUSIVE)], {}, [], now=NOW)
    assert [s.phase for s in done.standings.values()] == [Phase.UNSURE]
    assert done.transitions == ()


def test_what_fires_again_soon_is_the_same_incident_reopened():
    history = History(rule())
    history.run(measured(), now=NOW)
    history.run(measured(Verdict.PASS), now=NOW + MINUTE)
    assert history.run(measured(), now=NOW + 2 * MINUTE) == ["reopened"]
    assert len(history.incidents) == 1


def test_what_fires_again_much_later_is_a_new_incident():
    history = History(rule())
    history.run(measured(), now=NOW)
    history.run(measured(Verdict.PASS), now=NOW + MINUTE)
    assert history.run(measured(), now=NOW + MINUTE + REOPEN_WITHIN + MINUTE) == ["opened"]
    assert len(history.incidents) == 2


def test_forty_columns_moved_by_one_null_feed_are_one_incident_that_names_the_feed():
    rules = (rule(name="drift", measurement="drift"), rule(name="missing", measurement="missing_rate"))
    history = History(*rules)
    drifting = [measured(name="drift", column=f"f{i}", reason=f"f{i} moved", value=0.9) for i in range(40)]
    feed = measured(name="missing_rate", column="wind_gust", reason="wind_gust: 41% missing", value=0.41)
    assert history.run(*drifting, feed, now=NOW) == ["opened"]
    assert history.open[0].title == "flight-delay: wind_gust: 41% missing; 40 more columns with it"


def test_the_member_nearest_to_the_cause_lends_its_runbook_even_when_it_comes_later():
    rules = (rule(name="drift", measurement="drift", runbook="drift"),
             rule(name="missing", measurement="missing_rate", runbook="missing-values"))
    history = History(*rules)
    moved = measured(name="drift", column="temp", reason="temp moved")
    feed = measured(name="missing_rate", column="wind_gust", reason="wind_gust: 41% missing")
    history.run(moved, now=NOW)
    assert history.open[0].runbook == "drift"
    assert history.run(moved, feed, now=NOW + MINUTE) == ["worsened"]
    assert history.open[0].runbook == "missing-values"
    assert [m.column for m in history.open[0].members] == ["wind_gust", "temp"]


def test_another_model_and_another_environment_are_incidents_of_their_own():
    history = History(rule())
    history.run(measured(), measured(subject="air-time"), measured(environment="staging"), now=NOW)
    assert len(history.open) == 3


def test_a_new_column_worsens_and_a_healed_one_is_noted():
    history = History(rule(measurement="drift"))
    a, b = (measured(name="drift", column=c, reason=f"{c} moved") for c in "ab")
    history.run(a, now=NOW)
    assert history.run(a, b, now=NOW + MINUTE) == ["worsened"]
    assert history.run(replace(a, verdict=Verdict.PASS), b, now=NOW + 2 * MINUTE) == ["noted"]
    assert [m.column for m in history.open[0].members] == ["b"]


def test_an_urgent_rule_raises_an_incident_that_was_not():
    history = History(rule(name="t", measurement="drift"),
                      rule(name="p", measurement="missing_rate", severity=Severity.PAGE))
    history.run(measured(name="drift", column="a"), now=NOW)
    history.run(measured(name="drift", column="a"), measured(name="missing_rate", column="a"), now=NOW + MINUTE)
    assert history.open[0].severity is Severity.PAGE


def test_a_rule_that_is_switched_off_ends_its_incident():
    history = History(rule())
    history.run(measured(), now=NOW)
    history.rules = [rule(enabled=False)]
    assert history.run(measured(), now=NOW + MINUTE) == ["resolved"]


def test_an_acknowledgement_ends_when_its_time_is_over():
    history = History(rule())
    history.run(measured(), now=NOW)
    held = replace(history.open[0], state=State.ACKNOWLEDGED, acknowledged_by="ann", acknowledged_until=NOW + MINUTE)
    assert lapse(held, now=NOW) is None
    assert lapse(held, now=NOW + MINUTE).incident.state is State.OPEN


looks = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(Verdict), st.integers(1, 20)), min_size=1, max_size=60
)


@settings(max_examples=200)
@given(looks, st.integers(0, 15), st.integers(0, 15))
def test_opening_and_resolving_alternate_and_a_repeated_pass_changes_nothing(sequence, wait, keep):
    history = History(rule(measurement="drift", for_=wait * MINUTE, keep_firing=keep * MINUTE))
    now = NOW
    for column, verdict, minutes in sequence:
        now += minutes * MINUTE
        m = measured(verdict, name="drift", column=column, at=now)
        history.run(m, now=now)
        assert history.run(m, now=now) == []
        assert len(history.open) <= 1
        for incident in history.open:
            assert {x.column for x in incident.members} <= {"a", "b", "c"}
            assert incident.members
    ends = Counter()
    for number, event in history.events:
        if event.kind in ("opened", "reopened", "resolved"):
            expected = 1 if event.kind == "resolved" else 0
            assert ends[number] == expected
            ends[number] = 1 - expected


@settings(max_examples=100)
@given(looks, st.integers(1, 15))
def test_nothing_fires_sooner_than_it_was_bad_without_break(sequence, wait):
    history = History(rule(measurement="drift", for_=wait * MINUTE))
    now, bad_since = NOW, {}
    for column, verdict, minutes in sequence:
        now += minutes * MINUTE
        if verdict is Verdict.FAIL:
            bad_since.setdefault(column, now)
        else:
            bad_since.pop(column, None)
        before = {m.column for i in history.open for m in i.members}
        history.run(measured(verdict, name="drift", column=column, at=now), now=now)
        fresh = {m.column for i in history.open for m in i.members} - before
        for name in fresh:
            assert now - bad_since[name] >= timedelta(minutes=wait)
