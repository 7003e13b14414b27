"""Which rule speaks, and what it says."""

import pytest

from services.alerts.rule import judge, rule_for
from services.core.measurement import Verdict
from tests.unit.alerts.alert_builders import measured, rule


def test_a_rule_without_limits_takes_the_verdict_of_the_measurement():
    assert judge(rule(), measured(Verdict.WARN), firing=False) == (Verdict.WARN, "p95 is 412 ms")


@pytest.mark.parametrize(("value", "verdict"), [
    (249.0, Verdict.PASS), (250.0, Verdict.PASS), (251.0, Verdict.WARN), (400.0, Verdict.WARN), (401.0, Verdict.FAIL),
])
def test_limits_judge_the_value_whatever_the_measurement_thought(value, verdict):
    limits = rule(warn_above=250, fail_above=400)
    assert judge(limits, measured(Verdict.PASS, value=value), firing=False)[0] is verdict


def test_a_limit_below_works_like_one_above():
    low = rule(fail_below=0.6, warn_below=0.7)
    assert [judge(low, measured(value=v), firing=False)[0] for v in (0.5, 0.65, 0.9)] == [
        Verdict.FAIL, Verdict.WARN, Verdict.PASS]


def test_a_firing_rule_stays_bad_until_the_value_is_inside_its_clear_limit():
    limits = rule(fail_above=400, clear_above=350)
    assert judge(limits, measured(value=380.0), firing=True)[0] is Verdict.FAIL
    assert judge(limits, measured(value=380.0), firing=False)[0] is Verdict.PASS
    assert judge(limits, measured(value=340.0), firing=True)[0] is Verdict.PASS


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_a_limit_cannot_judge_a_number_that_nobody_trusts(verdict):
    assert judge(rule(fail_above=1), measured(verdict), firing=False)[0] is verdict


def test_a_measurement_without_a_value_is_inconclusive_under_a_limit():
    assert judge(rule(fail_above=1), measured(Verdict.PASS, value=None), firing=False)[0] is Verdict.INCONCLUSIVE


def test_the_narrowest_rule_speaks_and_of_equals_the_last():
    shipped, own, narrow = rule(name="shipped"), rule(name="own"), rule(name="narrow", model="flight-delay")
    assert rule_for(measured(), [shipped, own]).name == "own"
    assert rule_for(measured(), [narrow, shipped, own]).name == "narrow"
    assert rule_for(measured(subject="other"), [narrow, shipped]).name == "shipped"


def test_a_disabled_rule_and_one_of_another_environment_do_not_speak():
    assert rule_for(measured(), [rule(enabled=False), rule(environment="staging"), rule(measurement="skew")]) is None
