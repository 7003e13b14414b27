"""Whether a version can be served out of its pool is told beside the gates, and never voids a signature."""

import pytest

from services.core.measurement import Verdict
from services.monitor.beside import Beside
from services.monitor.decisions import Decisions
from services.quota.serving import peak
from services.releases.progress import NOTHING_SEEN
from services.releases.release import State
from services.releases.serving_fit import Serving, serving_fit
from services.validation.gate import Gate
from tests.releases_fixtures import FIRST, House

KNOWN = {"pool": "serving-cpu", "unit": "cores", "peak": peak(36_000, 100, hours=9, counted=9), "service_ms": 20.0,
         "per_replica": 2.0}


@pytest.mark.parametrize(("held", "free", "verdict"), [(0, 10, Verdict.PASS), (4, 6, Verdict.PASS),
                                                       (0, 6, Verdict.WARN)])
def test_replicas_for_the_busiest_second_fit_or_do_not(held: float, free: float, verdict: Verdict) -> None:
    # 100 in the busiest second at 20 ms each keep 2 busy, so 3 replicas below 70 %, and one spare.
    found = serving_fit(Serving(**KNOWN, held=held, free=free))
    assert (found.verdict, found.required) == (verdict, False)
    assert found.reason.startswith("4 replicas for 100 requests/s as measured at 20 ms take 8 cores of serving-cpu")


def test_where_no_second_was_counted_the_advice_says_what_it_took_instead() -> None:
    known = {**KNOWN, "peak": peak(18_000, None, hours=9, counted=0)}
    found = serving_fit(Serving(**known, held=0, free=10))
    assert found.reason.startswith("3 replicas for 50 requests/s (10 times the busiest hour) at 20 ms")


@pytest.mark.parametrize(("changes", "said"), [
    ({"pool": ""}, "no serving pipeline"), ({"free": None}, "nobody sampled pool serving-cpu"),
    ({"service_ms": None}, "not measured yet"), ({"peak": None}, "no request arrived")])
def test_what_is_not_known_is_not_run_and_says_what(changes: dict, said: str) -> None:
    found = serving_fit(Serving(**{**KNOWN, "free": 10.0, **changes}))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert said in found.reason


def test_advice_that_changes_voids_no_signature_and_stands_in_the_evidence(house: House) -> None:
    advice = [Gate(name="serving quota", verdict=Verdict.PASS, reason="4 replicas fit")]
    house.worker._decisions = Decisions(
        store=house.store, outbox=house.outbox, registry=house.registry, targets=lambda *_: house.target,
        terms=house.terms, ruling=lambda _: NOTHING_SEEN, beside=Beside(patience_s=None),
        advise=lambda *_: advice)
    release = house.approve(house.propose("2"), FIRST)
    assert release.evidence["advice"][0]["reason"] == "4 replicas fit"
    assert "serving quota" not in release.subject["gates"]
    advice[0] = Gate(name="serving quota", verdict=Verdict.WARN, reason="they fit no more")
    house.run(31)
    after = house.store.get(release.id)
    assert (after.state, after.subject_hash) == (State.AWAITING_START, release.subject_hash)
    assert [a.subject_hash for a in house.store.approvals_of(release.id)] == [after.subject_hash]
