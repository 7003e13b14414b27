"""What is kept of denied commands: a count per person, action and hour, and which of them the audit chain carries.

A person who is refused a thousand times adds four rows to the chain, not a thousand: at the first, the tenth, the
hundredth, the thousandth. Storing is in adapters/refusal_table.py, judging in monitor/steps/denials.py.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What one person was denied within one hour, by action. `place` and `words` are those of the last time."""

    actor: str
    action: str
    hour: datetime
    count: int
    first_at: datetime
    last_at: datetime
    place: str
    words: str


def is_audited(count: int) -> bool:
    """Tell whether the refusal that brings an hour to `count` goes into the chain: 1, 10, 100 and so on.

    Raises:
        ValueError: a count below 1.
    """
    if count < 1:
        raise ValueError(f"a refusal is the first at least, not number {count}")
    return str(count).strip("0") == "1"
