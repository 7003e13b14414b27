"""Read `interlock.toml` and the environment once, into one frozen value, and refuse what cannot work.

Every refusal names the key, the value and what would be right. Connections are tried by `interlock doctor`, not here.
"""

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from services.errors import SettingsError
from services.settings.sections import Settings

FILE_NAME: Final = "interlock.toml"
ENV_PREFIX: Final = "INTERLOCK_"
_NOT_SETTINGS: Final = {"INTERLOCK_CONFIG", "INTERLOCK_TOKEN", "INTERLOCK_AUDIT_KEY", "INTERLOCK_GATEWAY_TOKEN",
                        "INTERLOCK_OIDC_SECRET", "INTERLOCK_COOKIE_SECRET", "INTERLOCK_PROXY_SECRET"}


def find(path: str | None = None, *, environ: dict[str, str] | None = None) -> Path | None:
    """Return the settings file to read: the given one, `INTERLOCK_CONFIG`, or `interlock.toml` here; None if none.

    Raises:
        SettingsError: a file was named and does not exist.
    """
    env = os.environ if environ is None else environ
    named = path or env.get("INTERLOCK_CONFIG")
    if named:
        if not Path(named).is_file():
            raise SettingsError(f"settings file {named} does not exist: name another with --config")
        return Path(named).absolute()
    here = Path.cwd() / FILE_NAME
    return here if here.is_file() else None


def load(path: str | None = None, *, environ: dict[str, str] | None = None) -> Settings:
    """Return the settings from file and environment.

    Raises:
        SettingsError: missing file, TOML that cannot be read, an unknown key or an impossible value.
    """
    env = dict(os.environ if environ is None else environ)
    file = find(path, environ=env)
    values: dict[str, Any] = {}
    if file:
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file} is not valid TOML: {error}. Mend that line and start again") from error
        except OSError as error:
            raise SettingsError(f"{file} cannot be read: {error.strerror}. Check its permissions") from error
    _overlay(values, env)
    values["folder"] = str(file.parent if file else Path.cwd())
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_explain(error, file)) from error


def _overlay(values: dict[str, Any], env: dict[str, str]) -> None:
    """Lay `INTERLOCK_SECTION__KEY` over the file's values; a value is read as TOML where it can be, else as text."""
    for name, text in sorted(env.items()):
        if not name.startswith(ENV_PREFIX) or name in _NOT_SETTINGS:
            continue
        parts = [part.lower() for part in name.removeprefix(ENV_PREFIX).split("__")]
        if len(parts) < 2:
            raise SettingsError(f"{name} names no key: write INTERLOCK_SECTION__KEY, such as INTERLOCK_STORE__URL")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        place = values
        for part in parts[:-1]:
            place = place.setdefault(_same_name(place, part), {})
            if not isinstance(place, dict):
                raise SettingsError(f"{name} reaches into a list; set that one in the file")
        place[_same_name(place, parts[-1])] = value


def _same_name(place: dict[str, Any], part: str) -> str:
    """Return the key of `place` that `part` means: environment names cannot hold a hyphen, model names often do."""
    return next((key for key in place if key.lower().replace("-", "_") == part), part)


def _explain(error: ValidationError, file: Path | None) -> str:
    """Say the first fault as one line: key, value, and what would be right."""
    fault = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in fault["loc"]) or "settings"
    where = str(file or "the environment")
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(fault["loc"][-1]), _known(fault["loc"][:-1]), n=1)
        hint = f"; did you mean {near[0]}?" if near else ": remove it, or see docs/settings.md for the known keys"
        return f"{where}: {key} is not a known setting{hint}{more}"
    if fault["type"] == "missing":
        return f"{where}: {key} is missing: add it{more}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {key} = {fault['input']!r} cannot be used: {message}{more}"


def _known(place: tuple[int | str, ...]) -> list[str]:
    """Return the keys allowed at a place, as far as the declared sections tell."""
    model: Any = Settings
    for part in place:
        field = getattr(model, "model_fields", {}).get(str(part))
        if field is None:
            continue
        kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
        inner = [kind for kind in kinds if hasattr(kind, "model_fields")]
        model = inner[-1] if inner else model
    return [f.alias or name for name, f in model.model_fields.items()]
