"""What stands over a release before all else: a freeze that holds, and the review that a broken glass asks for."""

from datetime import datetime

from console import session
from console.queries.releases import Detail
from console.widgets import cards, text
from services.core.measurement import Verdict
from services.releases.freeze import frozen, holding, moment
from services.releases.machine import Do
from services.releases.release import TERMINAL, Release
from services.settings.sections import FreezeWindow


def freezes(now: datetime) -> None:
    """Draw a banner for every freeze window that holds."""
    for window in holding(session.settings().freeze, now=now):
        _freeze(window, now)


def of_release(found: Detail, now: datetime) -> None:
    """Draw the freeze that holds a release back, and who broke the glass and until when that is to be reviewed."""
    release = found.release
    window = frozen(session.settings().freeze, model=release.model, environment=release.environment, now=now)
    if window and release.state not in TERMINAL and not release.break_glass:
        _freeze(window, now)
    if release.break_glass:
        broke = next((entry for entry in found.timeline if entry.action == Do.BREAK_GLASS), None)
        by = f"{broke.label} broke the glass" if broke else "The glass was broken"
        why = f": “{broke.reason}”" if broke and broke.reason else ""
        due = review_due(release, now) or "it was reviewed since"
        cards.notice(f"{by} for {release.incident}{why}. It began without approvals: {due}.",
                     state=Verdict.WARN if release.review_by else None)


def review_due(release: Release, now: datetime) -> str:
    """Return until when somebody must review what began without approvals; empty where no review is due."""
    if release.review_by is None:
        return ""
    over = "is overdue since" if release.review_by <= now else "by somebody else is due"
    return f"a review {over} {text.when(release.review_by, now=now)}"


def _freeze(window: FreezeWindow, now: datetime) -> None:
    what = "Everything" if window.model == window.environment == "*" else " in ".join(
        part for part in ("every model" if window.model == "*" else window.model,
                          "every environment" if window.environment == "*" else window.environment))
    cards.notice(f"{what[:1].upper()}{what[1:]} is frozen until {text.when(moment(window.end), now=now)}: "
                 f"{window.reason}. Nothing moves forward; rolling back is never frozen.", state=Verdict.WARN)
