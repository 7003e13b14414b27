"""Gather measurements into one line per thing and pipeline, worst first: what `Now` and `status` answer with.

An incident knows more (who acknowledged, what is suspected); that is services/alerts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.core.measurement import SEVERITY, Measurement, Pipeline, Verdict, worst

OUTAGE: Final = "outage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing in one pipeline: its worst verdict, since when, why, and how many questions were asked."""

    subject: str
    pipeline: Pipeline
    environment: str
    verdict: Verdict
    since: datetime
    at: datetime
    reason: str
    name: str
    column: str
    measured: int
    failing: int


def overview(found: Iterable[Measurement], since: Mapping[tuple[str, ...], datetime]) -> list[Line]:
    """Return one line per (subject, pipeline, environment), worst first, outages before the longest standing."""
    groups: dict[tuple[str, Pipeline, str], list[Measurement]] = defaultdict(list)
    for m in found:
        groups[m.subject, m.pipeline, m.environment].append(m)
    lines = []
    for (subject, pipeline, environment), members in groups.items():
        verdict = worst(m.verdict for m in members)
        named = [m for m in members if m.verdict == verdict]
        # The oldest standing fault speaks for the line: what came later may be its consequence. But one that stopped
        # delivering is never said behind a drift of last week.
        speaker = min(named, key=lambda m: (m.name != OUTAGE, since.get(m.key, m.at), m.name, -_excess(m), m.column))
        more = f" (and {len(named) - 1} more)" if len(named) > 1 and verdict is not Verdict.PASS else ""
        lines.append(
            Line(
                subject=subject, pipeline=pipeline, environment=environment, verdict=verdict,
                since=since.get(speaker.key, speaker.at), at=max(m.at for m in members),
                reason=f"{speaker.reason}{more}", name=speaker.name, column=speaker.column, measured=len(members),
                failing=sum(m.verdict is Verdict.FAIL for m in members),
            )
        )
    return sorted(lines, key=lambda line: (SEVERITY.index(line.verdict), line.name != OUTAGE, line.since, line.subject))


def _excess(m: Measurement) -> float:
    """Return how many times its alarm a value is, where the measurement says both; of equals the largest speaks."""
    critical = m.detail.get("critical")
    return m.value / critical if critical and m.value is not None else 0.0
