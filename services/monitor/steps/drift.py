"""The step that measures skew and drift from profiles. What a change means is decided in services/drift."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.core.measurement import Measurement
from services.core.window import DAY
from services.drift import slices as worst
from services.drift.gather import Gatherer, baseline_for, looks, serving
from services.drift.measure import Against, Subject, measure_rates
from services.profiles.ports import BaselineStore, ProfileStore


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftStep:
    """Measure every model in every environment that served lately."""

    models: Mapping[str, Sequence[str]]  # model -> the columns it is sliced by
    baselines: BaselineStore
    profiles: ProfileStore
    save: Callable[[list[Measurement]], None]
    name: str = "drift"

    def run(self, *, now: datetime) -> str:
        """Measure the last day up to the last closed hour."""
        found: list[Measurement] = []
        without = []
        for model, slices in self.models.items():
            for environment, version in serving(self.profiles, model, now=now).items():
                baseline = baseline_for(self.baselines, model, version)
                if baseline is None:
                    without.append(f"{model} v{version}")
                    continue
                subject = Subject(model=model, environment=environment, version=version)
                found += measure_all(Gatherer(profiles=self.profiles, baseline=baseline, subject=subject),
                                     slices=slices, now=now)
        self.save(found)
        more = f"; no baseline for {', '.join(sorted(set(without)))}" if without else ""
        return f"{len(found)} measured, {sum(m.verdict == 'fail' for m in found)} failing{more}"


def measure_all(of: Gatherer, *, slices: Sequence[str], now: datetime) -> list[Measurement]:
    """Return skew, drift where there is a day before, seasonal drift where weeks are, the worst slice, rare values."""
    window = looks(DAY, now=now)[0]
    found = of.measured(DAY, Against.TRAINING, now=now)
    if of.total(window.shifted(-DAY)).rows:
        found += of.measured(DAY, Against.PREVIOUS, now=now)
    if of.weeks_with_rows(window) >= 2:
        found += of.measured(DAY, Against.SEASONAL, now=now)
    own = of.total(window, versions=(of.subject.version,))
    if slices:
        found.append(worst.measured(of, window, at=now))
    return found + measure_rates(of.subject, window, own, of.baseline, at=now)
