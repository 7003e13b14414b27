"""What each measurement is: in one sentence, by which formula, and from where. The pages and the documents ask here.

How a measurement came out this time is its `reason`; what to do about it is its rule's runbook.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_LOG: Final = "prediction log"
_COUNTS: Final = "hourly counts of the prediction log"
_MIRROR: Final = "mirror of MLflow's runs"
_POOL: Final = "samples of the pool's sources"
_STORE: Final = "ops store"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a measurement says, the formula behind its value, and the source of its rows."""

    what: str
    formula: str
    source: str


_MOVED: Final = ("Pearson's two-sample chi-squared over baseline-fitted bins against the noncentral chi-squared of a "
                 "change as large as ordinary days show; the value is the effect on the PSI scale")
_FAULTY: Final = "faulty rows / rows, judged by the binomial tail against what was usual in training"

_ALL: Final[dict[str, Meaning]] = {
    "outage": Meaning(
        "whether the model stopped delivering predictions",
        "seconds since the last delivered prediction, against those expected from the same hours of four weeks, "
        "and the health probe",
        _LOG),
    "error_share": Meaning(
        "share of requests that failed",
        "failed / all requests, by the binomial tail against the model's own past",
        _LOG),
    "latency_p95_ms": Meaning(
        "95% of answers were delivered at least this fast",
        "95th percentile of 40 log-spaced bins per power of ten, so within 6%; fails when the lower end of its "
        "99% interval is over twice the past two weeks",
        _COUNTS),
    "request_rate": Meaning(
        "requests per second against the same hour of the week",
        "requests of the last closed hour / 3,600 s",
        _COUNTS),
    "log_freshness": Meaning(
        "how old the newest row of the log is",
        "now - time of the newest row",
        _LOG),
    "skew": Meaning(
        "how far serving is from what the version was trained on",
        _MOVED,
        f"{_COUNTS} against the training baseline"),
    "drift": Meaning(
        "how far serving is from the window before",
        _MOVED,
        _COUNTS),
    "drift_seasonal": Meaning(
        "how far serving is from the same hours of the four weeks before",
        _MOVED,
        _COUNTS),
    "prediction_skew": Meaning(
        "how far the answers are from those of training",
        _MOVED,
        f"{_COUNTS} against the training baseline"),
    "prediction_drift": Meaning(
        "how far the answers are from the window before",
        _MOVED,
        _COUNTS),
    "prediction_drift_seasonal": Meaning(
        "how far the answers are from the same hours of the four weeks before",
        _MOVED,
        _COUNTS),
    "worst_slice": Meaning(
        "the slice that moved most",
        f"{_MOVED}; of all slices with 200 rows Benjamini-Hochberg keeps at most one false finding in twenty",
        _COUNTS),
    "multivariate_drift": Meaning(
        "whether the features changed together",
        "AUC of a domain classifier and of an autoencoder's error, last week against four weeks, beyond the worst "
        "of those weeks among themselves",
        "sampled rows of the prediction log"),
    "quality": Meaning(
        "how good the answers were, by the labels that came",
        "AUC, error or accuracy over mature days, with a 95% interval, against the validation score or the four "
        "weeks before",
        "prediction log joined with labels by request id"),
    "estimated_quality": Meaning(
        "how good the answers probably are, before labels",
        "calibrated scores (isotonic) give expected confusion counts; regressions: the learned absolute error; "
        "warns beyond its own past error",
        "prediction log, labelled weeks before"),
    "label_coverage": Meaning(
        "share of labels that are here",
        "labels here / labels that will come; absent ones are counted apart",
        "label log"),
    "missing_rate": Meaning(
        "share of values that are missing",
        _FAULTY,
        _COUNTS),
    "wrong_type_rate": Meaning(
        "share of values that are not of their column's kind",
        _FAULTY,
        _COUNTS),
    "unseen_rate": Meaning(
        "share of categories that training never had",
        "unseen rows / rows, binomial test against 1.25 times the worst ordinary day, at least half a point more",
        _COUNTS),
    "out_of_range_rate": Meaning(
        "share of numbers outside what training had",
        "rows below or above / rows, binomial test against 1.25 times the worst ordinary day, at least half a "
        "point more",
        _COUNTS),
    "schema": Meaning(
        "columns that are missing, new or of another kind",
        "columns of the log that differ from the version's schema",
        _LOG),
    "duplicate_keys": Meaning(
        "share of requests that were logged more than once",
        "repeated request ids / rows",
        _LOG),
    "volume": Meaning(
        "rows against the same hours of the week",
        "rows of the last closed day",
        _COUNTS),
    "freshness": Meaning(
        "how old a data set's newest part is",
        "now - newest row, against the rhythm of its parts",
        "data set's files and partitions"),
    "quarantined_files": Meaning(
        "files that could not be read",
        "files set aside, by name and reason",
        "the monitor's ledger of files"),
    "label_drift": Meaning(
        "how far the labels are from those of training",
        _MOVED,
        "label log"),
    "training_failures": Meaning(
        "share of runs that failed",
        "runs that ended badly / runs that ended, by effective status: a crash that reads FINISHED counts",
        _MIRROR),
    "training_time": Meaning(
        "whether training became slower",
        "last 5 runs against the 20 before (Mann-Whitney), creep by Mann-Kendall, per row where the rows are "
        "known",
        _MIRROR),
    "training_objective": Meaning(
        "share of runs within their time objective",
        "runs within the objective / runs",
        _MIRROR),
    "hung_runs": Meaning(
        "runs that are open and show no sign of life",
        "no heartbeat for 5 minutes, no step for 10 usual gaps, or over the 99th percentile of like runs",
        _MIRROR),
    "test_set_skew": Meaning(
        "how far the test set is from training",
        _MOVED,
        "data set with role test"),
    "test_set_drift": Meaning(
        "how far live traffic is from the test set",
        _MOVED,
        f"data set with role test, {_COUNTS}"),
    "pool_used_pct": Meaning(
        "how full the pool is",
        "used / limit; 75, 90 or 100% held for 15 minutes",
        _POOL),
    "pool_requested_pct": Meaning(
        "how much of the pool is promised",
        "requested / limit; a scheduler refuses on this, not on use",
        _POOL),
    "pool_forecast": Meaning(
        "when the pool will be full",
        "damped trend on daily peaks, simulated 1,000 times: share of paths that touch the limit, with its own "
        "hit rate",
        _POOL),
    "experiments_share": Meaning(
        "how much of the pool experiments hold",
        "used by experiments / limit",
        _POOL),
    "usage_rate": Meaning(
        "how fast use grows",
        "mean of the last hour - mean of the hour before, per hour",
        _POOL),
    "errant_pipeline": Meaning(
        "a single pipeline that eats the pool",
        "z > 3.5 over its 7-day median and more than 5% of the pool above it, for 20 minutes",
        _POOL),
    "budget_burn": Meaning(
        "how fast a budget is spent",
        "spent share / elapsed share of its period; 14.4, 6 or 1 times even pace over a long and a short window",
        _POOL),
    "stuck_quota": Meaning(
        "work that waits beside free or idle quota",
        "amount that waits, while as much is free or requested and idle",
        _POOL),
    "idle": Meaning(
        "how much of what is requested is used",
        "peak use of half an hour / requested; warns below half",
        _POOL),
    "release_attention": Meaning(
        "whether a release waits for people or fails",
        "state, sync and pauses of each release",
        _STORE),
    "target_drift": Meaning(
        "whether the target serves what was decided",
        "desired split against the split read back",
        "deployment target"),
    "rollback_drill": Meaning(
        "whether the way back was tried",
        "seconds from the order to the split read back, of the last drill",
        _STORE),
    "alias_moved": Meaning(
        "whether the registry's alias follows the release",
        "alias read back against the version released",
        "MLflow's registry"),
    "artefact_changed": Meaning(
        "whether what was approved is what is there",
        "SHA-256 over the artefact's files against that of the approval",
        "MLflow's artefacts"),
    "audit_chain": Meaning(
        "whether the record of decisions holds",
        "each row's hash over its content and the row before",
        _STORE),
    "denied_commands": Meaning(
        "commands that were refused for want of a role",
        "denials in the last hour",
        _STORE),
    "two_pools": Meaning(
        "a pipeline that holds two pools of one resource at once, which may be one use counted twice",
        "pipelines with use above none in both, in samples of the last 15 minutes",
        _POOL),
    "monitor_pause": Meaning(
        "for how long nothing was measured before this pass",
        "now - end of the last finished pass, in times of the interval",
        "monitor"),
    "monitor_stopped": Meaning(
        "whether passes are still finished",
        "now - end of the last finished pass, looked at by another process",
        "monitor"),
    "monitor_step": Meaning(
        "whether a step of the monitor's pass did its work",
        "seconds of the step, and its error",
        "monitor"),
}
MEANINGS: Final[Mapping[str, Meaning]] = MappingProxyType(_ALL)
