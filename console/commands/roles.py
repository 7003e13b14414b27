"""`interlock roles`: who holds which role, from the settings and from the store; granting and revoking."""

from datetime import datetime
from typing import Annotated

import typer

from console.commands.face import AsJson, OpId, face, new_op_id, now, print_items, print_json
from services import bootstrap
from services.core.access import Role
from services.core.identity import Holding
from services.errors import Refused

roles = typer.Typer(no_args_is_help=True, help="Who may do what: docs/roles.md has the table.")

Named = Annotated[str, typer.Argument(metavar="ROLE", help=f"One of {', '.join(Role)}.")]
Person = Annotated[str, typer.Argument(metavar="SUBJECT", help="The person, as their issuer names them.")]
Issuer = Annotated[str, typer.Option(help="os, header, or the identity provider's address.")]
Model = Annotated[str, typer.Option(help="One model, or * for every one.")]
Environment = Annotated[str, typer.Option(help="One environment, or * for every one.")]
Reason = Annotated[str, typer.Option(help="Kept in the audit log.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(roles, name="roles")


@roles.command(name="list")
def list_(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List who holds which role, and who gave it."""
    services = face(ctx).services
    held: list[tuple[Holding, str, datetime | None]] = [
        (h, "interlock.toml", None) for h in bootstrap.settings_holdings(services.settings)
    ]
    held += [(g.holding, g.by, g.at) for g in services.roles.all()]
    items = [{"issuer": h.issuer, "who": h.subject or f"group {h.group}", "role": str(h.role), "model": h.model,
              "environment": h.environment, "granted_by": by, "at": at} for h, by, at in held]
    print_items(items, as_json=as_json, as_of=now(), empty="nobody holds a role: add [[roles]] to interlock.toml")


@roles.command()
def whoami(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Say as whom the command line acts here, and with which roles."""
    actor = face(ctx).actor
    items = [{"role": str(g.role), "model": g.model, "environment": g.environment} for g in actor.grants]
    if as_json:
        print_json({"as_of": now(), "issuer": actor.issuer, "subject": actor.subject, "method": actor.method,
                    "until": actor.ends_at, "items": items})
        return
    typer.echo(f"{actor.label or actor.subject}, known by {actor.method} as {actor.identity}")
    print_items(items, as_json=False, as_of=None, empty="no role: an admin grants one with interlock roles grant")


@roles.command()
def grant(
    ctx: typer.Context, role: Named, subject: Person, *, issuer: Issuer = bootstrap.OS_ISSUER, model: Model = "*",
    environment: Environment = "*", reason: Reason = "", op_id: OpId = "",
) -> None:
    """Give a person a role."""
    session = face(ctx)
    done = session.services.roles.grant(_holding(role, subject, issuer, model, environment), actor=session.actor,
                                        reason=reason, op_id=op_id or new_op_id(), now=now())
    typer.echo(f"granted {done['granted']}{' (already done)' if done['already'] else ''}")


@roles.command()
def revoke(
    ctx: typer.Context, role: Named, subject: Person, *, issuer: Issuer = bootstrap.OS_ISSUER, model: Model = "*",
    environment: Environment = "*", reason: Reason = "", op_id: OpId = "",
) -> None:
    """Take a role from a person."""
    session = face(ctx)
    done = session.services.roles.revoke(_holding(role, subject, issuer, model, environment), actor=session.actor,
                                         reason=reason, op_id=op_id or new_op_id(), now=now())
    typer.echo(f"revoked {done['revoked']}{' (already done)' if done['already'] else ''}")


def _holding(role: str, subject: str, issuer: str, model: str, environment: str) -> Holding:
    if role not in set(Role):
        raise Refused(f"there is no role {role}: choose one of {', '.join(Role)}")
    return Holding(role=Role(role), issuer=issuer, subject=subject, model=model, environment=environment)
