"""`interlock drift MODEL`: skew and drift over a window, as a table, as JSON, or as a page of its own."""

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from console.commands.face import EXIT, AsJson, Face, face, now, print_items
from services import bootstrap
from services.core.measurement import SEVERITY, Measurement, worst
from services.core.window import DAY, TimeWindow, floor_to, parse_span
from services.drift.compare import percent
from services.drift.explain import explain
from services.drift.gather import Gatherer, chosen, looks
from services.drift.measure import Against, measure_rates
from services.drift.tally import failed_share, tally
from services.errors import NotFound, Refused

Model = Annotated[str, typer.Argument(help="A model of the settings.")]
Window = Annotated[str, typer.Option("--window", help="Whole hours or days up to the last closed hour, such as 24h.")]
Baseline = Annotated[Against, typer.Option("--baseline", help="What to compare with.")]
Slice = Annotated[str, typer.Option("--slice", help="One slice, such as origin=JFK, against its own baseline.")]
Environment = Annotated[str, typer.Option("--environment", help="Production where the model serves there.")]
Over = Annotated[str, typer.Option("--over", help="Say instead on how many of the past days each column moved: 60d.")]
Together = Annotated[bool, typer.Option("--together", help="Look at all features together instead; takes a minute.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write one self-contained page to this file as well.")]


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(drift)


def drift(
    ctx: typer.Context, model: Model, *, window: Window = "24h", baseline: Baseline = Against.TRAINING,
    slice_: Slice = "", environment: Environment = "", over: Over = "", together: Together = False,
    html: Html = None, as_json: AsJson = False,
) -> None:
    """Say what moved, how sure that is, and how many rows say so. Exits 1 when something moved, 3 when unsure."""
    session, asked = face(ctx), now()
    if model not in session.settings.models:
        known = ", ".join(session.settings.models) or "none"
        raise NotFound(f"{model} is not a model of the settings: they have {known}")
    span = _span("--window", window)
    services = session.services
    of = chosen(services.baselines, services.profiles, model, environment=environment, slice_=slice_, now=asked)
    if together:
        print_together(session, of, as_json=as_json)
    if over:
        print_tally(session, of, _span("--over", over), baseline, as_json=as_json)
        return
    newest = looks(span, now=asked)[0]
    found = of.measured(span, baseline, now=asked)
    found += measure_rates(of.subject, newest, of.total(newest, versions=(of.subject.version,)), of.baseline, at=asked)
    found.sort(key=lambda m: (SEVERITY.index(m.verdict), -(m.value or 0.0)))
    if html:
        write_page(html, of, found, baseline)
    why = explain(of.total(newest), of.training(), of.baseline)
    verdict = worst(m.verdict for m in found)
    print_items(
        [_row(m) for m in found], as_json=as_json, as_of=newest.end,
        columns=("verdict", "column", "measurement", "effect", "alarm_from", "rows", "reason"),
        extra={"model": model, "environment": of.subject.environment, "version": of.subject.version,
               "baseline": str(baseline), "slice": slice_, "window": {"start": newest.start, "end": newest.end},
               "verdict": str(verdict), "explanation": asdict(why) if why else None},
    )
    if why and not as_json:
        typer.echo(f"against the training baseline: {why.sentence}")
    raise typer.Exit(EXIT[verdict])


def print_tally(session: Face, of: Gatherer, span: timedelta, against: Against, *, as_json: bool) -> None:
    """Print on how many of the past days each column moved; a list, so it exits 0."""
    services, end = session.services, floor_to(now(), DAY)
    if span < DAY:
        raise Refused(f"--over: past days are counted, and {span} is less than one: write for example 60d")
    found = tally(services.baselines, services.profiles, of.subject.model, TimeWindow(end - span, end), against,
                  environment=of.subject.environment)
    failed, days = failed_share(found)
    print_items(
        [{"column": t.column, "kind": str(t.role), "days": t.days, "moved": len(t.fired), "share": percent(t.rate),
          "rate": t.rate, "too_few": t.unsure, "psi0": round(t.psi0, 4), "achieved_in_training": t.achieved,
          "verdict": "warns only" if t.restless else "fails", "on": [f"{d:%Y-%m-%d}" for d in t.fired]} for t in found],
        as_json=as_json, as_of=end, extra={"failed": failed, "days": days, "baseline": str(against)},
        columns=("column", "kind", "days", "moved", "share", "too_few", "psi0", "achieved_in_training", "verdict"))
    if not as_json:
        typer.echo(f"{failed} of {days} days of columns that can fail did ({percent(failed / days if days else 0.0)})")


def print_together(session: Face, of: Gatherer, *, as_json: bool) -> None:
    """Measure and print how well the last week is told from the four before; exits like any check."""
    found = bootstrap.measure_together(
        session.services, of.subject.model, environment=of.subject.environment, now=now(),
        tell=lambda _, doing: None if as_json else typer.echo(f"{doing} …", err=True))
    verdict = worst(m.verdict for m in found)
    print_items([{**_row(m), "way": m.column} for m in found], as_json=as_json, as_of=found[0].window.end,
                columns=("verdict", "way", "effect", "alarm_from", "rows", "reason"), extra={"verdict": str(verdict)})
    raise typer.Exit(EXIT[verdict])


def _span(option: str, text: str) -> timedelta:
    try:
        return parse_span(text)
    except ValueError as error:
        raise Refused(f"{option}: {error}") from error


def write_page(file: Path, of: Gatherer, found: list[Measurement], against: Against) -> None:
    """Write the report; the parent folder must exist.

    Raises:
        Refused: the file cannot be written.
    """
    from console.reports.drift import page

    try:
        file.write_text(page(of, found, against), encoding="utf-8")
    except OSError as error:
        raise Refused(f"--html: {file} cannot be written: {error.strerror}. Name another file") from error


def _row(m: Measurement) -> dict[str, Any]:
    return {
        "verdict": str(m.verdict), "why": str(m.why), "column": m.column, "measurement": m.name, "effect": m.value,
        "unit": m.unit, "alarm_from": m.detail.get("critical", m.detail.get("allowed")), "rows": m.n,
        "reason": m.reason, "detail": dict(m.detail),
    }
