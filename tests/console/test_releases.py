import re
from datetime import UTC, datetime, timedelta

import pytest
import streamlit as st

from console.identity import PERSONAS, persona
from services.adapters.registry_table import RegisteredVersion
from services.core.measurement import Verdict
from services.releases import actions
from services.releases.plan import DIRECT, Step
from services.releases.release import State
from services.validation.gate import Gate, Report
from tests.console.conftest import SETTINGS, Console
from tests.fakes_target import facts
from tests.releases_fixtures import MODEL, House


@pytest.fixture
def house(console):
    return house_of(console)


def house_of(console):
    """The same store as the pages', with the monitor's part played by hand."""
    made = House(console.services.db, now=datetime.now(UTC))
    made.desk, made.terms = console.services.desk, console.services.desk.terms
    made.worker = made.new_worker()
    made.serving("1")
    return made


def propose(house, version="2"):
    done = actions.propose(house.desk, model=MODEL, version=version, environment="production", plan=DIRECT,
                           actor=persona("author"), reason="better auc", op_id=f"propose-{version}", now=house.now)
    house.run()
    return house.store.get(done["release"])


def click(console, page, label, reason="evidence read"):
    area = next(a for a in page.text_area if a.key.startswith("reason:release"))
    area.set_value(reason)
    return console.button(page, label).click().run()


def test_two_approvers_sign_promote_and_on_call_rolls_back_through_the_page(console, house):
    release = propose(house)
    for name in ("approver-1", "approver-2"):
        page = console.open("releases", persona=name, release=release.id)
        assert "What changes" in console.words(page)
        page = click(console, page, "Approve start")
        assert f"{release.id}: signed for start" in console.words(page)
        assert "stays awaiting start" in console.words(page), "the first of two signatures moves nothing"
    house.run()
    st.cache_data.clear()
    assert house.store.get(release.id).state is State.AWAITING_PROMOTE
    for name in ("approver-1", "approver-2"):
        page = click(console, console.open("releases", persona=name, release=release.id), "Promote")
    assert "promoted: traffic moves next" in console.words(page)
    house.run()
    st.cache_data.clear()
    assert house.weights() == {"2": 100.0}

    page = click(console, console.open("releases", persona="on-call", release=release.id), "Roll back", "errors")
    assert "rolling back to v1" in console.words(page)
    house.run()
    st.cache_data.clear()
    assert house.weights() == {"1": 100.0}


def test_rolling_back_what_was_completed_says_so_on_its_page(console, house):
    release = house.released("2")
    page = console.open("releases", persona="on-call", release=release.id)
    page = click(console, page, "Roll back", "errors")
    house.run()
    st.cache_data.clear()
    assert house.weights() == {"1": 100.0}
    assert "rolling back to v1" in console.words(page.run())


def test_a_click_without_a_reason_changes_nothing(console, house):
    release = propose(house)
    page = console.open("releases", persona="approver-1", release=release.id)
    page = console.button(page, "Approve start").click().run()
    assert "write a reason first" in console.words(page)
    assert house.store.approvals_of(release.id) == []


def test_what_changed_while_the_page_was_open_is_not_signed(console, house):
    release = propose(house)
    page = console.open("releases", persona="approver-1", release=release.id)
    house.registry.overwrite(MODEL, "2", manifest={"MLmodel": "other"})
    house.run(31)

    page = click(console, page, "Approve start")

    assert "changed since you opened it: the artefact's files changed" in console.words(page)
    assert house.store.approvals_of(release.id) == []


@pytest.mark.parametrize("name", sorted(PERSONAS))
def test_every_persona_sees_the_release_and_only_the_buttons_of_their_role(console, house, name):
    release = propose(house)
    page = console.open("releases", persona=name, release=release.id)
    assert not page.exception
    enabled = {b.label for b in page.button if not b.disabled}
    assert ("Approve start" in enabled) == name.startswith("approver")
    assert ("Break glass" in enabled) == (name == "on-call")


def test_the_author_is_told_why_they_cannot_approve(console, house):
    release = propose(house)
    words = console.words(console.open("releases", persona="author", release=release.id))
    assert "Cancel release" in words
    assert "Approve start" not in words


def test_the_list_shows_what_waits_and_what_is_served(console, house):
    release = propose(house)
    words = console.words(console.open("releases"))
    assert f"{MODEL} v2 → production" in words
    assert "0 of 2 signed for start" in words
    assert release.id in words
    assert "v1 100%" in words


def test_a_release_that_waits_for_approval_is_not_called_fine(console, house):
    release = propose(house)
    listed = console.words(console.open("releases"))
    assert re.search(rf"waiting\s*{MODEL} v2", listed)
    one = console.words(console.open("releases", release=release.id))
    assert not re.search(rf"fine\s*{release.id} is awaiting start", one)


def test_metrics_are_rounded_in_what_changes(console, house):
    house.registry.overwrite(MODEL, "2", metrics={"auc": 0.7812345678901234})
    release = propose(house)
    assert "auc 0.781 → 0.7812" in console.words(console.open("releases", release=release.id))


def test_a_metric_says_how_far_it_may_be_off_by_chance(console, house):
    house.registry.overwrite(MODEL, "2", metrics={"auc": 0.79, "auc_low": 0.75, "auc_high": 0.83})
    words = console.words(console.open("releases", persona="approver-1", release=propose(house).id))
    assert "auc 0.781 → 0.79 (95%: 0.75 to 0.83, so perhaps no difference)" in words
    assert "auc_low" not in words.split("Model card")[0]
    house.registry.overwrite(MODEL, "3", metrics={"auc": 0.84, "auc_low": 0.81, "auc_high": 0.87})
    words = console.words(console.open("releases", persona="approver-1", release=propose(house, "3").id))
    assert "auc 0.781 → 0.84 (better, 95%: 0.81 to 0.87)" in words


def test_the_first_screen_answers_what_how_sure_and_what_if_before_the_buttons(console, house):
    house.registry.overwrite(MODEL, "2", requirements={"keras": "==3.10"}, tags={"data.window_end": "2026-11-01"})
    release = propose(house)
    page = console.open("releases", persona="approver-1", release=release.id)
    words = console.words(page)
    assert (words.index("What changes") < words.index("How sure") < words.index("If it goes wrong")
            < words.index("Traffic") < words.index("Reason, kept"))
    assert re.search(r"v1 → v2\s*: auc 0.781 → 0.782 \(better\)", words)
    assert "data window_end" in words.replace("window end", "window_end")
    assert "packages keras" in words
    assert "1 not run" in words
    assert "run interlock validate flight-delay 2" in words
    assert re.search(r"Back to\s+v1\s+by one person, without approval", words)
    assert "not proved by a drill yet" in words
    assert "None yet. It expires" in words


def test_the_way_shows_what_is_behind_and_where_it_stands(console, house):
    release = propose(house)
    page = console.open("releases", persona="approver-1", release=release.id)
    way = next(h.proto.body for h in page.get("html") if "il-way" in h.proto.body)
    assert re.findall(r'class="il-(\w+)" aria-label="([^"]+)"', way)[:4] == [
        ("done", "proposed: done"), ("done", "gates: done"), ("now", "approval: now"), ("ahead", "load: ahead")]


def test_who_has_signed_is_told_so_and_not_asked_again(console, house):
    release = propose(house)
    actions.approve(house.desk, release.id, actor=persona("approver-1"), reason="fine", op_id="a", now=house.now)
    st.cache_data.clear()
    page = console.open("releases", persona="approver-1", release=release.id)
    assert "You signed for start; it waits for 1 more." in console.words(page)
    assert "Approve start" not in {b.label for b in page.button}
    assert "Signed for start: 1 of 2" in console.words(page)


def test_an_empty_home_says_that_nothing_was_proposed(console):
    page = console.open("releases")
    assert not page.exception
    words = console.words(page)
    assert "No release was proposed yet" in words
    assert "No version of flight-delay is registered" in words


def test_an_author_proposes_from_the_list(console, house):
    version = RegisteredVersion(model=MODEL, version="2", run_id="r", created_at=house.now, status="READY", source="s")
    console.services.registry.replace([version], {}, now=house.now)
    page = console.open("releases", persona="author")
    page.text_area(key="reason:propose").set_value("better auc")
    page = console.button(page, "Propose").click().run()
    assert "r-0001 proposed" in console.words(page)
    assert house.store.get("r-0001").version == "2"


def test_an_author_writes_a_plan_of_their_own_and_is_told_what_is_wrong_with_it(console, house):
    version = RegisteredVersion(model=MODEL, version="2", run_id="r", created_at=house.now, status="READY", source="s")
    console.services.registry.replace([version], {}, now=house.now)
    page = console.open("releases", persona="author", plan="own")
    page.text_area(key="plan:own").set_value("steps: [{weight_pct: 120}]")
    page = page.run()
    assert "takes more than 0 and less than 100 percent" in console.words(page)
    assert console.button(page, "Propose").disabled
    page.text_area(key="plan:own").set_value("steps: [{weight_pct: 3, min_requests: 500}]")
    page.text_area(key="reason:propose").set_value("better auc")
    page = console.button(page.run(), "Propose").click().run()
    assert house.store.get("r-0001").plan.steps == (Step(weight_pct=3, min_requests=500),)


def test_a_freeze_and_a_broken_glass_stand_over_the_release_until_somebody_else_reviewed_it(tmp_path, monkeypatch):
    now = datetime.now(UTC)
    window = f"""
[[freeze]]
environment = "production"
reason = "year end"
start = "{now - timedelta(hours=1)}"
end = "{now + timedelta(hours=30)}"
"""
    console = Console(tmp_path, monkeypatch, SETTINGS + window)
    house = house_of(console)
    release = propose(house)
    listed = console.words(console.open("releases", persona="viewer"))
    assert listed.count("Every model in production is frozen until") == 1
    assert "year end. Nothing moves forward; rolling back is never frozen" in listed

    page = console.open("releases", persona="on-call", release=release.id)
    assert "Every model in production is frozen until" in console.words(page)
    page.text_input(key=f"incident:{release.id}").set_value("inc-7")
    click(console, page, "Break glass", "users see errors")
    house.run()
    st.cache_data.clear()
    for shown in ({"release": release.id}, {}):
        words = console.words(console.open("releases", persona="viewer", **shown))
        assert re.search(r"a review by somebody else is due .*, in (23 h|1 d)", words), words
    words = console.words(console.open("releases", persona="viewer", release=release.id))
    assert "On-call engineer broke the glass for inc-7: “users see errors”. It began without approvals: a" in words

    page = console.open("releases", persona="approver-1", release=release.id)
    click(console, page, "Record the review", "it was right to")
    st.cache_data.clear()
    words = console.words(console.open("releases", persona="viewer", release=release.id))
    assert "It began without approvals: it was reviewed since." in words


def test_what_was_compared_on_the_same_rows_leads_and_logged_metrics_follow(console, house):
    gate = Gate(name="quality against champion", verdict=Verdict.PASS, required=True,
                reason="auc 0.60 against 0.57 of the champion (difference +0.01 to +0.05), 6,517 rows")
    house.reports["2"] = Report(model=MODEL, version="2", champion="1", artefact=facts(MODEL, "2").artefact,
                                gates=(gate,), at=house.now)
    house.registry.overwrite(MODEL, "2", metrics={"auc": 0.79})
    words = console.words(console.open("releases", persona="approver-1", release=propose(house).id))
    assert re.search(r"v1 → v2 : on the same rows auc 0\.60 against 0\.57 .* As logged, each on a test set of its own: "
                     r"auc 0\.781 → 0\.79 \(better\)", words), words


def test_the_version_chosen_to_go_back_to_is_about_one_release_and_leaves_the_address_with_it(console, house):
    older, newer = house.released("2").id, house.released("3").id
    for label, left in (("All releases", None), ("Next", older)):
        page = console.open("releases", persona="on-call", release=newer)
        page.selectbox(key="pick:back").select("1").run()
        assert page.query_params["back"] == "1"
        console.button(page, label).click().run()
        assert page.query_params.get("release") == left
        assert "back" not in page.query_params


def test_a_release_on_its_way_that_the_filter_hides_is_counted_and_one_click_away(console, house):
    release = propose(house)
    page = console.open("releases", persona="approver-1", model="air-time", environment="production")
    assert "No release of air-time into production is on its way; 1 is elsewhere." in console.words(page)
    page = console.button(page, "Show every release").click().run()
    assert release.name in console.words(page)
    assert page.query_params["model"] == "every model"


def test_a_release_that_does_not_exist_is_one_card(console):
    page = console.open("releases", release="r-9999")
    assert not page.exception
    assert "there is no release r-9999" in console.words(page)


def test_the_audit_page_shows_decisions_and_that_the_chain_holds(console, house):
    propose(house)
    page = console.open("audit")
    assert not page.exception
    words = console.words(page)
    assert "rows follow from one another" in words
    assert "better auc" in words


def test_what_a_decision_did_is_told_in_words(console, house):
    release = propose(house)
    actions.approve(house.desk, release.id, actor=persona("approver-1"), reason="fine", op_id="a", now=house.now)
    words = console.words(console.open("audit"))
    assert f"draft → gating; v2 {MODEL} production; plan direct" in words
    assert f"stays awaiting start; v2 {MODEL} production; stage start" in words
    assert "revision" not in words
    assert "{" not in words


def test_a_changed_row_is_named_on_the_audit_page(console, house):
    from services.adapters.ops_tables.house import audit

    propose(house)
    with console.services.db.write() as connection:
        connection.execute(audit.update().where(audit.c.seq == 1).values(reason="worse auc"))
    assert "row 1 was changed after it was written" in console.words(console.open("audit"))


def test_a_failed_release_opens_its_playbook_and_shows_what_the_judge_saw(console, house):
    from services.core.measurement import Verdict
    from services.releases.canary import Look, Metric
    from services.releases.plan import CANARY
    from services.releases.progress import Advice, Ruling
    from tests.releases_fixtures import FIRST, SECOND

    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    look = Look(metric=Metric.ERRORS, verdict=Verdict.FAIL, reason="12 of 60 failed", n_champion=540, n_candidate=60,
                value=55.0, threshold=40.0)
    console.services.looks.save(release, Ruling(advice=Advice.ROLL_BACK, reason="errors: 12 of 60 failed"), [look],
                                now=house.now)
    house.rulings[release.id] = Ruling(advice=Advice.ROLL_BACK, reason="errors: 12 of 60 failed")
    house.run()

    page = console.open("releases", release=release.id)
    assert not page.exception
    words = console.words(page)
    assert "The deployment failed: what to do now" in words
    assert "What the judge saw" in words
    assert "errors: 12 of 60 failed" in words
    assert "change failure rate" in console.words(console.open("releases"))


def failed(house):
    from services.releases.plan import CANARY
    from tests.releases_fixtures import FIRST, SECOND

    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    house.roll_back()
    house.run()
    st.cache_data.clear()
    return release


def test_a_release_that_went_back_is_not_called_fine_and_its_open_steps_wait(console, house):
    release = failed(house)
    words = console.words(console.open("releases", persona="viewer", release=release.id))
    assert f"{release.id} is rolled back" in words
    assert not re.search(rf"fine\s*{release.id} is rolled back", words)
    assert re.search(r"waiting\s*rows written by the failed version", words)


def test_on_call_records_what_came_of_a_step_and_everybody_reads_it(console, house):
    release = failed(house)
    page = console.open("releases", persona="on-call", release=release.id, step="rows written by the failed version")
    area = next(a for a in page.text_area if a.key.startswith("reason:playbook"))
    area.set_value("nothing was built on them")
    page = console.button(page, "Record").click().run()
    assert "rows written by the failed version, done" in console.words(page)
    st.cache_data.clear()
    seen = console.words(console.open("releases", persona="viewer", release=release.id))
    assert "done, On-call engineer: nothing was built on them" in seen
    assert re.search(r"fine\s*rows written by the failed version", seen)


def test_the_blast_radius_is_asked_for_and_its_answer_shown(console, house):
    release = failed(house)
    page = console.open("releases", persona="on-call", release=release.id)
    page = console.button(page, "Count the blast radius").click().run()
    (job,) = console.services.jobs.recent(kind="blast")
    assert job.args["release"] == release.id
    claimed = console.services.jobs.claim(now=house.now)
    counted = {"sentence": "41,207 predictions by version 2, 3,110 differ from 1"}
    console.services.jobs.finish(claimed.id, result=counted, now=house.now)
    st.cache_data.clear()
    words = console.words(console.open("releases", persona="viewer", release=release.id))
    assert "41,207 predictions by version 2, 3,110 differ from 1." in words


def test_a_shadow_shows_where_it_differs_most_and_on_which_requests(console, house):
    from services.core.measurement import Verdict
    from services.releases.canary import Look, Metric
    from services.releases.plan import SHADOW
    from services.releases.progress import Advice, Ruling
    from tests.releases_fixtures import FIRST, SECOND

    release = house.approve(house.propose("2", plan=SHADOW), FIRST, SECOND)
    look = Look(metric=Metric.PAIRS, verdict=Verdict.WARN, reason="60 of 400 requests (15.0%) are answered differently",
                n_champion=400, n_candidate=400, value=0.15, threshold=0.1, detail={
                    "worst": [{"column": "origin", "value": "JFK", "n": 100, "differ": 45}],
                    "examples": [{"request": "q-17", "champion": 0.1234567, "shadow": 0.9, "origin": "JFK"}]})
    console.services.looks.save(release, Ruling(advice=Advice.INCONCLUSIVE, reason="a person must look"), [look],
                                now=house.now)
    words = console.words(console.open("releases", release=release.id))
    for said in ("60 of 400 requests (15.0%)", "origin = JFK", "45%", "q-17", "0.123"):
        assert said in words, said
