"""Read runbooks: the shipped ones from the package, a team's own from its folder, laid over them by name."""

from pathlib import Path
from typing import Final

from services.alerts.runbook import Runbook, parse
from services.errors import NotFound, SourceUnavailable

_SHIPPED: Final = Path(__file__).parents[1] / "alerts" / "runbooks"
_LARGEST: Final = 200_000


class RunbookFiles:
    """Runbooks by name."""

    def __init__(self, own: Path | None) -> None:
        """Read the shipped ones, and `own` over them where it is set."""
        self._own = own

    def all(self) -> dict[str, Runbook]:
        """Return every runbook by name.

        Raises:
            SourceUnavailable: the team's folder cannot be read.
        """
        found = {path.stem: parse(path.stem, path.read_text(encoding="utf-8"), origin="shipped")
                 for path in sorted(_SHIPPED.glob("*.md"))}
        if self._own is None:
            return found
        try:
            if not self._own.is_dir():
                raise SourceUnavailable(f"runbooks.path = {self._own} is not a folder: create it or remove the setting")
            for path in sorted(self._own.glob("*.md")):
                if path.stat().st_size <= _LARGEST:
                    text = path.read_text(encoding="utf-8", errors="replace")
                    found[path.stem] = parse(path.stem, text, origin="the team's")
        except OSError as error:
            raise SourceUnavailable(f"runbooks.path = {self._own} cannot be read: {error.strerror}") from error
        return found

    def get(self, name: str) -> Runbook:
        """Return one runbook.

        Raises:
            NotFound: there is none of that name.
        """
        found = self.all()
        if name not in found:
            raise NotFound(f"there is no runbook {name}: known are {', '.join(found)}")
        return found[name]
