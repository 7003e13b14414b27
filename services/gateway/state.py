"""What the gateway was told to do: weights, mirror and generation per model and environment, and how it may change.

Pure: every change returns a new state. Writing it to disk is done in an adapter; who is alive is known to the fleet.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.errors import Refused, SourceMalformed
from services.releases.target import StaleGeneration

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One model in one environment.

    `weights` are percent and sum to 100, or the map is empty while nothing is served. `champion` is the version that
    answers when another fails. `held` are the versions to keep loaded. `expired` says that the dead-man timer took the
    canary's share, and from which generation on somebody must ask again.
    """

    generation: int = 0
    champion: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    mirror: Mapping[str, float] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    expired: bool = False

    @property
    def split(self) -> bool:
        """Whether more than one version answers."""
        return len(self.weights) > 1

    def variant(self, version: str) -> str:
        """Return `champion` or `canary`: what the prediction log calls an answering version."""
        return "champion" if version == self.champion else "canary"


Key = tuple[str, str]  # environment, model


def with_held(route: Route, version: str) -> Route:
    """Return the route with a version to keep loaded."""
    return route if version in route.held else replace(route, held=(*route.held, version))


def without_held(route: Route, version: str) -> Route:
    """Return the route without a version.

    Raises:
        Refused: the version still answers or is mirrored to.
    """
    if version in route.weights or version in route.mirror:
        raise Refused(f"version {version} still has traffic: give it weight 0 and end its mirror before unloading it")
    return replace(route, held=tuple(v for v in route.held if v != version))


def with_weights(route: Route, weights: Mapping[str, float], generation: int) -> Route:
    """Return the route with the split made so.

    Raises:
        StaleGeneration: a newer generation was obeyed already.
        Refused: a version is not loaded, a weight is not a share, or the shares do not sum to 100.
    """
    _require_fresh(route, generation)
    shares = {version: float(weight) for version, weight in weights.items() if weight != 0}
    if any(not math.isfinite(share) or share < 0 for share in shares.values()):
        raise Refused("a weight is a share in percent, from 0 to 100")
    if not math.isclose(sum(shares.values()), 100, abs_tol=1e-6):
        raise Refused(f"the weights sum to {sum(shares.values()):g}: they are percent and must sum to 100")
    _require_held(route, shares)
    return replace(route, generation=generation, weights=shares, champion=_champion(route.champion, shares),
                   expired=False)


def with_mirror(route: Route, version: str | None, percent: float, generation: int) -> Route:
    """Return the route with a share of requests copied to a version, or to none.

    Raises:
        StaleGeneration: a newer generation was obeyed already.
        Refused: the version is not loaded, or the share is not one.
    """
    _require_fresh(route, generation)
    if not 0 <= percent <= 100:
        raise Refused(f"a mirror of {percent:g}% cannot be made: name a share from 0 to 100")
    mirror = {version: float(percent)} if version is not None and percent > 0 else {}
    _require_held(route, mirror)
    return replace(route, generation=generation, mirror=mirror)


def seeded(route: Route, version: str) -> Route:
    """Return a route that was never told anything with all traffic on a version; generation 0 yields to any order."""
    return with_weights(with_held(route, version), {version: 100.0}, 0)


def without_canary(route: Route) -> Route:
    """Return the route with all traffic on the champion: nobody watches the canary any more."""
    return replace(route, weights={route.champion: 100.0}, mirror={}, expired=True)


def _champion(before: str, shares: Mapping[str, float]) -> str:
    # While a rollout is on its way the old champion stays the one to fall back to, down to its last percent.
    return before if before in shares else max(shares, key=lambda version: (shares[version], version))


def _require_fresh(route: Route, generation: int) -> None:
    if generation < route.generation:
        raise StaleGeneration(f"generation {generation} is out of date: the gateway obeys {route.generation} already")


def _require_held(route: Route, versions: Mapping[str, float]) -> None:
    if missing := [version for version in versions if version not in route.held]:
        raise Refused(f"version {', '.join(sorted(missing))} is not loaded: load it before giving it traffic")


def to_json(routes: Mapping[Key, Route]) -> dict[str, Any]:
    """Return the state as plain values."""
    return {"format": FORMAT, "routes": [
        {"environment": environment, "model": model, "generation": route.generation, "champion": route.champion,
         "weights": dict(route.weights), "mirror": dict(route.mirror), "held": list(route.held),
         "expired": route.expired}
        for (environment, model), route in sorted(routes.items())
    ]}


def from_json(document: Any) -> dict[Key, Route]:
    """Return the state that `to_json` wrote.

    Raises:
        SourceMalformed: the document is not such a state; guessing at weights could move traffic.
    """
    try:
        if document["format"] != FORMAT:
            raise SourceMalformed(f"the gateway's state has format {document['format']}, this program reads {FORMAT}")
        return {
            (row["environment"], row["model"]): Route(
                generation=int(row["generation"]), champion=str(row["champion"]),
                weights={str(v): float(w) for v, w in row["weights"].items()},
                mirror={str(v): float(w) for v, w in row["mirror"].items()},
                held=tuple(str(v) for v in row["held"]), expired=bool(row["expired"]))
            for row in document["routes"]
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceMalformed(f"the gateway's state cannot be read: {error!r}") from error
