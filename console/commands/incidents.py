"""`interlock incidents`, `rules`, `on-call`: what is wrong, by which rule, and whose it is."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import typer

from console.commands.face import AsJson, Face, OpId, face, new_op_id, now, print_items, print_json
from services import bootstrap
from services.alerts import actions
from services.alerts.backtest import backtest
from services.alerts.evaluate import REOPEN_WITHIN
from services.alerts.from_settings import all_rules
from services.alerts.incident import EventKind, Incident, ranked, urgent_first
from services.alerts.precision import precision
from services.alerts.rule import Rule, in_force
from services.alerts.suspects import LOOK_BACK, suspects
from services.core.audit import digest
from services.core.window import TimeWindow, parse_span, span_text
from services.errors import NotFound, OpsError, Refused
from services.monitor.pulse import stopped, stopped_since

Reason = Annotated[str, typer.Option("--reason", help="Why, in a few words; kept with the incident.")]
For = Annotated[str, typer.Option("--for", help="How long, such as 30m or 4h.")]
Limit = Annotated[float | None, typer.Option(help="As if the rule had this limit.")]
Number = Annotated[int, typer.Argument(help="The incident's number.")]

incidents = typer.Typer(no_args_is_help=True, help="Incidents: what is wrong, since when, and who is on it.")
rules = typer.Typer(no_args_is_help=True, help="Rules: when a measurement becomes an incident.")


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(incidents, name="incidents")
    app.add_typer(rules, name="rules")
    app.command("on-call")(on_call)


def _row(i: Incident) -> dict[str, Any]:
    return {
        "id": i.id, "severity": str(i.severity), "state": str(i.state), "since": i.opened_at, "subject": i.subject,
        "environment": i.environment, "pipeline": str(i.pipeline), "title": i.title, "owner": i.owner,
        "acknowledged_by": i.acknowledged_by, "silenced_until": i.silenced_until, "runbook": i.runbook,
        "questions": len(i.members),
    }


def _stopped(services: bootstrap.Services) -> list[dict[str, Any]]:
    """Return the row of a monitor that has stopped: nobody is there to open its incident, so it has no number."""
    every = parse_span(services.settings.monitor.interval)
    since = stopped_since(services.sources, every=every, now=now())
    if since is None:
        return []
    said = stopped(services.sources, every=every, now=now())
    return [{"id": None, "severity": "page", "state": "open", "since": since, "subject": "monitor", "environment": "",
             "pipeline": "monitor", "title": said, "owner": "", "acknowledged_by": "", "silenced_until": None,
             "runbook": "monitor", "questions": 1}]


@incidents.command("list")
def list_(ctx: typer.Context, *, every: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
          as_json: AsJson = False) -> None:
    """List open incidents, most urgent first."""
    services = face(ctx).services
    found = services.incidents.history() if every else services.incidents.current(resolved_since=now() - REOPEN_WITHIN)
    shown = urgent_first([i for i in found if every or i.state != "resolved"], now=now())
    step = services.sources.get("step:alerts")
    print_items([*_stopped(services), *(_row(i) for i in shown)], as_json=as_json, as_of=step.as_of if step else None,
                columns=("id", "severity", "state", "since", "title"), empty="no open incident")


@incidents.command()
def show(ctx: typer.Context, number: Number, *, as_json: AsJson = False) -> None:
    """Show one incident: its questions, what came before it, what to do, its history, and who was told."""
    services = face(ctx).services
    incident, events = services.incidents.get(number)
    letters = services.notifications.of_incident(number)
    tried = services.notifications.attempts(number)
    around = TimeWindow(incident.opened_at - LOOK_BACK, incident.opened_at + timedelta(minutes=5))
    found = suspects(incident.opened_at, services.changes.changes(incident.subject, around))
    book = services.runbooks.all().get(incident.runbook)
    done = {e.text for e in events if e.kind is EventKind.STEP_DONE}
    body: dict[str, Any] = {
        **_row(incident),
        "members": [{"measurement": m.name, "column": m.column, "since": m.since, "reason": m.reason, "rule": m.rule}
                    for m in ranked(incident.members)],
        "suspects": [{"at": s.change.at, "kind": s.change.kind, "text": s.text} for s in found],
        "steps": [{"step": step, "done": step in done} for step in (book.steps if book else ())],
        "history": [{"at": e.at, "what": str(e.kind), "by": e.by, "text": e.text} for e in events],
        "told": [{"at": x.created_at, "why": x.reason, "whom": x.person, "state": x.state,
                  "attempts": [{"at": at, "error": error} for at, error in tried.get(x.key, ())]} for x in letters],
    }
    if as_json:
        print_json(body)
        return
    typer.echo(f"{incident.id}  {incident.severity}  {incident.state}  {incident.title}")
    for part in ("members", "suspects", "steps", "history", "told"):
        typer.echo(f"\n{part}")
        print_items(body[part], as_json=False, as_of=None, empty="nothing")


@incidents.command()
def ack(ctx: typer.Context, number: Number, *, hold: For = "1h", reason: Reason = "", op_id: OpId = "") -> None:
    """Say that you are on it."""
    session = face(ctx)
    done = actions.acknowledge(session.services.incidents, number, actor=session.actor, hold=_span(hold), reason=reason,
                               op_id=op_id or new_op_id(), now=now())
    _said(done)


@incidents.command()
def silence(ctx: typer.Context, number: Number, reason: Reason, *, hold: For = "4h", op_id: OpId = "") -> None:
    """Tell nobody about it for a while."""
    session = face(ctx)
    done = actions.silence(session.services.incidents, number, actor=session.actor, hold=_span(hold), reason=reason,
                           op_id=op_id or new_op_id(), now=now())
    _said(done)


@incidents.command()
def resolve(ctx: typer.Context, number: Number, reason: Reason, *, op_id: OpId = "") -> None:
    """Close it by hand."""
    session = face(ctx)
    done = actions.resolve(session.services.incidents, number, actor=session.actor, reason=reason,
                           op_id=op_id or new_op_id(), now=now())
    _said(done)


@incidents.command()
def mark(ctx: typer.Context, number: Number, verdict: Annotated[str, typer.Argument(help="useful or noise")], *,
         op_id: OpId = "") -> None:
    """Say whether it was useful or noise."""
    if verdict not in ("useful", "noise"):
        raise Refused(f"{verdict} is neither useful nor noise")
    session = face(ctx)
    done = actions.mark(session.services.incidents, number, actor=session.actor, useful=verdict == "useful",
                        op_id=op_id or new_op_id(), now=now())
    _said(done)


@incidents.command()
def step(ctx: typer.Context, number: Number, step: Annotated[str, typer.Argument(help="Its words, or its number.")], *,
         op_id: OpId = "") -> None:
    """Record that a step of the runbook was done."""
    session = face(ctx)
    incident, _ = session.services.incidents.get(number)
    book = session.services.runbooks.all().get(incident.runbook)
    steps = book.steps if book else ()
    if step.isdigit() and 1 <= int(step) <= len(steps):
        step = steps[int(step) - 1]
    if step not in steps:
        raise NotFound(f"the runbook of incident {number} has no step {step!r}: see interlock incidents show {number}")
    done = actions.check_step(session.services.incidents, number, actor=session.actor, step=step,
                              op_id=op_id or f"step-{number}-{digest(step)[:16]}", now=now())
    _said(done)


@rules.command("list")
def list_rules(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List the rules in force, with the precision counted from incidents marked useful or noise."""
    session = face(ctx)
    marked = precision(session.services.incidents.history(limit=1000))
    items = [
        {"name": r.name, "measurement": r.measurement, "model": r.model, "severity": str(r.severity),
         "for": span_text(r.for_), "runbook": r.runbook, "enabled": r.enabled, "fail_above": r.fail_above,
         "fail_below": r.fail_below, "useful_of_marked": str(marked.get(r.name, "")),
         "noisy": r.name in marked and marked[r.name].noisy}
        for r in _rules(session)
    ]
    print_items(items, as_json=as_json, as_of=now(),
                columns=("name", "measurement", "model", "severity", "for", "runbook", "useful_of_marked"))


@rules.command("backtest")
def backtest_rule(
    ctx: typer.Context, name: str, *, window: Annotated[str, typer.Option("--window")] = "30d",
    fail_above: Limit = None, fail_below: Limit = None, clear: Limit = None,
    bad_for: Annotated[str, typer.Option("--for", help="For how long it must be bad, such as 15m.")] = "",
    model: Annotated[str, typer.Option("--model", help="Only this model.")] = "", as_json: AsJson = False,
) -> None:
    """Replay a rule, as it is or with other limits, over the stored history: when would it have fired?"""
    session = face(ctx)
    rule = next((r for r in _rules(session) if r.name == name), None)
    if rule is None:
        raise NotFound(f"there is no rule {name}: see interlock rules list")
    if clear is not None and fail_above is None and fail_below is None and not rule.has_limits:
        raise Refused("--clear takes a limit to clear from: give --fail-above or --fail-below too")
    asked: dict[str, Any] = {"fail_above": fail_above, "fail_below": fail_below, "model": model or None,
                             "for_": _span(bad_for) if bad_for else None}
    above = fail_below is None and (fail_above is not None or rule.fail_above is not None)
    asked["clear_above" if above else "clear_below"] = clear
    rule = replace(rule, **{key: value for key, value in asked.items() if value is not None})
    span = TimeWindow.last(_span(window), now=now())
    found = backtest(rule, session.services.measurements.history(span, name=rule.measurement))
    items = [{"began": f.began, "ended": f.ended, "subject": f.subject, "column": f.column, "reason": f.reason}
             for f in found.firings]
    print_items(items, as_json=as_json, as_of=now(), extra={"rule": name, "looks": found.looks, "fired": len(items)},
                empty=f"{name} would not have fired in {window} ({found.looks} measurements)")


def on_call(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Say who is on call, until when, and who is next."""
    asked = now()
    duty = face(ctx).services.on_call.rotation(asked).duty(asked)
    body = {"as_of": now(), "on_call": duty.person.name if duty.person else None, "until": duty.until,
            "next": duty.next.name if duty.next else None}
    if as_json:
        print_json(body)
    else:
        until = duty.until or "further notice"
        typer.echo(f"{body['on_call'] or 'nobody'} until {until}, then {body['next'] or 'nobody'}")


def _rules(session: Face) -> list[Rule]:
    return in_force(all_rules(session.settings), session.services.incidents.rules())


def _span(text: str) -> timedelta:
    try:
        return parse_span(text)
    except ValueError as error:
        raise OpsError(str(error)) from error


def _said(done: dict[str, object]) -> None:
    again = " (already)" if done["already"] else ""
    typer.echo(f"incident {done['incident']} {done['state']} {done['text']}{again}")
