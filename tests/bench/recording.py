"""Replace one bench's section of docs/benchmarks.md: the command that made it, the machine, the day, the table."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path


def section(path: Path, title: str, *, command: str, note: str, head: Sequence[str],
            rows: Sequence[Sequence[str]]) -> None:
    """Write or replace the section named `title`; every other stays as it is."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    lines = [f"## {title}", "", f"{datetime.now(UTC):%Y-%m-%d}, {machine}, by `{command}`. {note}", "",
             f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    old = path.read_text(encoding="utf-8") if path.is_file() else "# Benchmarks\n"
    before, found, after = old.partition(f"## {title}\n")
    rest = after[after.index("\n## ") + 1 :] if found and "\n## " in after else ""
    path.write_text("\n".join([before.rstrip(), "", *lines, "", rest]).rstrip() + "\n", encoding="utf-8")
