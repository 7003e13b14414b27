"""Read `sacct` output: `TZ=UTC sacct -a -P -X -o JobID,JobName,Account,State,Submit,Start,End,ReqTRES,AllocTRES`.

Jobs are spans; a sample every 15 minutes says what the jobs running then held, and what those waiting wanted. The job's
name is the pipeline, its account the team. `sacct` knows allocations, so *used* is what was allocated.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from services.adapters.usage_csv import moment
from services.adapters.usage_files import Reading
from services.core.window import floor_to
from services.errors import SourceMalformed
from services.quota.pool import Origin, Pool, Sample, in_unit

NEEDED: Final = ("JobID", "JobName", "Account", "State", "Start", "End", "AllocTRES")
STEP: Final = timedelta(minutes=15)
LOOK_BACK: Final = timedelta(days=40)
_NONE: Final = ("", "Unknown", "None", "N/A")
_TRES: Final = {"cpu": "cpu", "ram": "mem", "gpu": "gres/gpu", "tpu": "gres/tpu"}
_MEMORY: Final = re.compile(r"([0-9.]+)([KMGT]?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    pipeline: str
    team: str
    start: datetime
    end: datetime
    held: float
    waits: bool


class SlurmReader:
    """Reads one file of `sacct` output."""

    def __init__(self, pool: Pool) -> None:
        """Read what jobs held of `pool`'s resource."""
        self._pool = pool

    def __call__(self, file: Path, now: datetime) -> Reading:
        """Return what a file says of the last 40 days.

        Raises:
            SourceMalformed: it is not `sacct -P` output with the needed columns.
        """
        spans, faults = [], []
        with file.open(newline="", encoding="utf-8", errors="replace") as text:
            rows = csv.DictReader(text, delimiter="|", quoting=csv.QUOTE_NONE)
            missing = [c for c in NEEDED if c not in (rows.fieldnames or ())]
            if missing:
                raise SourceMalformed(f"{file.name} has no column {', '.join(missing)}: write it with sacct -P -X -o "
                                      f"{','.join(NEEDED)}")
            for row in rows:
                try:
                    spans += self._job(row, f"line {rows.line_num} of {file.name}", now)
                except SourceMalformed as error:
                    faults.append(str(error))
        return Reading(samples=tuple(self._samples(spans, now)), faults=tuple(faults))

    def _job(self, row: Mapping[str, str | None], where: str, now: datetime) -> list[_Span]:
        name, team = (row["JobName"] or "")[:250], (row["Account"] or "")[:120]
        held = tres(row["AllocTRES"] or "", self._pool.resource, where)
        started, ended = row["Start"] or "", row["End"] or ""
        spans = []
        if started not in _NONE:
            start = moment(started, where, now=now)
            end = now if ended in _NONE else moment(ended, where, now=now)
            if end < start:
                raise SourceMalformed(f"{where}: job {row['JobID']} ends before it starts: a clock jumped")
            if held:
                spans.append(_Span(pipeline=name, team=team, start=start, end=end, held=held, waits=False))
        submitted = row.get("Submit") or ""
        wanted = tres(row.get("ReqTRES") or "", self._pool.resource, where)
        if wanted and submitted not in _NONE:
            begun = now if started in _NONE else moment(started, where, now=now)
            gone = begun if ended in _NONE else min(begun, moment(ended, where, now=now))
            spans.append(_Span(pipeline=name, team=team, start=moment(submitted, where, now=now), end=gone,
                               held=wanted, waits=True))
        return spans

    def _samples(self, spans: list[_Span], now: datetime) -> Iterable[Sample]:
        if not spans:
            return
        last = floor_to(now, STEP)
        first = max(floor_to(min(s.start for s in spans), STEP), last - LOOK_BACK)
        held: dict[datetime, dict[tuple[str, str], list[float]]] = defaultdict(
            lambda: defaultdict(lambda: [0.0, 0.0]))
        for span in spans:
            at = floor_to(span.start, STEP)
            at = max(first, at if at == span.start else at + STEP)
            while at < span.end and at <= last:
                held[at][span.pipeline, span.team][span.waits] += span.held
                at += STEP
        at = first
        while at <= last:
            # An idle moment is a sample of zero, not a gap.
            if not held.get(at):
                yield Sample(ts=at, pool=self._pool.name, pipeline="", used=0.0, origin=Origin.IMPORTED)
            for (pipeline, team), (used, waits) in held.get(at, {}).items():
                yield Sample(ts=at, pool=self._pool.name, pipeline=pipeline, team=team, used=used, requested=used,
                             pending=waits, origin=Origin.IMPORTED)
            at += STEP


def tres(text: str, resource: str, where: str) -> float:
    """Return how much of a resource a list such as `cpu=4,mem=16G,gres/gpu=2` holds, in the pool's unit.

    Raises:
        SourceMalformed: an amount cannot be read.
    """
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name != _TRES[resource]:
            continue
        match = _MEMORY.fullmatch(value)
        if not match or (match[2] and resource != "ram"):
            raise SourceMalformed(f"{where}: {part!r} is not an amount")
        # Slurm's G is 1024³ bytes, and a bare number is in MiB.
        unit = {"K": "KiB", "M": "MiB", "G": "GiB", "T": "TiB", "": "MiB"}[match[2]] if resource == "ram" else ""
        return in_unit(float(match[1]), unit, resource="ram", row=where) if unit else float(match[1])
    return 0.0
