"""The rules that ship: one for every row of what the product watches (design, section 1), and security's own.

A rule without limits takes the measurement's own verdict. Names of measurements are those that the measuring
subjects emit; tests/flows/test_demo_rules.py holds the two lists together on the demo.
"""

from datetime import timedelta
from typing import Final

from services.alerts.rule import Rule, Severity

_MIN: Final = timedelta(minutes=1)


def _page(measurement: str, runbook: str, *, for_: timedelta = timedelta(0), keep: timedelta = 5 * _MIN) -> Rule:
    return Rule(name=measurement, measurement=measurement, runbook=runbook, severity=Severity.PAGE, for_=for_,
                keep_firing=keep)


def _ticket(measurement: str, runbook: str, *, for_: timedelta = timedelta(0), keep: timedelta = 10 * _MIN) -> Rule:
    return Rule(name=measurement, measurement=measurement, runbook=runbook, severity=Severity.TICKET, for_=for_,
                keep_firing=keep)


# Quality, outage and data faults wake somebody; drift is a ticket, because it is rarely wrong this very minute.
SHIPPED: Final[tuple[Rule, ...]] = (
    # serving
    _page("outage", "outage"),
    _page("error_share", "errors", for_=2 * _MIN),
    _page("latency_p95_ms", "latency", for_=5 * _MIN),
    _ticket("request_rate", "volume", for_=15 * _MIN),
    _ticket("log_freshness", "log-late"),
    _ticket("skew", "drift"),
    _ticket("drift", "drift"),
    _ticket("drift_seasonal", "drift"),
    _ticket("prediction_skew", "prediction-drift"),
    _ticket("prediction_drift", "prediction-drift"),
    _ticket("prediction_drift_seasonal", "prediction-drift"),
    _ticket("worst_slice", "drift"),
    _ticket("multivariate_drift", "drift"),
    _page("quality", "quality"),
    _ticket("estimated_quality", "quality"),
    _ticket("label_coverage", "labels-late"),
    # data
    _page("missing_rate", "missing-values"),
    _page("wrong_type_rate", "wrong-type"),
    _ticket("schema", "wrong-type"),
    _ticket("duplicate_keys", "duplicates"),
    _ticket("unseen_rate", "unseen-values"),
    _ticket("out_of_range_rate", "out-of-range"),
    _ticket("volume", "volume"),
    _ticket("freshness", "log-late"),
    _ticket("quarantined_files", "quarantine"),
    _ticket("label_drift", "drift"),
    # training and validation
    _ticket("training_failures", "training-failed"),
    _ticket("training_time", "training-slow"),
    _page("hung_runs", "training-hung"),
    _ticket("training_objective", "training-slow"),
    _ticket("test_set_skew", "test-set"),
    _ticket("test_set_drift", "test-set"),
    # quota
    # The level has been held for 15 minutes before the measurement says so; waiting again would double it.
    _page("pool_used_pct", "quota-limit"),
    _ticket("pool_requested_pct", "quota-limit"),
    _ticket("pool_forecast", "quota-limit"),
    _ticket("experiments_share", "quota-rate"),
    _ticket("usage_rate", "quota-rate", for_=15 * _MIN),
    _page("errant_pipeline", "errant-pipeline"),
    _ticket("budget_burn", "quota-limit"),
    _ticket("stuck_quota", "quota-limit", for_=15 * _MIN),
    _ticket("idle", "waste"),
    _ticket("two_pools", "quota-rate"),
    # deployment
    _page("release_attention", "deployment-failed"),
    _page("target_drift", "moved-outside"),
    _ticket("rollback_drill", "deployment-failed"),
    # security
    _page("alias_moved", "moved-outside"),
    _page("artefact_changed", "artefact-changed"),
    _page("audit_chain", "audit-break"),
    # A ticket: what was refused did no harm yet.
    _ticket("denied_commands", "denied-commands"),
    # the monitor itself
    _page("monitor_step", "monitor", for_=2 * _MIN),
    _page("monitor_stopped", "monitor"),
    # A ticket: it is over when it is measured.
    _ticket("monitor_pause", "monitor"),
)
