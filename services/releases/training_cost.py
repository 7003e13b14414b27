"""Say what training a version took of its pool's quota, beside the champion's: advice, and never part of the subject.

A run's quota is what it asked for, held from its start to its end. Reading runs and prices is in bootstrap/advice.py.
"""

from dataclasses import dataclass
from typing import Final

from services.core.measurement import Verdict
from services.quota.hardware import money
from services.validation.gate import Gate, not_run

NAME: Final = "training quota"
DEARER: Final = 2.0  # times the champion's: asked about, because what is trained once is trained again
LITTLE: Final = 0.1  # unit-hours: below, nobody asks how many times as much it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What one version's training held: units of a pool for so many hours. None stands for what nobody recorded.

    `unit_hours` names what they add up to, such as `GPU-hours`; `per_hour` is the price of one unit, if there is one.
    """

    pool: str = ""
    unit_hours: str = "hours"
    hours: float | None = None
    held: float | None = None
    per_hour: float | None = None
    currency: str = ""

    @property
    def amount(self) -> float | None:
        """Unit-hours held."""
        return None if self.hours is None or self.held is None else self.hours * self.held

    @property
    def cost(self) -> float | None:
        """What they cost."""
        return None if self.amount is None or self.per_hour is None else self.amount * self.per_hour

    def text(self) -> str:
        """Return such as `3.2 GPU-hours of a100 (8.96 USD)`, or `14 core-seconds of cores` where it is little."""
        pool = f" of {self.pool}" if self.pool else ""
        if self.amount is not None and self.amount < LITTLE:
            return f"{3600 * self.amount:,.2g} {self.unit_hours.replace('hours', 'seconds')}{pool}"
        priced = f" ({money(self.cost)} {self.currency})" if self.cost is not None else ""
        return f"{self.amount:,.3g} {self.unit_hours}{pool}{priced}"


def training_cost(candidate: Training | None, champion: Training | None) -> Gate:
    """Return what the candidate's training held; None stands for a run that the mirror does not have."""
    if candidate is None:
        return not_run(NAME, "the version names no run, or the mirror has not read it yet")
    if candidate.amount is None:
        return not_run(NAME, "the run has no end, or does not say what it asked for (ops.req.* tags)")
    said = candidate.text()
    if champion is None or champion.amount is None or champion.unit_hours != candidate.unit_hours:
        return Gate(name=NAME, verdict=Verdict.PASS, value=candidate.amount, reason=said)
    times = candidate.amount / champion.amount if champion.amount else 1.0
    dearer = f", {times:.2g} times as much" if times > DEARER and candidate.amount >= LITTLE else ""
    return Gate(name=NAME, verdict=Verdict.WARN if dearer else Verdict.PASS, value=candidate.amount,
                threshold=champion.amount, reason=f"{said}; the champion's took {champion.text()}{dearer}")
