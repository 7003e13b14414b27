"""Who asks: the roles that the settings give, the verified token of the command line, the groups of this machine."""

import grp
import os
import pwd
from datetime import datetime
from typing import TYPE_CHECKING, Final

from services.core.access import Actor, Role
from services.core.identity import Claims, Holding, actor_of
from services.core.window import parse_span
from services.errors import OpsError
from services.settings import Settings

if TYPE_CHECKING:
    from services.bootstrap.rooms import Services

TOKEN_VARIABLE: Final = "INTERLOCK_TOKEN"  # noqa: S105 -- the name of a variable
OS_ISSUER: Final = "os"


def settings_holdings(settings: Settings) -> list[Holding]:
    """Return the roles that `[[roles]]` gives to subjects and groups."""
    return [Holding(role=Role(g.role), issuer=g.issuer, subject=g.subject, group=g.group, model=g.model,
                    environment=g.environment) for g in settings.roles]


def enroll(services: "Services", claims: Claims) -> Actor:
    """Return the person with their roles from settings and store.

    Raises:
        SourceUnavailable: the store does not answer and the settings give no role: nothing is known of the person.
    """
    held = settings_holdings(services.settings)
    try:
        held += services.roles.of(claims.issuer, claims.subject)
    except OpsError:
        # Fewer roles, never more: who stands in the settings still sees what is wrong with the store.
        actor = actor_of(claims, held)
        if not actor.grants:
            raise
        return actor
    return actor_of(claims, held)


def token_claims(settings: Settings, *, now: datetime) -> Claims | None:
    """Return whom `INTERLOCK_TOKEN` names, or None when it is not set.

    Raises:
        NotAllowed: it is set and does not count; nobody falls back to another identity.
        SettingsError, SourceUnavailable, SourceMalformed: it cannot be checked.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        return None
    from services.adapters import oidc_token  # cryptography, needed only here

    return oidc_token.verify(token, settings.console.oidc, longest=parse_span(settings.console.session), now=now)


def os_claims() -> Claims:
    """Return the operating system's user of this process; unlike `getpass`, the environment has no say in it."""
    number = os.geteuid()
    try:
        user = pwd.getpwuid(number)
    except KeyError:  # a container's user without a name
        return Claims(issuer=OS_ISSUER, subject=str(number), method="os")
    names = {group.gr_gid: group.gr_name for group in grp.getgrall()}
    members = os.getgrouplist(user.pw_name, user.pw_gid)
    return Claims(issuer=OS_ISSUER, subject=user.pw_name, method="os",
                  groups=frozenset(names[member] for member in members if member in names))
