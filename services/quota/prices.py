"""Price unit-hours by a dated table, and refuse prices that are none.

Some catalogues write a round number such as 700.0 where they have no price; a report that adds it up is worse than one
without costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

PLACEHOLDERS: Final = (700.0, 999.0, 9999.0, 999.99, 9999.99)
_PER_UNIT_AT_MOST: Final = 500.0  # USD per hour; the dearest accelerator costs a tenth


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one unit of a hardware costs per hour from a date on."""

    hardware: str
    per_hour: float
    since: date
    memory_gib: float | None = None
    currency: str = "USD"

    @property
    def doubt(self) -> str:
        """Why this cannot be a price, or an empty text."""
        if self.per_hour in PLACEHOLDERS or self.per_hour > _PER_UNIT_AT_MOST:
            return (f"price of {self.hardware} since {self.since}: {self.per_hour:g} per hour looks like a placeholder "
                    "for no price; it is left out until it is corrected in [[prices]]")
        return ""


def price_at(prices: Sequence[Price], hardware: str, day: date) -> Price | None:
    """Return the price that holds on a day: the latest begun that is no placeholder; None where there is none."""
    begun = [p for p in prices if p.hardware == hardware and p.since <= day and not p.doubt]
    return max(begun, key=lambda p: p.since) if begun else None


def doubts(prices: Sequence[Price]) -> list[str]:
    """Return one line per price that is refused."""
    return [p.doubt for p in prices if p.doubt]
