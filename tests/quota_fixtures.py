"""A simulated history of two pools: a weekday rhythm, growth, and one pipeline that surges."""

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from services.quota.pool import Origin, Sample

PIPELINES = (
    ("ranking-training", "training", "ranking", 9.0), ("fraud-training", "training", "fraud", 6.0),
    ("clicks-ingest", "data", "platform", 4.0), ("ranking-serving", "serving", "ranking", 5.5),
    ("fraud-validation", "validation", "fraud", 3.0), ("notebooks", "experiment", "research", 4.0),
    ("churn-training", "training", "growth", 3.0), ("embeddings", "training", "growth", 2.0),
)


def busy(now: datetime, *, days: int, every: timedelta = timedelta(hours=1), pool: str = "gpu-a100",
         growth: float = 0.25, seed: int = 7) -> Iterator[Sample]:
    """Yield samples of eight pipelines up to `now`, growing by the given share over the span."""
    source = random.Random(seed)
    steps = int(timedelta(days=days) / every)
    for i in range(steps + 1):
        ts = now - every * (steps - i)
        rhythm = 1.0 + 0.35 * math.sin((ts.hour - 9) / 24 * 2 * math.pi) - (0.3 if ts.weekday() >= 5 else 0.0)
        trend = 1.0 + growth * i / max(1, steps)
        total = 0.0
        for name, kind, team, base in PIPELINES:
            used = round(max(0.0, base * rhythm * trend * source.gauss(1.0, 0.08)), 2)
            total += used
            yield Sample(ts=ts, pool=pool, pipeline=name, kind=kind, team=team, environment="production", used=used,
                         requested=round(base * 1.3), origin=Origin.SIMULATED)
        yield Sample(ts=ts, pool=pool, pipeline="", used=round(total * 1.04, 2), origin=Origin.SIMULATED)
