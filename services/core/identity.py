"""Decide who somebody is and which roles they hold, from what an identity provider said of them.

Pure: reading cookies, headers and tokens is done at the edge, and what a role permits is told in access.py. Nothing
here trusts a claim that is missing, of another kind than it should be, or too old.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.core.access import Actor, Grant, Role
from services.errors import NotAllowed, Refused, SignInExpired

# Clocks of two machines differ; a sign-in from further ahead than this is not one of ours.
SKEW: Final = timedelta(minutes=1)
_LONGEST: Final = 200  # of the ops store's columns that keep an issuer or a subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What is known of a person before their roles are looked up; `ends_at` is when it must be said anew."""

    issuer: str
    subject: str
    method: str
    label: str = ""
    groups: frozenset[str] = frozenset()
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A role held by a subject or by everybody in a group, of one issuer."""

    role: Role
    issuer: str
    subject: str = ""
    group: str = ""
    model: str = "*"
    environment: str = "*"

    def is_of(self, claims: Claims) -> bool:
        """Tell whether the person of these claims holds it."""
        if self.issuer != claims.issuer:
            return False
        return self.subject == claims.subject if self.subject else self.group in claims.groups


def actor_of(claims: Claims, held: Iterable[Holding]) -> Actor:
    """Return the person with every role that settings and store give to their subject or groups."""
    grants = {Grant(role=h.role, model=h.model, environment=h.environment): None for h in held if h.is_of(claims)}
    return Actor(subject=claims.subject, issuer=claims.issuer, method=claims.method, grants=tuple(grants),
                 label=claims.label or claims.subject, ends_at=claims.ends_at)


def read_claims(
    claims: Mapping[str, Any], *, now: datetime, longest: timedelta, groups_claim: str = "groups",
    label_claim: str = "email",
) -> Claims:
    """Return the person that an OIDC provider's verified claims name; they count for `longest` after `iat`.

    Raises:
        NotAllowed: no issuer, subject or time of issue, or a time of issue in the future.
        SignInExpired: they are older than `longest`.
    """
    issuer, subject = _name(claims, "iss"), _name(claims, "sub")
    issued = _moment(claims, "iat")
    if issued > now + SKEW:
        raise NotAllowed(f"the sign-in of {subject} is dated {issued:%Y-%m-%d %H:%M} UTC, ahead of this machine's "
                         "clock: set both clocks right and sign in again")
    ends_at = issued + longest
    require_fresh(ends_at, who=subject, now=now)
    label = claims.get(label_claim)
    return Claims(issuer=issuer, subject=subject, method="oidc", label=label if isinstance(label, str) else "",
                  groups=_groups(claims.get(groups_claim)), ends_at=ends_at)


def require_fresh(ends_at: datetime | None, *, who: str, now: datetime) -> None:
    """Return while a sign-in still counts.

    Raises:
        SignInExpired: it is too old.
    """
    if ends_at is not None and now >= ends_at:
        raise SignInExpired(f"the sign-in of {who} ended at {ends_at:%Y-%m-%d %H:%M} UTC: sign in again")


def require_other(actor: Actor, *, issuer: str, subject: str) -> None:
    """Return when the roles to be changed are somebody else's.

    Raises:
        Refused: they are the actor's own.
    """
    # An admin does not approve; granting themselves that role would make it one step to a signature.
    if (actor.issuer, actor.subject) == (issuer, subject):
        raise Refused(f"{actor.label or actor.subject} cannot change their own roles: ask another admin")


def require_name(text: str, what: str) -> str:
    """Return a subject, issuer, model or environment as it will be stored.

    Raises:
        Refused: empty, too long, or with characters that no reader sees.
    """
    if not text or len(text) > _LONGEST or not text.isprintable() or text != text.strip():
        raise Refused(f"{what} {text[:40]!r} cannot be stored: write 1 to {_LONGEST} visible characters")
    return text


def _name(claims: Mapping[str, Any], claim: str) -> str:
    value = claims.get(claim)
    if not isinstance(value, str) or not value or len(value) > _LONGEST or not value.isprintable():
        raise NotAllowed(f"the sign-in carries no usable {claim}: the identity provider must send it")
    return value


def _moment(claims: Mapping[str, Any], claim: str) -> datetime:
    value = claims.get(claim)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotAllowed(f"the sign-in carries no usable {claim}: without it its age cannot be checked")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise NotAllowed(f"the sign-in carries {claim} = {value}, which is no time") from error


def _groups(value: object) -> frozenset[str]:
    """Return group names from a list of them; anything else names none, because it cannot be told apart safely."""
    if not isinstance(value, list | tuple):
        return frozenset()
    return frozenset(name for name in value if isinstance(name, str) and name)
