"""What an approval is bound to, and what the gates make of it."""

from hypothesis import given
from hypothesis import strategies as st

from services.core.measurement import Verdict
from services.releases.evidence import INPUTS, changed, changed_text, changes, subject_hash
from services.releases.gate import counts, judge, refused
from services.releases.plan import CANARY
from services.releases.release import State
from services.validation.gate import Gate, Report
from tests.fakes_target import facts
from tests.releases_fixtures import FIRST, MODEL, SECOND, House


def report(house: House, verdict: Verdict, *, champion: str = "1", required: bool = True) -> Report:
    gate = Gate(name="auc on the test set", verdict=verdict, reason="0.71, the champion has 0.78", required=required)
    return Report(model=MODEL, version="2", champion=champion, artefact=facts(MODEL, "2").artefact, gates=(gate,),
                  at=house.now)


def gates(release) -> dict[str, str]:
    return {gate["name"]: gate["verdict"] for gate in release.evidence["gates"]}


@given(st.sampled_from(sorted(INPUTS)), st.text(max_size=5), st.text(max_size=5))
def test_the_hash_changes_exactly_when_an_input_does_and_the_input_is_named(name: str, before: str, after: str) -> None:
    base = {key: "same" for key in INPUTS if key != "gates"} | {"gates": {}}
    one, two = base | {name: {"g": before} if name == "gates" else before}, base | {
        name: {"g": after} if name == "gates" else after}
    assert (subject_hash(one) == subject_hash(two)) == (before == after)
    assert changed(one, two) == ([name] if before != after else [])
    assert bool(changed_text(one, two)) == (before != after)


def test_a_failed_validation_ends_the_release_before_anybody_is_asked(house: House) -> None:
    house.reports["2"] = report(house, Verdict.FAIL)
    release = house.propose("2")
    assert release.state is State.REJECTED
    assert "0.71, the champion has 0.78" in release.note


def test_a_validation_against_another_champion_counts_as_not_run(house: House) -> None:
    house.reports["2"] = report(house, Verdict.PASS, champion="5")
    release = house.propose("2")
    assert gates(release)["validation"] == "inconclusive"
    assert "not run" in counts(release.evidence["gates"])


def test_a_validation_that_arrives_after_a_signature_voids_it(house: House) -> None:
    release = house.approve(house.propose("2"), FIRST)
    house.reports["2"] = report(house, Verdict.PASS)
    house.run(31)
    release = house.store.get(release.id)
    assert "a gate's result changed" in release.note
    assert house.approve(release, SECOND).state is State.AWAITING_START
    assert house.approve(release, FIRST).state is not State.AWAITING_START


def test_a_validation_that_arrives_during_a_canary_is_news_and_stops_nothing(house: House) -> None:
    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    house.reports["2"] = report(house, Verdict.PASS)
    house.run(31)
    assert house.store.get(release.id).state is State.BAKING


def test_a_required_validation_that_fails_during_a_canary_pauses_it(house: House) -> None:
    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    house.reports["2"] = report(house, Verdict.FAIL)
    house.run(31)
    assert house.store.get(release.id).state is State.PAUSED


def test_a_new_input_fails_because_callers_do_not_send_it() -> None:
    candidate = facts(MODEL, "2", inputs={"distance": "double", "dep_hour": "long", "wind_gust": "double"})
    found = {gate.name: gate for gate in judge(candidate, facts(MODEL, "1"))}
    assert found["inputs as the champion's"].verdict is Verdict.FAIL
    assert "new wind_gust" in found["inputs as the champion's"].reason


def test_another_kind_of_answer_warns_because_callers_read_the_one_of_now() -> None:
    champion = facts(MODEL, "1", outputs={"0": "long"})
    network = facts(MODEL, "2", outputs={"probability": "double"})
    [warned] = [g for g in judge(network, champion) if g.name == "answers as the champion's"]
    assert warned.verdict is Verdict.WARN
    assert warned.reason.startswith("callers get probability (double) where they get long now")
    [same] = [g for g in judge(champion, champion) if g.name == "answers as the champion's"]
    assert same.verdict is Verdict.PASS


def test_a_metric_that_became_infinite_fails_and_one_that_fell_warns() -> None:
    found = {g.name: g for g in judge(facts(MODEL, "2", metrics={"auc": 0.70, "val_loss": 1.7976931348623157e308}),
                                      facts(MODEL, "1", metrics={"auc": 0.78, "val_loss": 0.3}))}
    assert (found["auc"].verdict, found["val_loss"].verdict) == (Verdict.WARN, Verdict.FAIL)
    assert refused(list(found.values())) == ""


def test_differences_come_in_the_order_in_which_an_approver_asks() -> None:
    before = facts("m", "1", tags={"data.window_end": "2026-10-01", "team": "x"}, requirements={"keras": "==3.9"})
    after = facts("m", "2", tags={"data.window_end": "2026-11-01", "team": "y"}, requirements={"keras": "==3.10"},
                  inputs={**before.inputs, "wind_gust": "double"}, size_bytes=8192, took_s=60.0)
    found = [(c["what"], c["name"], c["champion"], c["candidate"]) for c in changes(after, before)]
    assert [kind for kind, *_ in found] == ["metric", "data", "param", "input", "environment", "cost", "cost"]
    assert ("data", "window_end", "2026-10-01", "2026-11-01") in found
    assert ("environment", "keras", "==3.9", "==3.10") in found
    assert ("input", "wind_gust", None, "double") in found
