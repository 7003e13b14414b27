"""Where a run or a version stands in MLflow's own pages, at the address that the settings give and at no other."""

from urllib.parse import quote, urlsplit

from services.settings import Settings


def base(settings: Settings) -> str:
    """Return the address of MLflow's own pages; nothing when the tracking server is a file."""
    uri = settings.tracking.ui_url or settings.tracking_uri
    return uri if uri.startswith(("http://", "https://")) else ""


def mlflow_url(root: str, *, experiment: str = "", run: str = "", model: str = "", version: str = "") -> str:
    """Return the address of a run or a registered version, or nothing when none is configured that a link may have.

    Plain http is a team's own choice here, and common inside its network; an address with a password is never shown.
    """
    root = root.rstrip("/")
    try:
        parts = urlsplit(root)
    except ValueError:  # such as a bracket that is not closed
        return ""
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        return ""
    if run:
        return f"{root}/#/experiments/{quote(experiment or '0', safe='')}/runs/{quote(run, safe='')}"
    if model:
        tail = f"/versions/{quote(version, safe='')}" if version else ""
        return f"{root}/#/models/{quote(model, safe='')}{tail}"
    return root
