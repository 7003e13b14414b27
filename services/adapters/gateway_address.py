"""Find the gateway that serves an environment: by the settings, or by the file that a local one writes.

And the folder that its prediction log is written to.
"""

import os
from pathlib import Path
from urllib.parse import quote

from services.adapters.gateway_state_file import JsonFile
from services.adapters.gateway_target import Address
from services.errors import SourceUnavailable
from services.settings import Settings

TOKEN_VARIABLE = "INTERLOCK_GATEWAY_TOKEN"  # noqa: S105 -- the variable's name


def address(settings: Settings, environment: str) -> Address:
    """Return where the environment's gateway listens and the token for it.

    Raises:
        SourceUnavailable: no gateway was started in this home, or its token cannot be read.
    """
    named = settings.environments.get(environment)
    local = JsonFile(settings.home_path / "gateway.json").read() or {}
    url = (named.url if named else "") or local.get("url", "")
    if not url:
        raise SourceUnavailable(f"no gateway is known for {environment}: start one with interlock gateway, or set "
                                f"environments.{environment}.url")
    if given := os.environ.get(TOKEN_VARIABLE):
        return Address(url.rstrip("/"), given)
    path = Path(local.get("token_file", settings.home_path / "gateway" / "token"))
    try:
        return Address(url.rstrip("/"), path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise SourceUnavailable(f"the gateway's token file {path} cannot be read: {error.strerror}. Set "
                                f"{TOKEN_VARIABLE}", retryable=False) from error


def log_root(settings: Settings, model: str) -> Path:
    """Return the folder of a model's prediction log."""
    known = settings.models.get(model)
    return settings.resolve(known.log) if known else settings.home_path / "predictions" / quote(model, safe="")
