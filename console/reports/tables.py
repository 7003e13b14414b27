"""The tables of a quota report, once: every file format writes these rows and these totals and no others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table: columns, rows of text and numbers, and a last row that adds up the others where that has a sense."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: tuple[Any, ...] = ()


def sheets(body: Mapping[str, Any]) -> Iterator[Sheet]:
    """Yield every table of a report, the summary first; a column in which nothing stands is left out."""
    for sheet in _sheets(body):
        kept = [i for i in range(len(sheet.columns)) if any(row[i] not in (None, "") for row in sheet.rows)]

        def pick(row: tuple[Any, ...], kept: Sequence[int] = tuple(kept)) -> tuple[Any, ...]:
            return tuple(row[i] for i in kept)

        yield Sheet(title=sheet.title, columns=pick(sheet.columns), rows=tuple(pick(row) for row in sheet.rows),
                    total=pick(sheet.total) if sheet.total else ())


def _sheets(body: Mapping[str, Any]) -> Iterator[Sheet]:
    pools = body["pools"]
    yield Sheet(
        title="Summary",
        columns=("pool", "unit", "used", "offered", "share %", "before", "peak", "limit", "wasted", "cost",
                 "currency"),
        rows=tuple((p["pool"], p["unit_hours"], p["used_hours"], round(p["limit_hours"], 2),
                    round(100 * p["share"], 1) if p["share"] is not None else None, p["before_hours"],
                    round(p["peak"], 2), p["limit"], p["wasted_hours"], p["cost"], p["currency"]) for p in pools),
    )
    if body["decisions"]:
        yield Sheet(title="Decisions", columns=("decide", "because"),
                    rows=tuple((d["what"], d["why"]) for d in body["decisions"]))
    for p in pools:
        if not p["chart"]["lines"]:
            continue
        unit = p["unit_hours"]
        yield Sheet(
            title=f"{p['pool']} by pipeline",
            columns=("pipeline", "kind", "team", "environment", unit, "before", "requested", "peak", "cost"),
            rows=tuple((r["pipeline"], r["kind"], r["team"], r["environment"], r["used_hours"], r["before_hours"],
                        _round(r["requested_hours"]), _round(r["peak"]), r["cost"]) for r in p["by_pipeline"]),
            total=("total", "", "", "", p["used_hours"], None, None, None, p["cost"]),
        )
        yield Sheet(
            title=f"{p['pool']} by team", columns=("team", unit, "before", "cost"),
            rows=tuple((t["team"], t["used_hours"], t["before_hours"], t["cost"]) for t in p["by_team"]),
            total=("total", p["used_hours"], p["before_hours"], p["cost"]),
        )
        if not p["wasted_hours"]:
            continue
        yield Sheet(
            title=f"{p['pool']} wasted", columns=("cause", unit, "runs"),
            rows=tuple((w["cause"], w["unit_hours"], w["runs"]) for w in p["waste"]),
            total=("total", p["wasted_hours"], sum(w["runs"] for w in p["waste"])),
        )
    if body["flags"]:
        yield Sheet(title="Flags", columns=("flag",), rows=tuple((flag,) for flag in body["flags"]))


def neutral(value: Any) -> Any:
    """Return a cell that no spreadsheet executes: a text that begins like a formula gets an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def cell(value: Any) -> str:
    """Return a value as people read it in a table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
