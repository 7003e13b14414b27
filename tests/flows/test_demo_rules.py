"""Whatever the monitor measures, a shipped rule can speak about."""

from services import bootstrap
from services.alerts.defaults import SHIPPED


def test_every_measurement_on_the_demo_has_a_rule(demo_home):
    services = bootstrap.build(demo_home.settings)
    measured = {m.name for m, _ in services.measurements.newest()}
    assert len(measured) > 30, "the demo measures little: a step of its first pass may have failed"
    assert measured - {rule.measurement for rule in SHIPPED} == set()
