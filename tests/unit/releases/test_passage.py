"""A plan that leads through staging takes the version there first, by itself, and production begins on that proof."""

from dataclasses import replace

import pytest

from services.errors import Refused
from services.releases import actions
from services.releases.plan import CANARY, DIRECT, PLANS, STAGED, Plan, PlanRefused, from_json
from services.releases.progress import Advice, Ruling
from services.releases.release import Release, State
from services.settings.sections import ApprovalPolicy
from tests.releases_fixtures import FIRST, SECOND, House


def in_staging(house: House) -> Release:
    (found,) = house.store.newest(environment="staging")
    return found


@pytest.fixture
def site(house: House) -> House:
    house.serving("1", environment="staging")
    return house


def test_staging_canary_and_production_follow_from_one_proposal(site: House) -> None:
    release = site.propose("2", plan=STAGED)
    site.run()
    assert release.state is State.GATING
    first = in_staging(site)
    assert (first.plan.name, first.proposer) == ("passage", release.proposer)
    assert f"on its way to production as {release.id}" in first.reason
    assert f"waits for {first.id} in staging" in site.store.get(release.id).note

    site.approve(in_staging(site), FIRST)  # staging's policy asks one to start and nobody to promote
    site.run()
    site.run(61)
    assert (in_staging(site).state, site.weights("staging")) == (State.COMPLETED, {"2": 100.0})
    site.run(1)
    site.run(31)
    release = site.store.get(release.id)
    assert release.state is State.AWAITING_START
    assert {"name": "passed staging", "reason": f"by {first.id}"}.items() <= release.evidence["gates"][0].items()

    release = site.approve(release, FIRST, SECOND)
    assert (release.state, site.weights()) == (State.BAKING, {"1": 90.0, "2": 10.0})


def test_what_does_not_pass_staging_never_reaches_production(site: House) -> None:
    release = site.propose("2", plan=STAGED)
    site.run()
    actions.reject(site.desk, in_staging(site).id, actor=FIRST, reason="wrong on Mondays", op_id="no", now=site.now)
    site.run()
    after = site.store.get(release.id)
    assert after.state is State.REJECTED
    assert f"did not pass staging: {in_staging(site).id} ended as rejected" in after.note
    assert site.weights() == {"1": 100.0}


def test_a_version_that_passed_staging_before_goes_on_at_once(site: House) -> None:
    direct = site.propose("2", environment="staging", plan=replace(DIRECT, auto_promote=True, soak_s=0))
    site.approve(direct, FIRST)
    site.run(1)
    assert site.store.get(direct.id).state is State.COMPLETED
    release = site.propose("2", plan=STAGED)
    assert release.state is State.AWAITING_START
    assert len(site.store.newest(environment="staging")) == 1


def test_a_refusal_of_yesterday_is_no_refusal_of_today(site: House) -> None:
    old = site.propose("2", environment="staging")
    actions.reject(site.desk, old.id, actor=FIRST, reason="no", op_id="no", now=site.now)
    site.run(60)
    release = site.propose("2", plan=STAGED)
    site.run()
    assert site.store.get(release.id).state is State.GATING
    assert len(site.store.newest(environment="staging")) == 2


def test_a_plan_without_people_goes_all_the_way_by_itself(site: House) -> None:
    plan = replace(STAGED, steps=(replace(CANARY.steps[0], approval=False),), auto_promote=True, soak_s=0)
    terms = replace(site.terms, approvals=[ApprovalPolicy(environment="*", start=0, increase=0, promote=0)])
    site = House(site.db, target=site.target, registry=site.registry, terms=terms)
    release = site.propose("2", plan=plan)
    for _ in range(6):
        site.run(61)
        for known in site.store.open():
            site.rulings[known.id] = Ruling(advice=Advice.ADVANCE, reason="no harm", requests=10_000)
    assert site.store.get(release.id).state is State.COMPLETED
    assert site.weights() == {"2": 100.0}


def test_a_plan_through_an_unknown_environment_or_in_a_circle_is_refused(site: House) -> None:
    for through, said in ((("nowhere",), "no environment nowhere"), (("production",), "where it ends")):
        with pytest.raises(Refused, match=said):
            site.propose("2", plan=replace(STAGED, through=through))


def test_a_plan_reads_back_as_it_was_written_and_says_its_way() -> None:
    for plan in PLANS.values():
        assert from_json(plan.to_json()) == plan
    assert STAGED.describe() == "staging, 10%, 50%, then 100%"
    assert from_json({"through": ["staging"], "needs_labels": True}).needs_labels


def test_older_plans_keep_their_digest_so_that_signatures_under_them_hold() -> None:
    assert not {"through", "needs_labels"} & CANARY.to_json().keys()
    assert STAGED.to_json()["through"] == ["staging"]


@pytest.mark.parametrize(("value", "said"), [
    ({"through": "staging"}, "list of environments"), ({"through": ["a", "a"]}, "twice"), ({"weights": []}, "weights"),
    ({"steps": [{"weight_pct": 120}]}, "less than 100"), ({"steps": [{"share": 5}]}, "cannot be read")])
def test_a_plan_that_means_nothing_is_refused_with_what_is_wrong(value: dict, said: str) -> None:
    with pytest.raises(PlanRefused, match=said):
        from_json(value)


def test_a_plan_is_described_without_steps() -> None:
    assert Plan(name="own", through=("staging",)).describe() == "staging, load beside the champion, then 100%"
