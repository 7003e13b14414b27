"""What every section of the settings is: frozen, and without unknown keys."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

from services.core.window import parse_span


class Section(BaseModel):
    """One section of `interlock.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def zone(name: str) -> str:
    """Return a time zone's name as written, or refuse it with an example."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is not the name of a time zone: write for example Europe/Berlin") from error
    return name


def span(text: str) -> str:
    """Return a length of time as written, or refuse it with an example."""
    parse_span(text)
    return text
