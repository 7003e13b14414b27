"""What every address of ours agrees on: the host names it answers to, and the headers on what it answers.

Pure: reading requests is done where they arrive. The console's own, wider content policy is in console/headers.py.
"""

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

# For addresses that answer programs: nothing they send is a page, may be framed, or is anybody else's to read.
PROGRAM_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Tell whether an address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_names(listed: Sequence[str], host: str) -> frozenset[str]:
    """Return the names that an address answers to: those listed, else this machine's own on loopback, else any (empty).

    A foreign host name is how a page elsewhere reaches an address of this machine through a name of its own (DNS
    rebinding).
    """
    names = listed or ((*_LOCAL, host) if is_loopback(host) else ())
    return frozenset(name.lower().rstrip(".") for name in names)


def answers_to(names: Collection[str], said: Sequence[str]) -> bool:
    """Tell whether a request's Host headers name us; one header and no other, where names are listed at all."""
    if not names:
        return True
    try:
        name = urlsplit(f"//{said[0]}").hostname if len(said) == 1 else None
    except ValueError:
        return False
    return name is not None and name.rstrip(".") in names


def from_elsewhere(fetch_site: str) -> bool:
    """Tell whether a browser says, in Sec-Fetch-Site, that a page of another site asks; programs say nothing."""
    return fetch_site not in ("", "same-origin", "none")
