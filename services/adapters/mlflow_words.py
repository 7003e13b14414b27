"""Say in a few words why MLflow did not answer. Its client wraps requests, which wraps urllib3, which wraps a socket.

What an error means for the caller is decided where it is caught.
"""

from typing import Final

_LONGEST: Final = 200
# What the innermost error says -> what a person is told. The first that fits wins.
_KNOWN: Final = (
    ("connection refused", "nothing listens there"),
    ("failed to resolve", "its name is not known"),
    ("name or service not known", "its name is not known"),
    ("network is unreachable", "the network does not reach it"),
    ("no route to host", "the network does not reach it"),
    ("timed out", "no answer in time"),
    ("connection reset", "it broke the connection off"),
    ("remote end closed", "it broke the connection off"),
    ("connection aborted", "it broke the connection off"),
    ("connection broken", "it broke the connection off"),
    ("500 error responses", "it answers with server errors"),
    ("502 error responses", "the proxy before it answers with errors"),
    ("503 error responses", "the proxy before it answers with errors"),
    ("504 error responses", "the proxy before it answers with errors"),
)


def unanswered(error: Exception) -> str:
    """Return why nothing answered; empty where MLflow did answer, and refused."""
    text = str(error).lower()
    return next((said for known, said in _KNOWN if known in text), "")


def cause(error: Exception) -> str:
    """Return one short line on an error of MLflow's client: why nothing answered, else what was answered."""
    return unanswered(error) or " ".join(str(error).split())[:_LONGEST] or type(error).__name__
