"""Judge a candidate by labels that come late, and a shadow by the answers that it gives to the same requests.

Labels: is the mean loss at most a margin worse than the champion's (non-inferiority)? Pairs: a change of answers is no
harm by itself, so it asks for a person and never rolls back.
"""

from typing import Final

from services.core.measurement import Verdict
from services.releases.bounded import interval
from services.releases.canary import Labelled, Look, Metric, Pairs
from services.releases.eprocess import lower, upper

MARGIN: Final = 0.05  # how much worse the mean loss may be, on its scale from 0 to 1
PAIR_LIMIT: Final = 0.10  # share of answers that may differ before a person must look
ALPHA_PAIRS: Final = 0.01
_LEAST_LABELS: Final = 30
_LEAST_PAIRS: Final = 50


def quality(labelled: Labelled, *, alpha: float, margin: float = MARGIN) -> Look:
    """Ask whether the candidate's answers are as good as the champion's, as far as labels have come."""
    n_a, n_b = len(labelled.champion), len(labelled.candidate)
    covered = f"labels for {n_b:,} of {labelled.asked:,} requests"
    if min(n_a, n_b) < _LEAST_LABELS:
        return Look(metric=Metric.QUALITY, verdict=Verdict.INCONCLUSIVE, n_champion=n_a, n_candidate=n_b,
                    threshold=margin, reason=f"{covered}, {_LEAST_LABELS} needed")
    least, most = _paired(labelled, alpha) if labelled.paired else _apart(labelled, alpha)
    mean_a, mean_b = sum(labelled.champion) / n_a, sum(labelled.candidate) / n_b
    counts = f"{labelled.measure} {mean_b:.3f}, the champion's {mean_a:.3f}; {covered}"
    if most < margin:
        verdict, said = Verdict.PASS, f"{counts}: at most {max(most, 0):.3f} worse"
    elif least > 0:
        verdict, said = Verdict.FAIL, f"{counts}: worse by {least:.3f} or more"
    else:
        verdict, said = Verdict.INCONCLUSIVE, f"{counts}: up to {most:.3f} worse cannot be ruled out yet"
    return Look(
        metric=Metric.QUALITY, verdict=verdict, reason=said, n_champion=n_a, n_candidate=n_b, value=most,
        threshold=margin, detail={"mean_champion": mean_a, "mean_candidate": mean_b, "worse_at_least": least,
                                  "worse_at_most": most, "labelled": n_b, "asked": labelled.asked,
                                  "measure": labelled.measure, "paired": labelled.paired, "alpha": alpha})


def pairs(found: Pairs) -> Look:
    """Ask whether shadow and champion answer the same requests differently, where most, and by how much."""
    detail = {
        "differ": found.differ, "mean_gap": found.mean_gap, "examples": [dict(e) for e in found.examples],
        "worst": [{"column": s.column, "value": s.value, "n": s.n, "differ": s.differ} for s in found.worst],
    }
    if found.n < _LEAST_PAIRS:
        return Look(metric=Metric.PAIRS, verdict=Verdict.INCONCLUSIVE, n_champion=found.n, n_candidate=found.n,
                    threshold=PAIR_LIMIT, reason=f"{found.n} pairs to compare, {_LEAST_PAIRS} needed", detail=detail)
    least, most = (end(found.differ, found.n, alpha=ALPHA_PAIRS / 2) for end in (lower, upper))
    share = found.differ / found.n
    said = f"{found.differ:,} of {found.n:,} requests ({share:.1%}) are answered differently"
    if found.worst and found.worst[0].share > share:
        worst = found.worst[0]
        said += f", most where {worst.column} is {worst.value} ({worst.share:.0%} of {worst.n:,})"
    verdict = Verdict.WARN if least > PAIR_LIMIT else Verdict.PASS if most < PAIR_LIMIT else Verdict.INCONCLUSIVE
    if verdict is Verdict.INCONCLUSIVE:
        said += f": {most:.0%} cannot be ruled out yet"
    return Look(metric=Metric.PAIRS, verdict=verdict, reason=said, n_champion=found.n, n_candidate=found.n,
                value=share, threshold=PAIR_LIMIT, detail={**detail, "at_least": least, "at_most": most})


def _apart(labelled: Labelled, alpha: float) -> tuple[float, float]:
    low_a, high_a = interval(labelled.champion, alpha=alpha / 2)
    low_b, high_b = interval(labelled.candidate, alpha=alpha / 2)
    return low_b - high_a, high_b - low_a


def _paired(labelled: Labelled, alpha: float) -> tuple[float, float]:
    """On identical requests the differences vary less than the losses: the same bound takes fewer labels."""
    differences = [(b - a + 1) / 2 for a, b in zip(labelled.champion, labelled.candidate, strict=True)]
    low, high = interval(differences, alpha=alpha)
    return 2 * low - 1, 2 * high - 1
