"""How releasing goes: lead time, wait for approval, share of releases that failed, time to recover.

Each number names the releases behind it, so that none has to be believed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Final

from services.core.audit_chain import Recorded
from services.releases.machine import Do
from services.releases.release import Kind, Release, State

LEAD: Final = "lead time: version registered until promoted"
WAIT: Final = "wait for approval"
FAILED: Final = "change failure rate"
RECOVERED: Final = "time to recover: decided until read back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number, its unit, and the releases it was taken from; None where there is none yet."""

    name: str
    value: float | None
    unit: str
    releases: tuple[str, ...]
    of: tuple[str, ...] = ()  # for a share, all those that it is a share of
    left_out: tuple[str, ...] = ()  # those it would be about, of which the times are not known or cannot be true


def numbers(
    releases: Iterable[Release], timelines: Mapping[str, Sequence[Recorded]], created: Mapping[str, datetime]
) -> list[Number]:
    """Return the four numbers of releasing.

    Args:
        releases: those that ended.
        timelines: release id to its audit entries, oldest first.
        created: release id to when its version was registered.
    """
    ended = [r for r in releases if r.kind is Kind.ROLLOUT and r.state in {State.COMPLETED, State.ROLLED_BACK}]
    went_live = {r.id: _when(timelines.get(r.id, ()), Do.PROMOTE) for r in ended}
    # A version copied in from elsewhere may have been registered after its decisions: that is no lead time.
    lead = {i: (at - created[i]).total_seconds() for i, at in went_live.items()
            if at and i in created and created[i] <= at}
    wait = _spans(ended, timelines, Do.RECORD, Do.SCHEDULE)
    recover = _spans(ended, timelines, Do.ROLL_BACK, Do.CONFIRM_ROLLBACK)
    failed = [r.id for r in ended if r.state is State.ROLLED_BACK]
    return [
        Number(name=LEAD, value=_median(lead), unit="s",
               releases=tuple(lead), left_out=tuple(i for i, at in went_live.items() if at and i not in lead)),
        Number(name=WAIT, value=_median(wait), unit="s", releases=tuple(wait)),
        Number(name=FAILED, value=len(failed) / len(ended) if ended else None, unit="%",
               releases=tuple(failed), of=tuple(r.id for r in ended)),
        Number(name=RECOVERED, value=_median(recover), unit="s",
               releases=tuple(recover)),
    ]


def _spans(
    releases: Iterable[Release], timelines: Mapping[str, Sequence[Recorded]], begin: Do, end: Do
) -> dict[str, float]:
    found = {}
    for release in releases:
        line = timelines.get(release.id, ())
        first, last = _when(line, begin), _when(line, end)
        if first and last and last >= first:
            found[release.id] = (last - first).total_seconds()
    return found


def _when(line: Sequence[Recorded], do: Do) -> datetime | None:
    return next((row.at for row in line if row.action == do), None)


def _median(values: Mapping[str, float]) -> float | None:
    return median(values.values()) if values else None
