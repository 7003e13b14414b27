"""Decide whether a version has passed the environments that its plan leads through, and what is missing.

Pure: the monitor proposes what is missing (services/monitor/witness.py), on behalf of the one who proposed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.core.measurement import Verdict
from services.releases.plan import PASSAGE
from services.releases.release import TERMINAL, Kind, Release, State, Sync
from services.validation.gate import Gate


class Stand(StrEnum):
    """How far a version is on its way through one environment."""

    PASSED = "passed"
    UNDER_WAY = "under way"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One environment on the way, and the release by which the version passed it or not."""

    environment: str
    stand: Stand
    by: str = ""
    state: str = ""


_PASSED: Final = frozenset({State.COMPLETED})


def passage(release: Release, others: Iterable[Release]) -> Passage | None:
    """Return the first environment of the plan that was not passed yet, or None when all were.

    A release there that ended otherwise stops this one, unless it ended before this one was proposed: then it is
    tried again.
    """
    known = sorted((o for o in others if o.model == release.model and o.version == release.version
                    and o.kind is Kind.ROLLOUT), key=lambda o: (o.created_at, o.id), reverse=True)
    for environment in release.plan.through:
        newest = next((o for o in known if o.environment == environment), None)
        found = _stand(release, newest, environment)
        if found.stand is not Stand.PASSED:
            return found
    return None


def _stand(release: Release, newest: Release | None, environment: str) -> Passage:
    if newest is None or (newest.state in TERMINAL - _PASSED and newest.created_at < release.created_at):
        return Passage(environment=environment, stand=Stand.MISSING)
    if newest.state in _PASSED:
        stand = Stand.PASSED
    elif newest.state in TERMINAL:
        stand = Stand.FAILED
    else:
        stand = Stand.UNDER_WAY
    return Passage(environment=environment, stand=stand, by=newest.id, state=str(newest.state))


def gates(release: Release, others: Iterable[Release]) -> list[Gate]:
    """Return one passed gate per environment on the way, with the release that passed it; asked once all have."""
    by = {o.environment: o for o in sorted(others, key=lambda o: (o.created_at, o.id))
          if (o.model, o.version, o.kind, o.state) == (release.model, release.version, Kind.ROLLOUT, State.COMPLETED)}
    return [
        # The release is named in the reason and not in the value: passing once more is no other evidence.
        Gate(name=f"passed {name}", verdict=Verdict.PASS if name in by else Verdict.INCONCLUSIVE, value="completed",
             required=True, reason=f"by {by[name].id}" if name in by else f"not passed {name} yet")
        for name in release.plan.through
    ]


def draft(release: Release, environment: str, new_id: str) -> Release:
    """Return the release that takes the version through an environment on its way: by the same proposer."""
    said = f"on its way to {release.environment} as {release.id}"
    return Release(
        id=new_id, model=release.model, environment=environment, version=release.version, kind=Kind.ROLLOUT,
        state=State.DRAFT, sync=Sync.UNKNOWN, revision=0, plan=PASSAGE, proposer=release.proposer,
        proposer_label=release.proposer_label, last_editor=release.last_editor, reason=f"{said}: {release.reason}",
        created_at=release.created_at, since=release.since, note="gates are being run",
    )
