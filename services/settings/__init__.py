"""Settings: `sections` says what can be set, `load` reads it once at start."""

from services.settings.load import find, load
from services.settings.sections import Settings

__all__ = ["Settings", "find", "load"]
