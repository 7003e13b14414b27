"""The demo's folder: is its seed complete and still of use, and how an unfinished one is moved aside."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from services.demo.configuration import FIRST_LINE
from services.demo.shift import data_ends
from services.errors import Refused

SEED_VERSION: Final = 2  # grows whenever an older seed would no longer do
MARKER: Final = "seed.json"  # written last: without it the seed is not complete


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder for one demo at a time; the lock ends with the process, however it ends.

    Raises:
        Refused: another demo holds it.
    """
    with (folder / ".interlock.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(f"a demo already runs in {folder}: stop it first, or start this one in another folder"
                          ) from error
        yield


def marker_of(home: Path) -> dict[str, Any] | None:
    """Return what the complete seed in `home` says of itself, or None."""
    try:
        value = json.loads((home / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and value.get("version") == SEED_VERSION else None


def reusable(home: Path, *, fast: bool, now: datetime) -> bool:
    """Tell whether the seed in `home` can be gone on with: complete, large enough, and with flights still to come."""
    marker = marker_of(home)
    if marker is None or (marker["fast"] and not fast):
        return False
    return now < data_ends(weeks=int(marker["weeks"]))


def complete(home: Path, *, fast: bool, weeks: int, now: datetime) -> None:
    """Mark the seed as complete."""
    hidden = home / f".{MARKER}.tmp"
    hidden.write_text(json.dumps({"version": SEED_VERSION, "fast": fast, "weeks": weeks, "seeded_at": now.isoformat()}),
                      encoding="utf-8")
    hidden.rename(home / MARKER)


def move_aside(home: Path, *, now: datetime) -> Path | None:
    """Move what is there out of the way, keeping the last such folder only; return where it is now."""
    if not home.exists():
        return None
    for older in home.parent.glob(f"{home.name}.aside-*"):
        shutil.rmtree(older)
    aside = home.with_name(f"{home.name}.aside-{now:%Y%m%dT%H%M%S}")
    home.rename(aside)
    return aside


def write_configuration(file: Path, text: str) -> None:
    """Write the settings file.

    Raises:
        Refused: there is one that the demo did not write.
    """
    if file.exists() and not file.read_text(encoding="utf-8", errors="replace").startswith(FIRST_LINE):
        raise Refused(f"{file} was not written by the demo and stays as it is: start the demo in an empty folder")
    file.write_text(text, encoding="utf-8")
