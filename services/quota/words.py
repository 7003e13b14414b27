"""Say in one sentence what a pool's numbers say, and list who holds it so that the rows add up.

The same sentences stand on the page, at the command line and in the report.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from services.core.measurement import Measurement
from services.core.window import span_text
from services.quota.attribution import Standing
from services.quota.history import UNATTRIBUTED, History
from services.quota.watch import amount

UNALLOCATED: Final = "unallocated"


def holders(held: Standing) -> list[dict[str, Any]]:
    """Return one row per pipeline, then unattributed, held idle and unallocated; `used` adds up to the limit.

    Where a pool is over its limit the last row says by how much, below zero.
    """
    rows = [
        {"pipeline": s.pipeline, "kind": s.kind, "team": s.team, "environment": s.environment, "used": s.used,
         "requested": s.requested, "pending": s.pending, "share": s.used / held.limit}
        for s in held.shares
    ]
    rest = [(UNATTRIBUTED, held.unattributed), ("requested, idle", held.held_idle), (UNALLOCATED, held.unallocated)]
    if held.over:
        rest.append(("over the limit", -held.over))
    return rows + [
        {"pipeline": name, "kind": "", "team": "", "environment": "", "used": value, "requested": None, "pending": None,
         "share": value / held.limit}
        for name, value in rest
    ]


def standing_sentence(held: Standing) -> str:
    """Return who holds a pool, in words."""
    unit = held.pool.unit
    using = [s for s in held.shares if s.used > 0]
    if not using:
        return (f"No pipeline uses any of {held.pool.name}: all {amount(held.used, unit)} in use are unattributed."
                if held.used else f"Nobody uses {held.pool.name}.")
    named = ", ".join(f"{s.pipeline} {amount(s.used, unit)}" for s in using[:3])
    more = f" and {len(using) - 3} more" if len(using) > 3 else ""
    verb = "holds" if len(using) == 1 else "hold"
    waits = f"; {amount(held.pending, unit)} are waited for" if held.pending else ""
    free = f", {amount(held.unattributed, unit)} unattributed" if held.unattributed > 0.005 * held.limit else ""
    return f"{named}{more} {verb} {held.pool.name}{free}; {amount(held.unallocated, unit)} are free{waits}."


def until_when(ahead: Measurement | None) -> tuple[str, str]:
    """Return a pool's exhaustion date and what stands beside it, from its `pool_forecast`."""
    if ahead is not None and "p30" not in ahead.detail:
        return "no forecast", ahead.reason.partition(": ")[2]
    return until_words(ahead.detail if ahead else None)


def until_words(detail: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return an exhaustion date and what stands beside it, from a forecast's detail."""
    if not detail or detail.get("p30") is None:
        return "not known", "the monitor forecasts once a day, from 14 days on"
    likely, earliest = detail["likely"], detail["earliest"]
    moment = likely or earliest
    value = f"{datetime.fromisoformat(moment):%d %b %Y}" if moment else "not in 90 days"
    rate = detail.get("hit_rate")
    note = f"{100 * detail['p30']:.0f}% within 30 days" + (f", our hit rate {100 * rate:.0f}%" if rate else "")
    return value if likely or not moment else f"from {value}", note


def history_sentence(found: History) -> str:
    """Return a pool's history over its window, in words."""
    unit = found.pool.unit_hours
    share = 100 * found.used_hours / found.limit_hours if found.limit_hours else 0.0
    peak = max(line.used_max for line in found.lines)
    over = sum(line.used_max > line.limit for line in found.lines)
    gap = f" {hours_text(found.missing_hours)} have no sample." if found.missing_hours >= 2 else ""
    above = f", over its limit in {over} {found.grain}{'s' if over > 1 else ''}" if over else ""
    return (f"{found.pool.name} used {amount(round(found.used_hours, 1), unit)} ({share:.0f}% of what it offered), "
            f"peak {amount(peak, found.pool.unit)}{above}; "
            f"{amount(round(found.unattributed_hours, 1), unit)} are unattributed.{gap}")


def hours_text(hours: float) -> str:
    """Return hours as people read them."""
    return span_text(timedelta(hours=hours))
