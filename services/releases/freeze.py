"""Tell whether a freeze window holds: a span in which nothing moves forward. Rolling back is never frozen."""

from collections.abc import Sequence
from datetime import UTC, datetime

from services.errors import SettingsError
from services.settings.sections import FreezeWindow


def frozen(windows: Sequence[FreezeWindow], *, model: str, environment: str, now: datetime) -> FreezeWindow | None:
    """Return the window that holds for this model and environment now, the one that ends last."""
    fitting = [w for w in holding(windows, now=now) if w.model in ("*", model) and w.environment in ("*", environment)]
    return max(fitting, key=lambda window: moment(window.end), default=None)


def holding(windows: Sequence[FreezeWindow], *, now: datetime) -> list[FreezeWindow]:
    """Return the windows that hold now, wherever they do, in the order of the settings."""
    return [window for window in windows if moment(window.start) <= now < moment(window.end)]


def moment(text: str) -> datetime:
    """Return the time that a setting names; one without a zone is in UTC.

    Raises:
        SettingsError: it is no ISO 8601 time.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"freeze: {text!r} is not a time: write for example 2026-12-24T00:00:00+00:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
