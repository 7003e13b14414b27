"""Faults of a step's parts: a log or a data set that fails does not stop the others, and none is forgotten."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.errors import OpsError, SourceMalformed


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
