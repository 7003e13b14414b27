"""Ask for the size of registered versions, one per pass: the served ones first, then the newest of each model.

Reading loads the model, so a job does it in processes of its own; a pass never waits for it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

AGAIN: Final = timedelta(days=1)
JOB: Final = "size"


class Sizes(Protocol):
    """Where sizes are kept."""

    def tried(self) -> Mapping[tuple[str, str], tuple[datetime, str]]:
        """Return per model and version when it was read, and what went wrong."""
        ...


class Jobs(Protocol):
    """Where work is asked for."""

    def want(self, kind: str, args: dict[str, Any], *, now: datetime) -> str:
        """Ask for work unless it was asked for in the last day; return `queued`, or what became of it."""
        ...


class ModelSizesStep:
    """The part of a pass that sees to it that the size of every version that matters is known."""

    name = "model sizes"

    def __init__(self, *, versions: Callable[[], list[tuple[str, str]]], sizes: Sizes, jobs: Jobs) -> None:
        """See to `versions()`, pairs of model and version in the order in which they are wanted."""
        self._versions = versions
        self._sizes = sizes
        self._jobs = jobs

    def run(self, *, now: datetime) -> str:
        """Ask for the first version that was not read yet; one that could not be read is tried again after a day."""
        tried = self._sizes.tried()
        stuck = ""
        for model, version in self._versions():
            at, problem = tried.get((model, version), (None, ""))
            if at is not None and not (problem and now - at >= AGAIN):
                continue
            became = self._jobs.want(JOB, {"model": model, "version": version}, now=now)
            if "failed" not in became:
                return f"reading {model} v{version} is {became}"
            stuck = stuck or f"; reading {model} v{version} failed and is asked for again after a day"
        return f"every version that matters was read{stuck}"
