"""Serve by alias alone: for consumers that load `models:/name@champion` themselves, such as batch jobs.

All or nothing: it cannot split traffic or mirror requests. The alias is the traffic, so the weights are read from it;
what a consumer has loaded is known only to the consumer.
"""

import math
from collections.abc import Mapping
from typing import Final

from services.errors import Refused
from services.releases.operations import CHAMPION, alias_name
from services.releases.ports import Registry
from services.releases.target import Observation, StaleGeneration

GENERATION: Final = "release.generation"


class AliasTarget:
    """A target whose weights are the champion alias."""

    supports_split = False
    supports_mirror = False

    def __init__(self, registry: Registry) -> None:
        """Point aliases in the given registry."""
        self._registry = registry
        self._loaded: set[tuple[str, str, str]] = set()

    def load(self, model: str, environment: str, version: str) -> None:
        """Check that the version exists; loading is the consumers' own work.

        Raises:
            Refused: there is no such version.
        """
        if (status := self._registry.describe(model, version).status) != "READY":
            raise Refused(f"version {version} cannot be loaded: its status in the registry is {status}")
        self._loaded.add((model, environment, version))

    def set_weights(self, model: str, environment: str, weights: Mapping[str, float], *, generation: int) -> None:
        """Point the alias to the one version that has all the weight.

        Raises:
            StaleGeneration: a newer generation was written already.
            Refused: the weights split the traffic.
        """
        full = [version for version, share in weights.items() if math.isclose(share, 100.0)]
        if len(full) != 1 or any(share for version, share in weights.items() if version != full[0]):
            raise Refused(f"an alias cannot split traffic in {environment}: use a plan without canary steps")
        self._require_fresh(self.observe(model, environment), generation)
        self._registry.set_alias(model, alias_name(CHAMPION, environment), full[0])
        self._registry.set_tags(model, full[0], {f"{GENERATION}.{environment}": str(generation)})

    def set_mirror(self, model: str, environment: str, version: str | None, percent: float, *, generation: int) -> None:
        """Do nothing for no mirror.

        Raises:
            StaleGeneration: a newer generation was written already.
            Refused: a mirror was asked for.
        """
        self._require_fresh(self.observe(model, environment), generation)
        if version is not None and percent > 0:
            raise Refused(f"an alias cannot mirror requests of {model} in {environment} (generation {generation})")

    def observe(self, model: str, environment: str) -> Observation:
        """Return the alias as weights; every version that it may name counts as loaded."""
        version = self._registry.alias(model, alias_name(CHAMPION, environment))
        # A copy: a version may be loaded in another thread meanwhile.
        loaded = {known: True for *place, known in self._loaded.copy() if place == [model, environment]}
        if not version:
            return Observation(generation=0, loaded=loaded)
        written = self._registry.tags(model, version).get(f"{GENERATION}.{environment}", "0")
        return Observation(generation=int(written) if written.isdigit() else 0, weights={version: 100.0},
                           loaded={**loaded, version: True})

    def unload(self, model: str, environment: str, version: str) -> None:
        """Forget a version without traffic; consumers free what they loaded by themselves.

        Raises:
            Refused: the alias names it.
        """
        if self._registry.alias(model, alias_name(CHAMPION, environment)) == version:
            raise Refused(f"version {version} is what the alias names: point it to another one first")
        self._loaded.discard((model, environment, version))

    def _require_fresh(self, seen: Observation, generation: int) -> None:
        if seen.generation > generation:
            raise StaleGeneration(f"generation {generation} is out of date: {seen.generation} was written already")
