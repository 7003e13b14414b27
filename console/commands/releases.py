"""`interlock releases`: propose, sign, promote, roll back. What follows a release is in aftermath.py."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from console.commands.face import AsJson, face, new_op_id, now, print_items, print_json
from services.core.access import Actor
from services.errors import Refused
from services.releases import actions, recover
from services.releases.desk import Desk
from services.releases.gate import counts
from services.releases.options import signatures
from services.releases.plan import PLANS, Plan, from_text
from services.releases.reconcile import split_text
from services.releases.release import Release

releases = typer.Typer(no_args_is_help=True, help="Releases: evidence, approvals, rollout, rollback.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Such as r-0001.")]
Model = Annotated[str, typer.Argument(metavar="MODEL")]
Environment = Annotated[str, typer.Option("--environment", "-e")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Kept with the decision.")]
OpId = Annotated[str, typer.Option("--op-id", help="Key that makes a repeat return the first outcome.")]
Seen = Annotated[str, typer.Option("--seen", help="Subject hash that you read: refuse when it changed since.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(releases, name="releases")


@releases.command("list")
def list_(
    ctx: typer.Context, *, model: str = "", environment: str = "", state: str = "", limit: int = 100,
    as_json: AsJson = False,
) -> None:
    """List releases, newest first."""
    services = face(ctx).services
    found = services.releases.newest(model=model, environment=environment, state=state, limit=limit)
    print_items([_short(services.desk, release) for release in found], as_json=as_json, as_of=now(),
                columns=("id", "model", "version", "environment", "state", "sync", "weight_pct", "waits_for", "since"),
                empty="no release yet: interlock releases propose MODEL VERSION")


@releases.command()
def show(ctx: typer.Context, release_id: Id, *, as_json: AsJson = False) -> None:
    """Show one release: evidence, signatures, operations, timeline."""
    services = face(ctx).services
    release = services.releases.get(release_id)
    place = next((p for p in services.releases.places()
                  if (p.model, p.environment) == (release.model, release.environment)), None)
    whole: dict[str, Any] = {
        **_short(services.desk, release), "proposer": release.proposer, "reason": release.reason,
        "champion": release.champion, "back_to": release.back_to, "plan": release.plan.to_json(),
        "subject_hash": release.subject_hash, "evidence": dict(release.evidence), "expires_at": release.expires_at,
        "observed": dict(place.observed) if place else {}, "observed_at": place.observed_at if place else None,
        "approvals": [{"stage": a.stage, "by": a.label, "at": a.at, "reason": a.reason,
                       "counts": a.subject_hash == release.subject_hash}
                      for a in services.releases.approvals_of(release_id)],
        "operations": [{"seq": row.seq, "kind": str(row.op.kind), "state": str(row.state), "message": row.message,
                        "attempts": row.attempts, "done_at": row.done_at} for row in services.outbox.of(release_id)],
        "timeline": [{"at": row.at, "who": row.label, "action": row.action, "reason": row.reason}
                     for row in services.audit.of(f"release:{release_id}")],
    }
    if as_json:
        print_json({"as_of": now(), **whole})
        return
    gates = release.evidence.get("gates", [])
    typer.echo(f"{release.id}  {release.name}  {release.state} ({release.sync})  {release.note}")
    typer.echo(f"champion {release.champion or 'none'}, observed {split_text(whole['observed'])}; "
               f"gates {counts(gates)}; subject {release.subject_hash[:12] or 'not gathered'}")
    print_items([{"gate": g["name"], "verdict": g["verdict"], "reason": g["reason"]} for g in gates], as_json=False,
                as_of=None, empty="no gate was run yet")
    for name in ("approvals", "operations", "timeline"):
        if whole[name]:
            print_items(whole[name], as_json=False, as_of=None)


@releases.command()
def propose(
    ctx: typer.Context, model: Model, version: str, *, reason: Reason, environment: Environment = "production",
    plan: Annotated[str, typer.Option(help=f"{', '.join(PLANS)}, or a YAML or JSON file.")] = "direct",
    op_id: OpId = "", as_json: AsJson = False,
) -> None:
    """Propose a version for an environment."""
    decide(ctx, as_json, lambda desk, actor, when: actions.propose(
        desk, model=model, version=version, environment=environment, plan=read_plan(plan), actor=actor, reason=reason,
        op_id=op_id or new_op_id(), now=when))


@releases.command()
def edit(
    ctx: typer.Context, release_id: Id, *, reason: Reason,
    plan: Annotated[str, typer.Option(help=f"{', '.join(PLANS)}, or a YAML or JSON file.")],
    op_id: OpId = "", as_json: AsJson = False,
) -> None:
    """Give a release that has not begun another plan; earlier signatures no longer count."""
    decide(ctx, as_json, lambda desk, actor, when: actions.edit(
        desk, release_id, plan=read_plan(plan), actor=actor, reason=reason, op_id=op_id or new_op_id(), now=when))


@releases.command()
def approve(
    ctx: typer.Context, release_id: Id, *, reason: Reason, seen: Seen = "", op_id: OpId = "", as_json: AsJson = False,
) -> None:
    """Sign for what the release waits for."""
    decide(ctx, as_json, lambda desk, actor, when: actions.approve(
        desk, release_id, actor=actor, reason=reason, op_id=op_id or new_op_id(), now=when, seen=seen or None))


@releases.command()
def promote(
    ctx: typer.Context, release_id: Id, *, reason: Reason, seen: Seen = "", op_id: OpId = "", as_json: AsJson = False,
) -> None:
    """Give the version all traffic; an approver's promotion counts as a signature."""
    decide(ctx, as_json, lambda desk, actor, when: actions.promote(
        desk, release_id, actor=actor, reason=reason, op_id=op_id or new_op_id(), now=when, seen=seen or None))


Simple = Callable[..., dict[str, Any]]


def _simple(name: str, do: Simple, words: str) -> None:
    def command(
        ctx: typer.Context, release_id: Id, *, reason: Reason, op_id: OpId = "", as_json: AsJson = False
    ) -> None:
        decide(ctx, as_json, lambda desk, actor, when: do(
            desk, release_id, actor=actor, reason=reason, op_id=op_id or new_op_id(), now=when))

    command.__doc__ = words
    releases.command(name)(command)


_simple("reject", actions.reject, "Refuse a release that has not begun.")
_simple("cancel", actions.cancel, "Withdraw a release that has not begun.")
_simple("pause", actions.pause, "Hold the weights where they are.")
_simple("resume", actions.resume, "Go on watching at the present share.")
_simple("review", recover.review, "Record the review that a broken glass asks for.")


@releases.command()
def rollback(
    ctx: typer.Context, model: Model, *, reason: Reason, environment: Environment = "production",
    to: Annotated[str, typer.Option(help="Version to go back to; else the one before.")] = "", op_id: OpId = "",
    as_json: AsJson = False,
) -> None:
    """Give all traffic back to an earlier version; MODEL may also be a release's id."""
    desk = face(ctx).services.desk
    if model.startswith("r-") and model.removeprefix("r-").isdigit():
        release = face(ctx).services.releases.get(model)
        model, environment = release.model, release.environment
    decide(ctx, as_json, lambda _, actor, when: recover.roll_back(
        desk, model=model, environment=environment, actor=actor, reason=reason, op_id=op_id or new_op_id(), now=when,
        to_version=to or None))


@releases.command()
def adopt(
    ctx: typer.Context, model: Model, *, reason: Reason, environment: Environment = "production", op_id: OpId = "",
    as_json: AsJson = False,
) -> None:
    """Take over a champion alias that somebody moved outside."""
    decide(ctx, as_json, lambda desk, actor, when: recover.adopt(
        desk, model=model, environment=environment, actor=actor, reason=reason, op_id=op_id or new_op_id(), now=when))


@releases.command()
def revert(
    ctx: typer.Context, model: Model, *, reason: Reason, environment: Environment = "production", op_id: OpId = "",
    as_json: AsJson = False,
) -> None:
    """Put our weights and alias back over a change that somebody made outside."""
    decide(ctx, as_json, lambda desk, actor, when: recover.revert(
        desk, model=model, environment=environment, actor=actor, reason=reason, op_id=op_id or new_op_id(), now=when))


@releases.command("break-glass")
def break_glass(
    ctx: typer.Context, release_id: Id, *, reason: Reason, incident: Annotated[str, typer.Option()], op_id: OpId = "",
    as_json: AsJson = False,
) -> None:
    """Begin without approvals and in spite of a freeze; gates still hold, and a review falls due."""
    decide(ctx, as_json, lambda desk, actor, when: recover.break_glass(
        desk, release_id, actor=actor, reason=reason, incident=incident, op_id=op_id or new_op_id(), now=when))


def read_plan(text: str) -> Plan:
    """Return a shipped plan by its name, or the plan in a YAML or JSON file.

    Raises:
        Refused: it is neither.
    """
    if text in PLANS:
        return PLANS[text]
    try:
        return from_text(Path(text).read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"plan {text} is none of {', '.join(PLANS)}, and no file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"plan {text} is neither YAML nor JSON: {error.reason}") from error


def decide(
    ctx: typer.Context, as_json: bool, do: Callable[[Desk, Actor, datetime], dict[str, Any]]
) -> None:
    """Make one decision about a release and print where that left it."""
    session = face(ctx)
    done = do(session.services.desk, session.actor, now())
    release = session.services.releases.get(done["release"])
    if as_json:
        print_json({**done, "state": str(release.state), "sync": str(release.sync)})
        return
    already = " (decided before, nothing was done twice)" if done.get("already") else ""
    typer.echo(f"{release.id}  {release.name}  {release.state}{already}")


def _short(desk: Desk, release: Release) -> dict[str, Any]:
    waits = signatures(desk, release)
    return {
        "id": release.id, "model": release.model, "version": release.version, "environment": release.environment,
        "kind": str(release.kind), "state": str(release.state), "sync": str(release.sync),
        "weight_pct": release.weight_pct, "step": release.step, "pause": str(release.pause), "note": release.note,
        "waits_for": f"{waits[0]}: {len(waits[2])} of {waits[1]}" if waits else "", "since": release.since,
        "created_at": release.created_at, "revision": release.revision,
    }
