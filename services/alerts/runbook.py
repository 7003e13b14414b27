"""What a runbook is: a title, what it means, sections, and steps that can be checked off.

Read from Markdown of one shape; where the files lie is in adapters/runbook_files.py.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

STEPS: Final = "Steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """One runbook. `sections` pairs each heading with its Markdown, steps left out."""

    name: str
    title: str
    means: str
    sections: tuple[tuple[str, str], ...]
    steps: tuple[str, ...]
    origin: str  # shipped, or the team's


def parse(name: str, text: str, *, origin: str) -> Runbook:
    """Return the runbook that a Markdown text holds; a text without headings is all meaning and no steps."""
    head, *parts = re.split(r"(?m)^## +", text)
    title, _, means = head.strip().removeprefix("# ").partition("\n")
    steps: list[str] = []
    sections: list[tuple[str, str]] = []
    for part in parts:
        heading, _, body = part.partition("\n")
        steps += [m[1].strip() for m in re.finditer(r"(?m)^- \[[ x]\] +(.+)$", body)]
        rest = re.sub(r"(?m)^- \[[ x]\] +.+\n?", "", body).strip()
        if rest:
            sections.append((heading.strip(), rest))
    return Runbook(name=name, title=title.strip() or name, means=means.strip(), sections=tuple(sections),
                   steps=tuple(steps), origin=origin)


def steps_done(steps: Sequence[str], done: Sequence[str]) -> int:
    """Return how many of the steps were checked off."""
    return sum(step in set(done) for step in steps)
