"""Say a month's report in words: one line per pool, what was wasted, and the letter that carries it to its readers.

The same sentences stand on the page, at the command line, in every file and in the letter.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


def month_name(month: str) -> str:
    """Return a month as people say it, such as `October 2026` for `2026-10`."""
    return f"{datetime.strptime(month, '%Y-%m'):%B %Y}"  # noqa: DTZ007 -- a month has no zone


def hours(value: float) -> str:
    """Return unit-hours at a precision that tells something: 18,420, or 12.3, or 0.04."""
    if abs(value) >= 100 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2g}"


def headline(pool: Mapping[str, Any], compared_to: str) -> str:
    """Return a pool's month in one line."""
    unit = pool["unit_hours"]
    share = f" of {pool['limit_hours']:,.0f} ({100 * pool['share']:.0f}%)" if pool["share"] is not None else ""
    grown = change(pool["used_hours"], pool["before_hours"])
    grown = f", {grown} on {month_name(compared_to)}" if grown else ""
    return f"{pool['pool']}: {hours(pool['used_hours'])} {unit}{share}{grown}; peak {pool['peak']:,.3g} {pool['unit']}"


def change(now: float, before: float) -> str:
    """Return a change in percent with its sign; empty where nothing was there before."""
    return f"{100 * (now / before - 1):+.0f}%" if before else ""


def waste_line(pool: Mapping[str, Any]) -> str:
    """Return what was wasted, by cause, as the report's headline."""
    if not pool["wasted_hours"]:
        return f"Wasted: nothing that its runs tell of, of {hours(pool['used_hours'])} {pool['unit_hours']}."
    part = pool["wasted_hours"] / pool["used_hours"] if pool["used_hours"] else 0.0
    share = f" ({100 * part:.0f}%)" if part >= 0.01 else " (below 1%)" if part else ""
    return f"Wasted {hours(pool['wasted_hours'])} {pool['unit_hours']}{share}: {causes(pool)}."


def key(pool: Mapping[str, Any]) -> str:
    """Return what the lines of a pool's chart are."""
    requested = any(line[2] is not None for line in pool["chart"]["lines"])
    return (f"Stacked: mean per {pool['chart']['grain']}. {'Solid: requested. ' if requested else ''}Dotted: peak. "
            "Red: limit.")


def causes(pool: Mapping[str, Any]) -> str:
    """Return the causes of a pool's waste with their unit-hours, such as `killed 1,870, failed 1,240`."""
    return ", ".join(f"{w['cause']} {hours(w['unit_hours'])}" for w in pool["waste"] if w["unit_hours"])


def letter(body: Mapping[str, Any], *, number: int, signed: Iterable[str] = (), link: str = "") -> tuple[str, str]:
    """Return title and text of the letter that carries an issued report: the first screen, without the pictures."""
    month = month_name(body["month"])
    lines = []
    for pool in body["pools"]:
        if pool["chart"]["lines"]:
            lines += [headline(pool, body["compared_to"]), waste_line(pool)]
            lines += [f"{pool['forecast']['what']}."] if pool["forecast"] else []
            lines.append("")
    if body["decisions"]:
        lines += ["Decide:", *(f"{i}. {d['what']} ({d['why']})" for i, d in enumerate(body["decisions"], start=1)), ""]
    names = ", ".join(signed)
    lines.append(f"Report {number}, its numbers are frozen. " + (f"Signed by {names}." if names else "Not signed yet."))
    if link:
        lines.append(f"Read and sign off: {link.rstrip('/')}/report?month={body['month']}")
    return f"Quota report {month}", "\n".join(lines)
