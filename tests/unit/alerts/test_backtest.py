"""A rule replayed over history fires when the monitor would have fired."""

from services.alerts.backtest import backtest
from services.core.measurement import Verdict
from tests.unit.alerts.alert_builders import MINUTE, NOW, measured, rule


def series(*values):
    return [measured(Verdict.PASS, at=NOW + i * MINUTE, value=float(v)) for i, v in enumerate(values)]


def test_each_span_beyond_the_limit_is_one_firing_with_its_ends():
    found = backtest(rule(fail_above=10), series(1, 20, 20, 1, 30, 1))
    assert found.looks == 6
    assert [(f.began, f.ended) for f in found.firings] == [
        (NOW + MINUTE, NOW + 3 * MINUTE), (NOW + 4 * MINUTE, NOW + 5 * MINUTE)]


def test_a_wait_leaves_out_what_was_short():
    found = backtest(rule(fail_above=10, for_=2 * MINUTE), series(20, 20, 1, 20, 20, 20))
    assert [(f.began, f.ended) for f in found.firings] == [(NOW + 5 * MINUTE, None)]


def test_measurements_of_other_rules_are_not_looked_at():
    assert backtest(rule(measurement="skew"), series(1, 20)).looks == 0
