"""A home of many models with thousands of measurements in every state, under names that try to be markup."""

from datetime import UTC, datetime, timedelta

from services.bootstrap import Services
from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import TimeWindow

HOSTILE = '<img src="http://evil.example/1.png" onerror=x> ![y](http://evil.example/2.png) [z](javascript:1) :red[w]'
MODELS, COLUMNS = 50, 40


def models() -> str:
    """Return the settings of the models, to be added to a home's own."""
    return "".join(f'\n[models.model-{i:02}]\ntask = "regression"\nlog = "home/predictions/model-{i:02}"\n'
                   for i in range(MODELS))


def fill(services: Services) -> None:
    """Store two measurements for every model and column, all verdicts among them."""
    now = datetime.now(UTC)
    window = TimeWindow(now - timedelta(hours=1), now)
    verdicts = list(Verdict)
    services.measurements.save([
        Measurement(name=name, pipeline=list(Pipeline)[i % 7], subject=f"model-{i:02}", window=window, at=now,
                    verdict=verdicts[(i + j) % 5], reason=f"{HOSTILE} {j}", value=0.1 * j, n=10 * j,
                    why=Why.TOO_FEW if verdicts[(i + j) % 5] is Verdict.INCONCLUSIVE else Why.NONE,
                    environment="production", column=f"{HOSTILE}-{j}")
        for i in range(MODELS) for j in range(COLUMNS) for name in ("drift", "missing_rate")])
