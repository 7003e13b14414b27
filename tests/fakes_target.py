"""In-memory stand-ins for the world that releases drive: a target, a registry. They pass the real ones' contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from services.errors import NotFound, Refused, SourceUnavailable
from services.releases.evidence import VersionFacts
from services.releases.target import Observation, StaleGeneration


@dataclass
class _Place:
    generation: int = 0
    weights: dict[str, float] = field(default_factory=dict)
    loaded: set[str] = field(default_factory=set)
    mirror: dict[str, float] = field(default_factory=dict)
    served: dict[str, int] = field(default_factory=dict)


class FakeTarget:
    """Serves nothing and remembers everything. `broken` versions cannot be loaded; `down` answers nothing."""

    supports_split = True
    supports_mirror = True

    def __init__(self, *, broken: tuple[str, ...] = ()) -> None:
        self.broken = set(broken)
        self.down = False
        self.told: list[tuple[str, dict[str, float], int]] = []
        self._places: dict[tuple[str, str], _Place] = {}

    def _place(self, model: str, environment: str) -> _Place:
        if self.down:
            raise SourceUnavailable("the target does not answer: is it running?")
        return self._places.setdefault((model, environment), _Place())

    def load(self, model: str, environment: str, version: str) -> None:
        place = self._place(model, environment)
        if version in self.broken:
            raise Refused(f"version {version} cannot be loaded: no module named keras")
        place.loaded.add(version)

    def set_weights(self, model: str, environment: str, weights: Mapping[str, float], *, generation: int) -> None:
        place = self._place(model, environment)
        if generation < place.generation:
            raise StaleGeneration(f"generation {generation} is out of date, {place.generation} is obeyed")
        wanted = {version: float(share) for version, share in weights.items() if share}
        if abs(sum(wanted.values()) - 100) > 1e-6 or any(share < 0 for share in wanted.values()):
            raise Refused("the weights must sum to 100")
        if missing := set(wanted) - place.loaded:
            raise Refused(f"version {min(missing)} is not loaded")
        place.generation, place.weights = generation, wanted
        self.told.append((environment, wanted, generation))

    def set_mirror(self, model: str, environment: str, version: str | None, percent: float, *, generation: int) -> None:
        place = self._place(model, environment)
        if generation < place.generation:
            raise StaleGeneration(f"generation {generation} is out of date, {place.generation} is obeyed")
        if version is not None and percent and version not in place.loaded:
            raise Refused(f"version {version} is not loaded")
        place.generation = generation
        place.mirror = {version: percent} if version is not None and percent else {}

    def observe(self, model: str, environment: str) -> Observation:
        place = self._place(model, environment)
        return Observation(generation=place.generation, weights=dict(place.weights),
                           loaded=dict.fromkeys(sorted(place.loaded), True), served=dict(place.served),
                           mirror=dict(place.mirror))

    def unload(self, model: str, environment: str, version: str) -> None:
        place = self._place(model, environment)
        if place.weights.get(version) or place.mirror.get(version):
            raise Refused(f"version {version} has traffic")
        place.loaded.discard(version)

    def forget(self) -> None:
        """Lose everything, as a restart without memory does."""
        self._places.clear()


class FakeRegistry:
    """A registry of versions that are all fine until a test says otherwise."""

    def __init__(self, model: str = "flight-delay", versions: int = 6) -> None:
        self.down = False
        self.aliases: dict[tuple[str, str], str] = {}
        self.tagged: dict[tuple[str, str], dict[str, str]] = {}
        self.written: list[tuple[str, str]] = []
        self.versions = {(model, str(n)): facts(model, str(n)) for n in range(1, versions + 1)}

    def describe(self, model: str, version: str) -> VersionFacts:
        self._answer()
        if (model, version) not in self.versions:
            raise NotFound(f"version {version} of {model} is not in the registry")
        return self.versions[model, version]

    def overwrite(self, model: str, version: str, **changes: object) -> None:
        self.versions[model, version] = replace(self.versions[model, version], **changes)

    def alias(self, model: str, name: str) -> str:
        self._answer()
        return self.aliases.get((model, name), "")

    def set_alias(self, model: str, name: str, version: str) -> None:
        self._answer()
        self.written.append((name, version))
        if version:
            self.aliases[model, name] = version
        else:
            self.aliases.pop((model, name), None)

    def tags(self, model: str, version: str) -> Mapping[str, str]:
        self._answer()
        return dict(self.tagged.get((model, version), {}))

    def set_tags(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        self._answer()
        have = self.tagged.setdefault((model, version), {})
        have.update({key: value for key, value in tags.items() if value})
        for key in [key for key, value in tags.items() if not value]:
            have.pop(key, None)

    def _answer(self) -> None:
        if self.down:
            raise SourceUnavailable("the registry does not answer")


def facts(model: str, version: str, **changes: object) -> VersionFacts:
    """A version that passes every gate, unlike any other version."""
    return replace(
        VersionFacts(
            model=model, version=version, run_id=f"run-{version}", status="READY", source=f"models:/m-{version}",
            manifest={"MLmodel": f"{version:0>64}", "model.pkl": f"{version:a>64}"}, size_bytes=4096,
            inputs={"distance": "double", "dep_hour": "long"}, signature='{"inputs": "…"}',
            metrics={"auc": 0.78 + int(version) / 1000}, params={"depth": version},
        ), **changes,
    )
