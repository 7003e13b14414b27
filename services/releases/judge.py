"""Judge a canary against the champion beside it: roll back, advance, or *inconclusive*, and why.

In order: does the traffic arrive as asked (else the model is not to blame)? Does the candidate fail more, or answer
more slowly? Does it predict otherwise, or as a shadow answer the same requests otherwise? Are its answers as good, as
far as labels have come? Pure; counting is in adapters/canary_log.py, the statistics in eprocess.py and outcomes.py.
"""

from collections.abc import Mapping, Sequence
from math import log
from typing import Final

import numpy as np

from services.core.measurement import Verdict
from services.drift.effect import min_effects
from services.releases.canary import Block, Counted, Look, Metric, Span
from services.releases.eprocess import e_of, log_e_path, lower, share_log_e, upper
from services.releases.outcomes import pairs, quality
from services.releases.progress import Advice, Ruling

ALPHA: Final = 0.05  # of ever rolling a harmless candidate back, over all metrics and looks together
ALPHA_RATIO: Final = 0.001
ALPHA_PREDICTIONS: Final = 0.001
# How much of it each metric that may roll back spends.
SPLIT: Final[Mapping[Metric, float]] = {Metric.ERRORS: 0.4, Metric.LATENCY: 0.4, Metric.QUALITY: 0.2}
HARM: Final[Mapping[Metric, float]] = {Metric.ERRORS: 0.05, Metric.LATENCY: 0.10}  # how much worse is still let through
PSI_LIMIT: Final = 0.1
_LEAST_PREDICTIONS: Final = 100


def judge(counted: Counted, *, alpha: float = ALPHA, needs_labels: bool = False) -> tuple[Ruling, list[Look]]:
    """Return the ruling and one look per metric; `needs_labels` lets nothing advance before labels say that it may."""
    looks = [
        sample_ratio(counted.spans),
        proportion(Metric.ERRORS, counted.blocks, alpha=alpha * SPLIT[Metric.ERRORS]),
        _latency(counted, alpha=alpha * SPLIT[Metric.LATENCY]),
        predictions(counted),
        *([pairs(counted.pairs)] if counted.pairs else []),
        quality(counted.labelled, alpha=alpha * SPLIT[Metric.QUALITY]),
    ]
    return _ruling(looks, needs_labels=needs_labels), looks


def sample_ratio(spans: Sequence[Span]) -> Look:
    """Ask whether the candidate got its share, over all steps: E is multiplied from span to span.

    Counted are entities at their first request. The split is sticky: all requests of one entity are a single draw, and
    a few busy entities would look like a wrong share.
    """
    total_a, total_b = sum(s.n_champion for s in spans), sum(s.n_candidate for s in spans)
    log_e = sum(share_log_e(s.first_candidate, s.first_candidate + s.first_champion, s.weight_pct / 100) for s in spans
                if 0 < s.weight_pct < 100)
    threshold = 1 / ALPHA_RATIO
    wrong = log_e >= log(threshold)
    return Look(
        metric=Metric.SAMPLE_RATIO, n_champion=total_a, n_candidate=total_b,
        verdict=Verdict.FAIL if wrong else Verdict.PASS if total_a + total_b else Verdict.INCONCLUSIVE,
        value=min(e_of(log_e), 1e300), threshold=threshold,
        reason=f"the candidate got {_share(spans[-1])}" if total_a + total_b else "no request arrived yet",
    )


def _share(span: Span) -> str:
    drawn, asked = span.first_candidate + span.first_champion, span.n_candidate + span.n_champion
    of = f"{drawn:,} requests" if drawn == asked else f"{drawn:,} new entities ({asked:,} requests)"
    return f"{span.first_candidate / max(1, drawn):.1%} of {of}, wanted {span.weight_pct:g}%"


def proportion(metric: Metric, blocks: Sequence[Block], *, alpha: float) -> Look:
    """Ask whether a larger share of the candidate's requests was bad, by the safe e-process over blocks."""
    errors = metric is Metric.ERRORS
    n = np.array([b.n for b in blocks], dtype=np.int64)
    bad_a = np.array([b.errors_champion if errors else b.slow_champion for b in blocks], dtype=np.int64)
    bad_b = np.array([b.errors_candidate if errors else b.slow_candidate for b in blocks], dtype=np.int64)
    n_a, n_b, x_a, x_b = int(n.sum()), len(blocks), int(bad_a.sum()), int(bad_b.sum())
    if not n_b:
        return Look(metric=metric, verdict=Verdict.INCONCLUSIVE, reason="no request was judged yet", n_champion=0,
                    n_candidate=0, threshold=1 / alpha)
    path = log_e_path(n, bad_a, bad_b)
    # The rule stops at the first crossing: what comes later cannot take a verdict back.
    crossed = np.flatnonzero((path >= -log(alpha)) & (np.cumsum(bad_b) * np.cumsum(n) > np.cumsum(bad_a)
                                                      * np.arange(1, n_b + 1)))
    harm = upper(x_b, n_b, alpha=alpha / 2) - lower(x_a, n_a, alpha=alpha / 2)
    allowed = HARM[metric]
    word = "failed" if errors else "were slower than the champion's p95"
    counts = f"{x_b} of {n_b} ({x_b / n_b:.1%}) {word}, the champion's {x_a} of {n_a} ({x_a / n_a:.1%})"
    if len(crossed):
        verdict, said = Verdict.FAIL, f"{counts}: worse, E passed {1 / alpha:g}"
    elif harm < allowed:
        verdict, said = Verdict.PASS, f"{counts}: at most {harm:.1%} worse"
    else:
        verdict, said = Verdict.INCONCLUSIVE, f"{counts}: up to {harm:.1%} worse cannot be ruled out yet"
    return Look(
        metric=metric, verdict=verdict, reason=said, n_champion=n_a, n_candidate=n_b, threshold=1 / alpha,
        value=min(e_of(float(path.max())), 1e300),
        detail={"bad_champion": x_a, "bad_candidate": x_b, "harm_at_most": harm, "harm_allowed": allowed,
                "e_now": min(e_of(float(path[-1])), 1e300),
                "crossed_at": int(crossed[0]) + 1 if len(crossed) else None},
    )


def predictions(counted: Counted) -> Look:
    """Ask whether the candidate predicts otherwise than the champion beside it: a change, which is no harm yet."""
    ours, theirs = np.array([counted.candidate_bins]), np.array([counted.champion_bins])
    n_b, n_a = int(ours.sum()), int(theirs.sum())
    if n_b < _LEAST_PREDICTIONS or n_a < _LEAST_PREDICTIONS:
        return Look(metric=Metric.PREDICTIONS, verdict=Verdict.INCONCLUSIVE, n_champion=n_a, n_candidate=n_b,
                    reason=f"{n_b} predictions to compare, {_LEAST_PREDICTIONS} needed", threshold=PSI_LIMIT)
    found = min_effects(ours, theirs, ordered=np.array([True]), psi0=np.array([PSI_LIMIT]), alpha=ALPHA_PREDICTIONS)[0]
    return Look(
        metric=Metric.PREDICTIONS, verdict=Verdict.WARN if found.fires else Verdict.PASS, n_champion=n_a,
        n_candidate=n_b, value=found.effect, threshold=PSI_LIMIT, detail={"p": found.p, "critical": found.critical},
        reason=f"predictions differ by {found.effect:.3f} on the PSI scale, "
               + (f"more than {PSI_LIMIT:g} beyond chance" if found.fires else f"not more than {PSI_LIMIT:g}"),
    )


def _latency(counted: Counted, *, alpha: float) -> Look:
    if counted.limit_ms is None:
        return Look(metric=Metric.LATENCY, verdict=Verdict.INCONCLUSIVE, n_champion=0, n_candidate=len(counted.blocks),
                    reason="the champion had too few requests before the canary to know its p95")
    found = proportion(Metric.LATENCY, counted.blocks, alpha=alpha)
    return Look(metric=found.metric, verdict=found.verdict, reason=f"{found.reason} (p95 {counted.limit_ms:.0f} ms)",
                n_champion=found.n_champion, n_candidate=found.n_candidate, value=found.value,
                threshold=found.threshold, detail={**found.detail, "limit_ms": counted.limit_ms})


def _ruling(looks: Sequence[Look], *, needs_labels: bool) -> Ruling:
    by = {look.metric: look for look in looks}
    requests = by[Metric.SAMPLE_RATIO].n_candidate
    if by[Metric.SAMPLE_RATIO].verdict is Verdict.FAIL:
        return Ruling(advice=Advice.SAMPLE_RATIO, requests=requests,
                      reason=f"traffic does not arrive as asked: {by[Metric.SAMPLE_RATIO].reason}")
    acting = [by[metric] for metric in SPLIT]
    if harmful := [look for look in acting if look.verdict is Verdict.FAIL]:
        return Ruling(advice=Advice.ROLL_BACK, reason=_said(harmful), requests=requests)
    if moved := [look for look in looks if look.verdict is Verdict.WARN]:
        return Ruling(advice=Advice.INCONCLUSIVE, reason=f"a person must look: {_said(moved)}", requests=requests)
    # Labels come days late: they are waited for where the plan says so, and only told where they have come.
    awaited = [*(by[metric] for metric in HARM), *([by[Metric.QUALITY]] if needs_labels else []),
               *([by[Metric.PAIRS]] if Metric.PAIRS in by else [])]
    if unsure := [look for look in awaited if look.verdict is not Verdict.PASS]:
        return Ruling(advice=Advice.INCONCLUSIVE, reason=_said(unsure), requests=requests)
    told = [look for look in looks if look.verdict is Verdict.PASS and look.metric is not Metric.SAMPLE_RATIO]
    return Ruling(advice=Advice.ADVANCE, reason=_said(told), requests=requests)


def _said(looks: Sequence[Look]) -> str:
    return "; ".join(f"{look.metric}: {look.reason}" for look in looks)
