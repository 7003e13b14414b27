"""What people read before and after: how long a canary takes, what to do when it failed, how releasing goes."""

from datetime import timedelta

import pytest

from services.adapters.audit_table import AuditTable
from services.core.measurement import Measurement, Verdict
from services.errors import NotAllowed, Refused
from services.monitor.steps.canary import measurements
from services.releases import recover
from services.releases.canary import Look, Metric
from services.releases.numbers import numbers
from services.releases.plan import CANARY, DIRECT
from services.releases.playbook import Outcome, checks, opens, outcomes
from services.releases.preflight import preflight, requests_needed
from tests.releases_fixtures import FIRST, MODEL, ON_CALL, SECOND, VIEWER, House


@pytest.mark.parametrize(("base", "worse", "simulated"), [
    (0.01, 0.03, 369), (0.01, 0.05, 143), (0.01, 0.10, 39), (0.05, 0.10, 265), (0.05, 0.20, 44)])
def test_the_forecast_agrees_with_the_simulated_medians(base: float, worse: float, simulated: int) -> None:
    assert requests_needed(base, worse, weight_pct=10, alpha=0.05) == pytest.approx(simulated, rel=0.25)


def test_the_forecast_says_how_long_it_takes_at_this_traffic() -> None:
    fast, slow, none = (preflight(CANARY, per_hour=n) for n in (72_000, 38, 0))
    assert fast
    assert slow
    assert none
    assert fast.duration_s < 600
    assert slow.duration_s > 86_400
    assert "would stay unsure" in none.sentence
    assert preflight(DIRECT, per_hour=10) is None


def test_the_playbook_of_a_failed_release_checks_users_first(house: House) -> None:
    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    assert not opens(release)
    house.roll_back()
    house.run()
    release = house.store.get(release.id)
    seen = Look(metric=Metric.ERRORS, verdict=Verdict.FAIL, reason="12 of 60 failed", n_champion=540, n_candidate=60)
    found = checks(release, house.place(), [seen], unfinished=0)

    assert opens(release)
    assert [(c.name.split(":", maxsplit=1)[0], c.verdict) for c in found][:3] == [
        ("traffic is off the failed version", Verdict.PASS), ("registry follows", Verdict.PASS),
        ("the cause, as far as the judge saw", Verdict.FAIL)]
    assert "12 of 60 failed" in found[2].found


def test_what_came_of_a_step_is_recorded_once_and_read_back(house: House) -> None:
    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)

    def record(step: str, who=ON_CALL, op_id: str = "one", reason: str = "rows of 14:00 computed again") -> dict:
        return recover.record_step(house.desk, release.id, step=step, outcome=Outcome.DONE, actor=who, reason=reason,
                                   op_id=op_id, now=house.now)

    with pytest.raises(Refused, match="its playbook is not open"):
        record("rows")
    house.roll_back()
    house.run()
    assert record("rows")["already"] is False
    assert record("rows")["already"] is True
    with pytest.raises(Refused, match="has no step dance"):
        record("dance", op_id="two")
    with pytest.raises(NotAllowed):
        record("rows", who=VIEWER, op_id="three")
    line = AuditTable(house.db).of(f"release:{release.id}")
    assert [row.action for row in line].count("record playbook step") == 1
    found = outcomes(line)["rows"]
    assert (found.outcome, found.who, found.said) == (Outcome.DONE, "on-call", "rows of 14:00 computed again")


def test_the_numbers_of_releasing_name_the_releases_behind_them(house: House) -> None:
    good = house.released("2")
    bad = house.promote(house.approve(house.propose("3"), FIRST, SECOND))
    house.roll_back()
    house.run()
    table = AuditTable(house.db)
    releases = house.store.newest()
    lines = {r.id: table.of(f"release:{r.id}") for r in releases}
    registered = {good.id: good.created_at - timedelta(days=2)}
    found = {n.name.split(":", maxsplit=1)[0]: n for n in numbers(releases, lines, registered)}

    assert found["lead time"].value == pytest.approx(2 * 86_400, abs=5)
    assert found["change failure rate"].value == 0.5
    assert found["change failure rate"].releases == (bad.id,)
    assert sorted(found["change failure rate"].of) == [good.id, bad.id]
    assert found["time to recover"].value == pytest.approx(0.25)


def test_a_lead_time_that_cannot_be_is_left_out_and_named(house: House) -> None:
    good, unknown, backdated = house.released("2"), house.released("3"), house.released("4")
    table = AuditTable(house.db)
    releases = house.store.newest()
    registered = {good.id: good.created_at - timedelta(days=2), backdated.id: house.now + timedelta(days=28)}
    lead = numbers(releases, {r.id: table.of(f"release:{r.id}") for r in releases}, registered)[0]
    assert lead.releases == (good.id,)
    assert sorted(lead.left_out) == [unknown.id, backdated.id]
    assert lead.value is not None
    assert lead.value > 0


def test_an_overdue_review_of_a_broken_glass_fails_until_it_is_done(house: House) -> None:
    release = house.propose("2")
    recover.break_glass(house.desk, release.id, actor=ON_CALL, reason="outage", incident="inc-1", op_id="g",
                        now=house.now)
    house.run()
    house.promote(release)
    house.run(release.plan.soak_s + 1)

    def attention() -> Measurement:
        (found,) = [m for m in measurements(house.store.newest(), house.store.places(), house.now)
                    if m.name == "release_attention"]
        return found

    assert attention().verdict is Verdict.WARN
    house.run(25 * 3600)
    assert attention().verdict is Verdict.FAIL
    assert f"{release.id} broke the glass and its review, due 2026-03-05" in attention().reason

    recover.review(house.desk, release.id, actor=FIRST, reason="was right", op_id="r", now=house.now)
    house.run(25 * 3600)
    assert attention().verdict is Verdict.PASS


def test_what_needs_a_person_is_measured_as_failing(house: House) -> None:
    house.released("2")
    house.registry.aliases[MODEL, "champion"] = "5"
    house.run(31)
    found = {m.name: m for m in measurements(house.store.newest(), house.store.places(), house.now)}
    assert found["alias_moved"].verdict is Verdict.FAIL
    assert "points to version 5" in found["alias_moved"].reason
    assert found["target_drift"].verdict is Verdict.PASS
    assert found["release_attention"].verdict is Verdict.PASS
