"""Say how far a release has come: the stops of its plan, which are behind it, where it is, and where it was stopped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.releases.release import TERMINAL, Kind, Release, State


class Stand(StrEnum):
    """Where a stop lies, seen from the release."""

    DONE = "done"
    NOW = "now"
    AHEAD = "ahead"
    STOPPED = "stopped here"


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop on the way."""

    name: str
    stand: Stand


_BEGIN: Final[Mapping[State, str]] = {
    State.DRAFT: "proposed", State.GATING: "gates", State.AWAITING_START: "approval", State.SCHEDULED: "load",
    State.DEPLOYING: "load", State.SHADOW: "shadow", State.AWAITING_PROMOTE: "100%", State.PROMOTING: "100%",
    State.SOAKING: "soak", State.COMPLETED: "done",
}


def stops(release: Release) -> list[str]:
    """Return the names of the stops, from the plan."""
    if release.kind is not Kind.ROLLOUT:
        return ["proposed", "100%", "done"]
    plan = release.plan
    return [
        "proposed", *plan.through, "gates", "approval", "load", *(["shadow"] if plan.shadow_pct else []),
        *(f"{step.weight_pct:g}%" for step in plan.steps), "100%", *(["soak"] if plan.soak_s else []), "done",
    ]


def way(release: Release, visited: Iterable[str]) -> list[Stop]:
    """Return the stops with where each lies; `visited` are the states that the release has been in, from its record."""
    names = stops(release)
    ended_badly = release.state in (TERMINAL - {State.COMPLETED}) | {State.ROLLING_BACK, State.NEEDS_ATTENTION}
    if ended_badly:
        been = [_place(release, names, State(state)) for state in visited if state in set(State)]
        here = max(been, default=0)
    else:
        here = _place(release, names, release.state)
    at = Stand.STOPPED if ended_badly else Stand.DONE if release.state is State.COMPLETED else Stand.NOW
    return [Stop(name, Stand.DONE if i < here else at if i == here else Stand.AHEAD) for i, name in enumerate(names)]


def _place(release: Release, names: list[str], state: State) -> int:
    """Return the stop that a state belongs to."""
    if state in {State.BAKING, State.PAUSED, State.AWAITING_STEP} and release.kind is Kind.ROLLOUT:
        # Waiting for the first step is still the stop before it: no share was taken yet.
        share = f"{release.plan.steps[release.step].weight_pct:g}%" if release.step >= 0 else "shadow"
        return names.index(share) if share in names else names.index("load")
    name = _BEGIN.get(state, "proposed")
    return names.index(name) if name in names else 0
