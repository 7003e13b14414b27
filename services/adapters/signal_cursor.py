"""Keep how far a counting step has read: the newest sight of a log file that it has dealt with."""

from datetime import datetime

from services.adapters.house_tables import SourceState, SourceTable


class SignalCursor:
    """Watermarks in the table of sources."""

    def __init__(self, sources: SourceTable) -> None:
        """Use the given table."""
        self._sources = sources

    def load(self, name: str) -> datetime | None:
        """Return the watermark, or None when nothing was read yet."""
        state = self._sources.get(name)
        return datetime.fromisoformat(state.cursor) if state and state.cursor else None

    def save(self, name: str, moment: datetime | None, said: str, *, now: datetime, took_s: float) -> None:
        """Store a watermark; the source is as of now."""
        self._sources.save(SourceState(name=name, as_of=now, tried_at=now, ok=True, message=said, took_s=took_s,
                                       cursor=moment.isoformat() if moment else None))

    def as_of(self, name: str) -> datetime | None:
        """Return when the source was last read with success."""
        state = self._sources.get(name)
        return state.as_of if state else None
