"""Ask the judge again about releases that ended, and compare: would it have said what happened?"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.releases.canary import Counted, Span
from services.releases.judge import judge
from services.releases.progress import Advice
from services.releases.release import TERMINAL, Release, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One release judged again, from the whole of its canary's log. `agrees` is None where the judge stays unsure."""

    release: Release
    advice: Advice
    reason: str
    requests: int
    agrees: bool | None


def replay(
    releases: Iterable[Release], *, spans: Callable[[Release], list[Span]],
    count: Callable[[Release, list[Span]], Counted], alpha: float = 0.05,
) -> list[Replayed]:
    """Return every ended release that had a canary, judged again at significance `alpha`, in the order given."""
    found = []
    for release in releases:
        if release.state not in TERMINAL or not (split := spans(release)):
            continue
        ruling, _ = judge(count(release, split), alpha=alpha, needs_labels=release.plan.needs_labels)
        went_back = release.state is State.ROLLED_BACK
        decided = {Advice.ROLL_BACK: went_back, Advice.ADVANCE: not went_back}
        found.append(Replayed(release=release, advice=ruling.advice, reason=ruling.reason, requests=ruling.requests,
                              agrees=decided.get(ruling.advice)))
    return found
