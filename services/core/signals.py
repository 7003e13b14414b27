"""Gather what is measured of one model into its signals: one line each, in the order in which people ask.

Which page shows a signal is the console's business; what a measurement means, that of the subject that made it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.core.measurement import SEVERITY, Measurement, Pipeline, Verdict, worst

# Signal -> the measurements behind it. A measurement under no signal is shown on its own page only.
SIGNALS: Final[dict[str, tuple[str, ...]]] = {
    "delivery": ("outage", "log_freshness", "quarantined_files"),
    "latency": ("latency_p95_ms",),
    "errors": ("error_share",),
    "volume": ("request_rate", "volume"),
    "drift": ("skew", "drift", "drift_seasonal", "prediction_skew", "prediction_drift", "prediction_drift_seasonal",
              "worst_slice"),
    "data checks": ("schema", "missing_rate", "wrong_type_rate", "unseen_rate", "out_of_range_rate", "duplicate_keys"),
    "quality": ("quality", "estimated_quality", "label_coverage"),
    "test set": ("test_set_skew", "test_set_drift"),
    "training": ("training_failures", "training_time", "training_objective", "hung_runs"),
    "release": ("release_attention", "target_drift", "rollback_drill", "alias_moved", "artefact_changed"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One signal of a model: the worst verdict of its questions, since when, and the measurement that says so."""

    name: str
    verdict: Verdict
    since: datetime | None
    reason: str
    speaker: Measurement | None  # None: nothing of the signal was ever measured
    asked: int
    failing: int


def concerns(m: Measurement, model: str, environment: str) -> bool:
    """Tell whether a measurement is about a model in an environment, or about a pipeline that makes its versions."""
    if m.pipeline in (Pipeline.TRAINING, Pipeline.VALIDATION) and m.subject.startswith(f"{model}-"):
        return True
    return m.subject == model and m.environment in (environment, "")


def signals(
    found: Iterable[tuple[Measurement, datetime]], model: str, *, environment: str
) -> list[Signal]:
    """Return every signal of a model; one that was never measured is unsure. A slice speaks for itself only."""
    by: dict[str, list[tuple[Measurement, datetime]]] = {name: [] for name in SIGNALS}
    signal_of = {measurement: name for name, names in SIGNALS.items() for measurement in names}
    for m, since in found:
        # The worst slice of drift is a question of its own; a slice's quality is one of many small ones.
        if m.name in signal_of and concerns(m, model, environment) and (not m.slice or m.name == "worst_slice"):
            by[signal_of[m.name]].append((m, since))
    return [_signal(name, members) for name, members in by.items()]


def _signal(name: str, members: list[tuple[Measurement, datetime]]) -> Signal:
    if not members:
        return Signal(name=name, verdict=Verdict.INCONCLUSIVE, since=None, reason="never measured", speaker=None,
                      asked=0, failing=0)
    verdict = worst(m.verdict for m, _ in members)
    named = sorted(((m, since) for m, since in members if m.verdict == verdict),
                   key=lambda pair: (SIGNALS[name].index(pair[0].name), pair[1], pair[0].column))
    speaker, since = named[0]
    more = f" (and {len(named) - 1} more)" if len(named) > 1 and verdict is not Verdict.PASS else ""
    return Signal(name=name, verdict=verdict, since=since, reason=f"{speaker.reason}{more}", speaker=speaker,
                  asked=len(members), failing=sum(m.verdict is Verdict.FAIL for m, _ in members))


def worst_first(found: Iterable[Signal]) -> list[Signal]:
    """Return signals worst first, of equals in the order in which people ask."""
    order = list(SIGNALS)
    return sorted(found, key=lambda s: (SEVERITY.index(s.verdict), order.index(s.name)))
