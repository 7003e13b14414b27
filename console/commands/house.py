"""`interlock status`: the house in one answer."""

import typer

from console.commands.face import AsJson, face, now, print_items, print_json
from services.core.measurement import Verdict, worst
from services.core.overview import overview
from services.core.window import parse_span
from services.monitor.pulse import stopped, stopped_since
from services.settings.owners import owner_of


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(status)


def status(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Say what is failing now, worst first, for every model, pipeline and pool."""
    session = face(ctx)
    services = session.services
    newest = services.measurements.newest()
    lines = overview([m for m, _ in newest], {m.key: since for m, since in newest})
    states = services.sources.all()
    as_of = max((s.as_of for s in states if s.as_of), default=None)
    items = [
        {"subject": line.subject, "pipeline": str(line.pipeline), "environment": line.environment,
         "verdict": str(line.verdict), "since": line.since, "what": line.reason, "measured": line.measured,
         "owner": owner_of(session.settings, line.subject)}
        for line in lines
    ]
    every = parse_span(session.settings.monitor.interval)
    since = stopped_since(services.sources, every=every, now=now())
    if since is not None:
        items.insert(0, {"subject": "monitor", "pipeline": "monitor", "environment": "", "verdict": "error",
                         "since": since, "what": stopped(services.sources, every=every, now=now()), "measured": 1,
                         "owner": ""})
    verdict = worst([*(line.verdict for line in lines), *([Verdict.ERROR] if since is not None else [])])
    sources = [{"name": s.name, "ok": s.ok, "as_of": s.as_of, "message": s.message} for s in states]
    if as_json:
        print_json({"as_of": as_of, "verdict": str(verdict), "items": items, "sources": sources})
        return
    print_items(items, as_json=False, as_of=as_of,
                columns=("verdict", "subject", "pipeline", "environment", "owner", "since", "what"),
                empty="nothing was measured yet: run interlock monitor --once")
