"""Where real traces lie that tests calibrate on: never part of the project, and not on every machine.

`INTERLOCK_TEST_DATA` names their folder; without it, `shared/data` beside the checkout is looked at.
"""

import os
from pathlib import Path

VARIABLE = "INTERLOCK_TEST_DATA"
# Read once: conftest.py takes the variable away, because the program refuses those of its prefix that name no setting.
NAMED = os.environ.get(VARIABLE, "")
BESIDE = Path(__file__).parents[2] / "shared" / "data"


def real(name: str, *, named: str = NAMED) -> Path | None:
    """Return the file of that name, or None where it is not here."""
    file = (Path(named) if named else BESIDE) / name
    return file if file.is_file() else None
