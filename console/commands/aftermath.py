"""`interlock releases drill|backtest|blast|step` and `serving-at`: proofs before, and what follows a release."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from console.commands.face import EXIT, AsJson, face, new_op_id, now, print_items, print_json
from console.commands.releases import Environment, Id, Model, OpId, Reason, decide, releases
from services import bootstrap
from services.core.access import Action, require
from services.core.window import TimeWindow
from services.errors import Refused
from services.releases import drill, recover
from services.releases.playbook import STEPS, Outcome


def register(app: typer.Typer) -> None:
    """Add the commands to the root; those of releases are added as this module is read."""
    app.command("serving-at")(serving_at)


@releases.command("drill")
def drill_(
    ctx: typer.Context, model: Model, *, environment: Environment = "production", op_id: OpId = "",
    as_json: AsJson = False,
) -> None:
    """Prove that the version before still loads in staging; exit 1 when it does not."""
    session = face(ctx)
    require(session.actor, Action.DRILL, model=model, environment=environment)
    place = next((p for p in session.services.releases.places()
                  if (p.model, p.environment) == (model, environment) and p.previous), None)
    if place is None:
        raise Refused(f"no version of {model} was served in {environment} before the present one: nothing to drill")
    moment = now()
    found = drill.drill(place, bootstrap.targets_of(session.services), now=moment)
    recover.record_drill(session.services.desk, found, actor=session.actor, op_id=op_id or new_op_id(), now=moment)
    session.services.measurements.save([found])
    if as_json:
        print_json({"as_of": moment, "verdict": str(found.verdict), "model": model, "environment": environment,
                    "version": found.version, "took_s": found.value, "reason": found.reason})
    else:
        typer.echo(found.reason)
    raise typer.Exit(EXIT[found.verdict])


@releases.command()
def blast(ctx: typer.Context, release_id: Id, *, as_json: AsJson = False) -> None:
    """Count what a release's version answered, and how much the version it goes back to would answer otherwise."""
    services = face(ctx).services
    release = services.releases.get(release_id)
    require(face(ctx).actor, Action.RUN_JOB, model=release.model, environment=release.environment)
    moment = now()
    found = bootstrap.blast_radius(services).measure(
        release.model, release.environment, version=release.version, against=release.back_to or release.champion,
        window=TimeWindow(release.created_at, moment))
    if as_json:
        print_json({"as_of": moment, "release": release.id, **found.to_json()})
    else:
        typer.echo(found.sentence)


@releases.command()
def step(
    ctx: typer.Context, release_id: Id, name: Annotated[str, typer.Argument(help=", ".join(STEPS))],
    outcome: Annotated[Outcome, typer.Argument()], *, reason: Reason, op_id: OpId = "", as_json: AsJson = False,
) -> None:
    """Record what came of a step of a failed release's playbook."""
    decide(ctx, as_json, lambda desk, actor, when: recover.record_step(
        desk, release_id, step=name, outcome=outcome, actor=actor, reason=reason, op_id=op_id or new_op_id(), now=when))


@releases.command("backtest")
def backtest_(
    ctx: typer.Context, *, model: str = "",
    alpha: Annotated[float, typer.Option(min=0.001, max=0.5, help="Chance of wronging a harmless candidate.")] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Ask the judge again about releases that ended: would it have said what happened?"""
    found = bootstrap.judge_again(face(ctx).services, model=model, alpha=alpha)
    print_items([{"id": f.release.id, "what": f.release.name, "ended": str(f.release.state), "judge": str(f.advice),
                  "agrees": {True: "yes", False: "no", None: "unsure"}[f.agrees], "requests": f.requests,
                  "why": f.reason} for f in found], as_json=as_json, as_of=now(),
                empty="no release that ended had a canary yet")


def serving_at(
    ctx: typer.Context, time: Annotated[str, typer.Argument(metavar="TIME", help="ISO 8601; UTC without a zone.")],
    *, model: str = "", environment: str = "", as_json: AsJson = False,
) -> None:
    """Say which versions were serving at a time, as read back from the targets."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError as error:
        raise Refused(f"{time!r} is not a time: write for example 2026-11-24T14:05") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    found = face(ctx).services.served.at(moment, model=model, environment=environment)
    print_items([{"model": s.model, "environment": s.environment, "weights": s.weights, "since": s.at,
                  "release": s.release_id} for s in found], as_json=as_json, as_of=moment,
                empty=f"nothing had been released by {moment:%Y-%m-%d %H:%M} UTC")
