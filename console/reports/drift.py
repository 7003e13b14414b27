"""The drift report as one HTML file: sentences, bars and numbers, no script, nothing fetched from anywhere.

Drawn by hand with SVG rectangles, because a chart library would have to be embedded whole.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from services.core.measurement import Measurement, worst
from services.drift.compare import Comparison
from services.drift.gather import Gatherer
from services.drift.measure import Against, compare_column

_MARKS: Final = {"pass": "● fine", "warn": "▲ warn", "fail": "■ failing", "inconclusive": "◌ unsure",
                 "error": "✕ monitor error"}
_STYLE: Final = """
:root { color-scheme: light dark; --ink: light-dark(#1B1E22, #E5E7E8); --paper: light-dark(#FCFCFA, #111416);
  --faint: light-dark(#5F666E, #9BA2A9); --line: light-dark(#E2E2DC, #2B3035); --accent: light-dark(#2B5C8A, #86B6E6);
  --fail: light-dark(#BE2A2E, #F27C74); --warn: light-dark(#8F5F00, #DDA63F); --pass: light-dark(#24766B, #62B9A9); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.fail { color: var(--fail); } .warn { color: var(--warn); } .pass { color: var(--pass); }
.inconclusive, .note { color: var(--faint); } svg { width: 100%; height: auto; }
svg text { fill: var(--faint); font-size: 9px; } .window { fill: var(--accent); opacity: .75; }
.baseline { fill: none; stroke: var(--ink); }
"""


def page(of: Gatherer, found: Sequence[Measurement], against: Against) -> str:
    """Return the report on measurements of one subject, which are sorted worst first; every text is escaped."""
    subject, window = of.subject, found[0].window
    title = f"Drift of {subject.model} v{subject.version} in {subject.environment}"
    where = f", slice {subject.slice}" if subject.slice else ""
    verdict = worst(m.verdict for m in found)
    head = (f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC against the {against} baseline"
            f"{where}; {of.baseline.rows:,} rows in training")
    rows = "".join(
        f'<tr><td class="{m.verdict}">{_MARKS[str(m.verdict)]}</td><td>{escape(m.column)}</td><td>{escape(m.name)}</td>'
        f"<td>{_number(m.value)}</td><td>{m.n:,}</td><td>{escape(m.reason)}</td></tr>" for m in found)
    pair = of.pair(window, against)
    named = dict.fromkeys(m.column for m in found if m.unit == "PSI")
    charts = "".join(_section(compare_column(name, pair, of.baseline, against)) for name in named)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f'<p class="{verdict}">{_MARKS[str(verdict)]}</p><p>{escape(head)}</p>'
        "<table><thead><tr><th>state</th><th>column</th><th>measurement</th><th>value</th><th>rows</th><th>reason</th>"
        f"</tr></thead><tbody>{rows}</tbody></table>{charts}</body></html>\n"
    )


def _section(found: Comparison) -> str:
    numbers = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in found.distances().items())
    return (f"<h2>{escape(found.window.name)}</h2>{_bars(found)}"
            f'<p class="note">Bars: window, {found.effect.n:,} rows. Outline: baseline, {found.effect.m:,} rows. '
            f"Effect {found.effect.effect:.3f}, alarm from {_number(found.effect.critical)}; {escape(numbers)}.</p>")


def _bars(found: Comparison) -> str:
    shifts = found.shifts
    top = max((max(s.share, s.baseline) for s in shifts), default=0.0) or 1.0
    width = 720 / max(1, len(shifts))
    marks = []
    for place, shift in enumerate(shifts):
        left = place * width + 2
        label = f"{shift.label}: {shift.share:.1%}, baseline {shift.baseline:.1%}"
        marks.append(f"<g><title>{escape(label)}</title>")
        for name, share in (("window", shift.share), ("baseline", shift.baseline)):
            height = 120 * share / top
            marks.append(f'<rect class="{name}" x="{left:.1f}" y="{124 - height:.1f}" width="{width - 4:.1f}" '
                         f'height="{height:.1f}"/>')
        turned = f'transform="translate({left + 4:.1f} 134) rotate(35)"'
        marks.append(f"<text {turned}>{escape(shift.label[:24])}</text></g>")
    return f'<svg viewBox="0 0 760 200" role="img" aria-label="{escape(found.window.name)}">{"".join(marks)}</svg>'


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
