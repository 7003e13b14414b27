"""Faults of a step's parts: a log or a data set that fails does not stop the others, and none is forgotten."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from services.errors import OpsError, SourceMalformed

_Log = TypeVar("_Log")


class Faults:
    """What failed in one run of a step."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: list[OpsError] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep a fault of what runs inside, and go on behind it."""
        try:
            yield
        except OpsError as error:
            self._kept.append(error)

    def raise_first(self) -> None:
        """Raise the first, saying how many more there are; return when there are none.

        Raises:
            OpsError: the only one, as it is.
            SourceMalformed: there are several.
        """
        if not self._kept:
            return
        first = self._kept[0]
        if len(self._kept) == 1:
            raise first
        raise SourceMalformed(f"{first} (and {len(self._kept) - 1} more faults)") from first


def each_model(logs: Mapping[str, _Log], one: Callable[[str, _Log], str]) -> str:
    """Return what was done for each model's log; one that fails does not stop the others.

    Raises:
        OpsError: as `Faults.raise_first` says, after every model had its turn.
    """
    said, faults = [], Faults()
    for model, log in logs.items():
        with faults.kept():
            said.append(f"{model}: {one(model, log)}")
    faults.raise_first()
    return "; ".join(said) or "no models are set"
