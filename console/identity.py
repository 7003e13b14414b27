"""Who is asking: demo personas, the operating system's user, what a proxy or an identity provider says, or nobody.

The roles that an identity holds come from the settings and the roles table; what a role permits is decided in
services/core/access.py.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from services import bootstrap
from services.core.access import Actor, Grant, Role
from services.core.identity import Claims, read_claims, require_fresh
from services.core.window import parse_span
from services.errors import NotAllowed, Refused
from services.settings import Settings

DEMO_ISSUER: Final = "demo"
HEADER_ISSUER: Final = "header"

# Each its own subject, so that two approvers are two people; named by role, because a demo has no people.
PERSONAS: Final[dict[str, tuple[str, Role]]] = {
    "viewer": ("Viewer", Role.VIEWER),
    "author": ("Author", Role.AUTHOR),
    "approver-1": ("First approver", Role.APPROVER),
    "approver-2": ("Second approver", Role.APPROVER),
    "on-call": ("On-call engineer", Role.ON_CALL),
    "manager": ("Manager", Role.MANAGER),
    "admin": ("Admin", Role.ADMIN),
}


def persona(name: str) -> Actor:
    """Return a demo persona.

    Raises:
        Refused: there is none of that name.
    """
    if name not in PERSONAS:
        raise Refused(f"there is no persona {name}: choose one of {', '.join(PERSONAS)}")
    label, role = PERSONAS[name]
    return Actor(subject=name, issuer=DEMO_ISSUER, method="demo", label=label, grants=(Grant(role=role),))


def anybody() -> Actor:
    """Return who asks without sign-in: everybody may look and nobody may decide."""
    return Actor(subject="anyone", issuer="none", method="none", label="Nobody signed in",
                 grants=(Grant(role=Role.VIEWER),))


def header_claims(user: Mapping[str, Any], settings: Settings, *, since: datetime, now: datetime) -> Claims | None:
    """Return whom the proxy's headers name, or None when it sent none.

    Headers come once, when a page connects, so they count from then on.

    Raises:
        SignInExpired: the page has been open for longer than a sign-in counts.
    """
    subject = str(user.get("email") or "").strip()
    if not subject or not subject.isprintable():
        return None
    ends_at = since + parse_span(settings.console.session)
    require_fresh(ends_at, who=subject, now=now)
    names = str(user.get("groups") or "").split(",")
    return Claims(issuer=HEADER_ISSUER, subject=subject, method="header", ends_at=ends_at,
                  groups=frozenset(name.strip() for name in names if name.strip()))


def oidc_claims(user: Mapping[str, Any], settings: Settings, *, now: datetime) -> Claims | None:
    """Return whom the provider's claims name, or None when nobody has signed in.

    Raises:
        NotAllowed: the claims lack an issuer, a subject or a time.
        SignInExpired: they are too old.
    """
    if not user.get("is_logged_in"):
        return None
    oidc = settings.console.oidc
    return read_claims(user, now=now, longest=parse_span(settings.console.session), groups_claim=oidc.groups,
                       label_claim=oidc.label)


def command_line_actor(services: bootstrap.Services, name: str | None, *, now: datetime) -> Actor:
    """Return who asks at the command line: a persona in demo mode, a token's owner, else this machine's user.

    Raises:
        NotAllowed: a persona was named outside demo mode, or the token does not count.
    """
    settings = services.settings
    if name is not None:
        if settings.console.sign_in != "demo":
            raise NotAllowed('--as is for the demo only: set console.sign_in = "demo", or act as yourself')
        return persona(name)
    claims = bootstrap.token_claims(settings, now=now) or bootstrap.os_claims()
    return bootstrap.enroll(services, claims)

