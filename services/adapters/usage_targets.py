"""Count what serving holds: the replicas that the gateway, Ray Serve or KServe show, times what one of them takes.

A model's serving pipeline of the settings answers for it, else `MODEL-serving`. A replica holds what it was given, busy
or not, so *used* is what is allocated, as with a scheduler; what was declared as `request` stands beside it.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from services.errors import OpsError, SettingsError
from services.quota.pool import Limit, Pool, Sample
from services.releases.target import Observation
from services.settings import Settings
from services.settings.usage import UsageSource as Section

Observe = Callable[[str, str], Observation]  # model, environment

# An alias says which version is meant; the managed platforms do not show what they run it on.
SHOWING: Final = ("gateway", "ray", "kserve")


class TargetUsage:
    """What every model's replicas hold of one pool."""

    name = "usage:targets"
    limits: Sequence[Limit] = ()

    def __init__(self, settings: Settings, section: Section, pool: Pool, observe: Observe) -> None:
        """Ask every environment whose target shows replicas.

        Raises:
            SettingsError: there is none, or nothing says what a replica takes of this pool.
        """
        self._environments = [name for name, e in settings.environments.items() if e.target in SHOWING]
        if not self._environments:
            raise SettingsError("usage: targets needs an environment whose target shows replicas: one of "
                                f"{', '.join(SHOWING)}")
        if section.per_replica is None and pool.resource != "cpu":
            raise SettingsError(f"usage: targets needs per_replica: how many {pool.unit} of {pool.name} each takes")
        self._takes = {name: section.per_replica or settings.environments[name].cpus for name in self._environments}
        self._models = list(settings.models)
        self._pipelines = [p for p in settings.pipelines if p.kind == "serving"]
        self._pool = pool
        self._observe = observe
        self._faults: tuple[str, ...] = ()

    @property
    def pools(self) -> frozenset[str]:
        """The pool that serving runs in."""
        return frozenset({self._pool.name})

    @property
    def faults(self) -> Sequence[str]:
        """The environments that did not answer last."""
        return self._faults

    def sample(self, *, now: datetime) -> Sequence[Sample]:
        """Return one sample per pipeline and environment; none of an environment that does not answer."""
        held: dict[tuple[str, str, str], float] = defaultdict(float)
        faults = []
        for environment in self._environments:
            try:
                seen = {model: self._observe(model, environment) for model in self._models}
            except OpsError as error:
                # Others count; the rest of this environment's models are not waited for one by one.
                faults.append(f"{environment}: {error}")
                continue
            for model, observed in seen.items():
                if observed.replicas:
                    pipeline, team = self._answers_for(model, environment)
                    held[pipeline, team, environment] += sum(observed.replicas.values()) * self._takes[environment]
        self._faults = tuple(faults)
        return [Sample(ts=now, pool=self._pool.name, pipeline=pipeline, kind="serving", team=team,
                       environment=environment, used=used)
                for (pipeline, team, environment), used in sorted(held.items())]

    def _answers_for(self, model: str, environment: str) -> tuple[str, str]:
        found = next((p for p in self._pipelines if p.name.startswith(model) and p.environment == environment), None)
        return (found.name, found.team) if found else (f"{model}-serving", "")

