"""What the environment tells MLflow's client, and what we add to it: patience, credentials, certificates.

MLflow itself is not imported here, and patience has to be asked for before it is.
"""

import os
from base64 import b64encode
from math import isfinite
from typing import Final

from services.errors import SettingsError

# MLflow's own defaults would wait for minutes on a dead server; the next pass asks again anyway.
PATIENCE: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",  # which may ask for hours of silence
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
_LONGEST: Final = 86_400


def patient() -> None:
    """Have MLflow's client wait briefly and report its use to nobody; what a team set itself stays.

    Called before MLflow is imported, because it begins to report with that.
    """
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)


def patience(word: str) -> float:
    """Return a number of `MLFLOW_HTTP_REQUEST_*`.

    Raises:
        SettingsError: it is none that can be used.
    """
    name = f"MLFLOW_HTTP_REQUEST_{word}"
    told = os.environ.get(name) or PATIENCE[name]
    try:
        value = float(told)
    except ValueError:
        value = -1
    whole, positive = word == "MAX_RETRIES", word == "TIMEOUT"
    if not isfinite(value) or not 0 <= value <= _LONGEST or (positive and not value) or (whole and value % 1):
        raise SettingsError(f"{name} is {told!r}: set a {'whole ' if whole else ''}number "
                            f"{'above 0,' if positive else 'from 0'} up to {_LONGEST}, or none")
    return value


def authorization() -> str | None:
    """Return the header that says who asks, as MLflow's client would send it.

    Raises:
        SettingsError: the token is no text for a header.
    """
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{word}") for word in ("USERNAME", "PASSWORD"))
    if user and password:
        return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    token = os.environ.get("MLFLOW_TRACKING_TOKEN", "").strip()
    if not (token.isascii() and token.isprintable()):
        # What the HTTP library would say of it shows it.
        raise SettingsError("MLFLOW_TRACKING_TOKEN holds what no header carries, such as a line end within: set the "
                            "token alone")
    return f"Bearer {token}" if token else None


def certificates(url: str) -> tuple[bool | str, str | None]:
    """Return how a server's certificate is checked, and the file of our own.

    Raises:
        SettingsError: a file that is needed cannot be read.
    """
    server = _file("MLFLOW_TRACKING_SERVER_CERT_PATH", needed=url.startswith("https://"))
    ours = _file("MLFLOW_TRACKING_CLIENT_CERT_PATH", needed=True)  # requests wants it there for plain http too
    insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}
    return (False if insecure else server or True), ours


def _file(name: str, *, needed: bool) -> str | None:
    path = os.environ.get(name)
    if path and needed and not os.access(path, os.R_OK):
        raise SettingsError(f"{name} names {path}, which cannot be read: check the path and its permissions")
    return path or None
