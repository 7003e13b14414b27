"""What is broken now: one row per incident or unsettled thing, who is on call, and how old the answer is."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import streamlit as st

from console import session
from services.alerts.incident import Incident, State, ranked, urgent_first, what
from services.alerts.suspects import LOOK_BACK, suspects
from services.core.audit import digest
from services.core.measurement import SEVERITY, Pipeline, Verdict
from services.core.overview import Line, overview
from services.core.window import TimeWindow, parse_span
from services.monitor.pulse import stopped, stopped_since
from services.settings.owners import owner_of

_SUSPECTS_FOR: Final = 12  # incidents; whoever has more open looks at the first few first
_SLACK: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing on one line: an incident, or a thing in one pipeline that has none."""

    state: Verdict | str
    subject: str
    kind: str
    words: str
    since: datetime
    hint: str = ""
    incident: Incident | None = None
    line: Line | None = None

    @property
    def measures(self) -> list[str]:
        """The measurements that it stands for, the one that speaks first."""
        if self.incident:
            return [m.name for m in ranked(self.incident.members)]
        return [self.line.name] if self.line else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What needs somebody, worst first; what is fine; when the newest was measured; and why nothing newer comes."""

    rows: list[Row]
    fine: list[Row]
    as_of: datetime | None
    stopped: bool = False


@st.cache_data(ttl=15, max_entries=8, show_spinner=False)
def now() -> Now:
    """Return the state of every thing that is measured."""
    services = session.services()
    newest = services.measurements.newest()
    lines = overview([m for m, _ in newest], {m.key: since for m, since in newest})
    moment = session.now()
    open_ = [i for i in services.incidents.current(resolved_since=moment) if i.state is not State.RESOLVED]
    open_ = urgent_first(open_, now=moment)
    told = {(i.subject, i.environment, pipeline) for i in open_ for pipeline in _pipelines(i, lines)}
    first = _suspects(open_[:_SUSPECTS_FOR])
    rows = [_incident(i, moment, first.get((i.subject, i.opened_at), "")) for i in open_]
    rows += [_thing(line) for line in lines
             if line.verdict is not Verdict.PASS and (line.subject, line.environment, line.pipeline) not in told]
    rows.sort(key=lambda r: (r.state == "silenced", SEVERITY.index(Verdict(r.state)) if r.state in SEVERITY else 0))
    fine = [_thing(line) for line in lines if line.verdict is Verdict.PASS]
    gone = halted(moment)
    if gone:
        rows.insert(0, gone)
        # Nobody has looked since: what was fine then is not known to be fine now.
        fine = [replace(row, state=Verdict.INCONCLUSIVE, hint="was fine when it was last measured") for row in fine]
    return Now(rows=rows, fine=fine, as_of=max((m.at for m, _ in newest), default=None), stopped=gone is not None)


def _pipelines(incident: Incident, lines: list[Line]) -> set[Pipeline]:
    """Return the pipelines in which a failing line is told by the incident: its own, and those of its family."""
    same = {line.pipeline for line in lines if (line.subject, line.environment) == (incident.subject,
                                                                                    incident.environment)
            and line.name in {m.name for m in incident.members}}
    return same | {incident.pipeline}


def _incident(incident: Incident, moment: datetime, suspect: str) -> Row:
    held = f"{incident.acknowledged_by} is on it" if incident.acknowledged_by else ""
    return Row(
        state="silenced" if incident.silenced(moment) else Verdict.FAIL, subject=incident.subject,
        kind=_kind(" · ".join(p for p in (str(incident.severity), str(incident.pipeline), incident.environment) if p),
                   incident.subject),
        words=what(incident), since=incident.opened_at, hint=" · ".join(p for p in (suspect, held) if p),
        incident=incident)


def _thing(line: Line) -> Row:
    return Row(state=line.verdict, subject=line.subject, words=line.reason, since=line.since, line=line,
               kind=_kind(" · ".join(p for p in (str(line.pipeline), line.environment) if p), line.subject))


def _kind(words: str, subject: str) -> str:
    """Return what kind of thing a line is about, and whom it belongs to."""
    owner = owner_of(session.settings(), subject)
    return f"{words} · {owner}" if owner else words


def _suspects(found: list[Incident]) -> dict[tuple[str, datetime], str]:
    """Return what changed shortly before, asked once for what began together."""
    told = {}
    for subject, opened in dict.fromkeys((i.subject, i.opened_at) for i in found):
        window = TimeWindow(opened - LOOK_BACK, opened + _SLACK)
        before = suspects(opened, session.services().changes.changes(subject, window))
        told[subject, opened] = before[0].text if before else ""
    return told


def halted(moment: datetime) -> Row | None:
    """Return the line that says that the monitor has stopped; None while it works, or where it never did."""
    services = session.services()
    every = parse_span(services.settings.monitor.interval)
    since = stopped_since(services.sources, every=every, now=moment)
    if since is None:
        return None
    words = stopped(services.sources, every=every, now=moment)
    return Row(state=Verdict.ERROR, subject="monitor", kind="page · monitor", words=words, since=since,
               hint="what follows is as it was then")


@st.cache_data(ttl=10, max_entries=2, show_spinner=False)
def watermark() -> str:
    """Return a mark that changes whenever the monitor read something or a person decided something."""
    services = session.services()
    sources = [f"{s.name}{s.tried_at.isoformat()}{s.ok}" for s in services.sources.all()]
    return digest([sources, services.audit.count()])
