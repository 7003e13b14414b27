"""What to do when a deployment failed: steps that were checked here, those that can be run, those left to people.

What people found or did about a step is recorded by recover.py and read back from the audit log here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.core.audit_chain import Recorded as AuditRow
from services.core.measurement import Verdict
from services.releases.canary import Look
from services.releases.reconcile import same_split, split_text
from services.releases.release import Place, Release, State, Sync


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One step: what was asked, and what was found; *inconclusive* is left to a person."""

    name: str
    verdict: Verdict
    found: str


class Outcome(StrEnum):
    """What came of a step, as a person recorded it."""

    DONE = "done"
    NOT_NEEDED = "not needed"
    FAILED = "failed"


RECORDED: Final = "record playbook step"
STEPS: Final[Mapping[str, str]] = {
    "traffic": "traffic is off the failed version", "registry": "registry follows",
    "cause": "the cause, as far as the judge saw", "rows": "rows written by the failed version",
    "next": "next candidate",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What somebody recorded about a step."""

    outcome: Outcome
    who: str
    said: str


def outcomes(entries: Iterable[AuditRow]) -> dict[str, Recorded]:
    """Return the newest outcome of each step, from the record of a release, oldest entry first."""
    return {
        str(row.detail["step"]): Recorded(outcome=Outcome(str(row.detail["outcome"])), who=row.label, said=row.reason)
        for row in entries if row.action == RECORDED
    }


def opens(release: Release) -> bool:
    """Tell whether the playbook stands open: a release went back, or cannot go anywhere."""
    return release.state in {State.ROLLING_BACK, State.ROLLED_BACK, State.NEEDS_ATTENTION}


def checks(release: Release, place: Place, looks: Sequence[Look], *, unfinished: int) -> list[Check]:
    """Return the steps in the order in which they help: users first, then the registry, then the cause."""
    return [_traffic(release, place), _aliases(release, place, unfinished), _cause(release, looks), *_left(release)]


def _traffic(release: Release, place: Place) -> Check:
    back = release.back_to or release.champion
    if place.observed_at is None:
        return Check(name=STEPS["traffic"], verdict=Verdict.INCONCLUSIVE,
                     found="the target was not looked at yet")
    off = not place.observed.get(release.version) or place.champion == release.version
    right = same_split(place.weights, place.observed)
    verdict = Verdict.PASS if off and right else Verdict.FAIL
    return Check(name=STEPS["traffic"], verdict=verdict,
                 found=f"read back: {split_text(place.observed)}; wanted v{back or 'none'}")


def _aliases(release: Release, place: Place, unfinished: int) -> Check:
    if place.sync is Sync.DRIFTED:
        return Check(name=STEPS["registry"], verdict=Verdict.FAIL, found=place.message)
    done = unfinished == 0
    return Check(name=STEPS["registry"], verdict=Verdict.PASS if done else Verdict.WARN,
                 found=f"champion is v{place.champion or 'none'}" if done
                 else f"{unfinished} operations of {release.id} are still being tried")


def _cause(release: Release, looks: Sequence[Look]) -> Check:
    harmful = [look for look in looks if look.verdict is Verdict.FAIL]
    if harmful:
        return Check(name=STEPS["cause"], verdict=Verdict.FAIL,
                     found="; ".join(f"{look.metric}: {look.reason}" for look in harmful))
    return Check(name=STEPS["cause"], verdict=Verdict.INCONCLUSIVE,
                 found=release.note or "a person decided; see the timeline for the reason")


def _left(release: Release) -> list[Check]:
    return [
        Check(name=STEPS["rows"], verdict=Verdict.INCONCLUSIVE,
              found=f"predictions of v{release.version} stay in the log under its version: decide whether what was "
                    "built on them must be computed again"),
        Check(name=STEPS["next"], verdict=Verdict.INCONCLUSIVE,
              found=f"v{release.version} can be proposed again only as a new release, with new approvals"),
    ]
