"""What one rerun of a page stands on: the services, who is asking, and the time.

`current_principal` is the only reader of identity in the web face. What a principal may do is decided in services.
"""

from datetime import UTC, datetime
from typing import Final, NoReturn

import streamlit as st

from console import identity
from services import bootstrap
from services.core.access import Actor
from services.errors import NotAllowed
from services.settings import Settings, find, load

PERSONA_COOKIE: Final = "interlock_persona"


class Ended(Exception):
    """A page has nothing more to show. What stands around it is drawn all the same, which `st.stop` would prevent."""


def leave() -> NoReturn:
    """End the page here.

    Raises:
        Ended: always; the entrypoint goes on with the link to copy and the background refresh.
    """
    raise Ended


def services() -> bootstrap.Services:
    """Return the process's services, built on first use from the settings that the launcher named.

    Raises:
        SettingsError: the settings are missing or cannot be used.
    """
    file = find()
    return _built(str(file or ""))


def settings() -> Settings:
    """Return the settings, read once per process."""
    return services().settings


def now() -> datetime:
    """Return the time at which this rerun asks; services take it as an argument."""
    return datetime.now(UTC)


def principal() -> Actor | None:
    """Return who is asking, or None when nobody has signed in.

    Raises:
        NotAllowed: who is asking cannot be told from what was sent.
        SignInExpired: it was said too long ago.
    """
    mode = settings().console.sign_in
    if mode == "demo":
        name = persona_name()
        return identity.persona(name) if name in identity.PERSONAS else None
    if mode == "none":
        return identity.anybody()
    user, moment = dict(st.user), now()
    if mode == "header":
        since = datetime.fromisoformat(st.session_state.setdefault("connected", moment.isoformat()))
        claims = identity.header_claims(user, settings(), since=since, now=moment)
    else:
        claims = identity.oidc_claims(user, settings(), now=moment)
    return bootstrap.enroll(services(), claims) if claims else None


def current_principal() -> Actor:
    """Return who is asking.

    Raises:
        NotAllowed: nobody has signed in, or too long ago.
    """
    found = principal()
    if found is None:
        raise NotAllowed("nobody is signed in: sign in and ask again")
    return found


def persona_name() -> str:
    """Return the demo persona that the browser carries, or nothing; the demo only listens on loopback."""
    return cookie(PERSONA_COOKIE)


def cookie(name: str) -> str:
    """Return what the browser keeps under a name, or nothing."""
    return st.context.cookies.get(name, "")


def forget() -> None:
    """Drop every cached answer, so that what was just decided is read again."""
    st.cache_data.clear()


@st.cache_resource(max_entries=4, show_spinner=False)
def _built(file: str) -> bootstrap.Services:
    return bootstrap.build(load(file or None))

