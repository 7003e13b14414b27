"""Say in a few words why MLflow did not answer. Its client wraps requests, which wraps urllib3, which wraps a socket.

What an error means for the caller is decided where it is caught.
"""

import re
from typing import Final

_LONGEST: Final = 200
# What the innermost error says -> what a person is told. The first that fits wins.
_KNOWN: Final = (
    ("certificate_verify_failed", "its certificate is not trusted, nor by MLFLOW_TRACKING_SERVER_CERT_PATH"),
    ("connection refused", "nothing listens there"),
    ("failed to resolve", "its name is not known"),
    ("name or service not known", "its name is not known"),
    ("network is unreachable", "the network does not reach it"),
    ("no route to host", "the network does not reach it"),
    ("timed out", "no answer in time"),
    ("408 error responses", "no answer in time"),
    ("connection reset", "it broke the connection off"),
    ("remote end closed", "it broke the connection off"),
    ("connection aborted", "it broke the connection off"),
    ("connection broken", "it broke the connection off"),
    ("429 error responses", "it wants fewer questions"),
    ("500 error responses", "it answers with server errors"),
    ("502 error responses", "the proxy before it answers with errors"),
    ("503 error responses", "the proxy before it answers with errors"),
    ("504 error responses", "the proxy before it answers with errors"),
)
_SECRET: Final = re.compile(r"(?<=://)\S*(?=@)")


class Declined(Exception):
    """An answer that is no success: its HTTP status, and the code that MLflow gives for it, if any."""

    def __init__(self, text: str, *, status: int, error_code: str = "") -> None:
        """Keep all three."""
        super().__init__(text)
        self.status = status
        self.error_code = error_code


def shown(uri: str) -> str:
    """Return an address as a person may see it: without user and password."""
    head, found, rest = uri.partition("://")
    if not found or rest.startswith("/"):  # a path may well have an @
        return uri
    _, found, place = rest.rpartition("@")
    return f"{head}://…@{place}" if found else uri


def unanswered(error: Exception) -> str:
    """Return why nothing answered; empty where MLflow did answer, and refused."""
    text = str(error).lower()
    # What a server says of itself may have any words. MLflow's client keeps its answer as `json`, where it was JSON.
    if isinstance(error, Declined) or hasattr(error, "json") or text.startswith("api request to endpoint "):
        return ""
    return next((said for known, said in _KNOWN if known in text), "")


def cause(error: Exception) -> str:
    """Return one short line on an error of MLflow's client: why nothing answered, else what was answered."""
    # The HTTP libraries tell the whole address, with the password that may be in it.
    text = _SECRET.sub("…", " ".join(str(error).split()))
    return unanswered(error) or text[:_LONGEST] or type(error).__name__
