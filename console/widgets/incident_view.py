"""One incident, in the order in which somebody who was woken reads it: what, since when, why perhaps, what to do.

What can be done to it is in incident_acts.py.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import streamlit as st

from console.charts import incidents as charts
from console.queries import incidents as queries
from console.widgets import cards, charting, incident_acts, links, meanings, status, tables, text, timeline
from console.widgets.html import draw as draw_html
from console.widgets.html import el, join
from services.alerts.incident import Incident, Member, State, ranked, what
from services.core.measurement import Measurement, Verdict
from services.core.window import span_text

_FEW: Final = 6


def mark(incident: Incident, now: datetime) -> Verdict | str:
    """Return the state to draw: a silence is drawn as such, a resolution as fine."""
    if incident.state is State.RESOLVED:
        return Verdict.PASS
    return "silenced" if incident.silenced(now) else Verdict.FAIL


def draw(found: queries.Detail, *, now: datetime) -> None:
    """Draw one incident: first what and what to do, then why, then everything."""
    incident = found.incident
    text.header(f"Incident {incident.id}", as_of=found.as_of, now=now)
    _lead(found, now)
    with cards.guard("evidence"):
        _chart(found)
    incident_acts.draw(incident, now=now)
    _runbook(found, now)
    with cards.guard("questions"):
        _members(incident, now)
    _suspects(found)
    _history(found, now)
    meanings.explain(m.name for m in ranked(incident.members))


def _lead(found: queries.Detail, now: datetime) -> None:
    incident = found.incident
    place = " · ".join(p for p in (incident.subject, str(incident.pipeline), incident.environment) if p)
    word = "over" if incident.state is State.RESOLVED else ""
    draw_html(el(
        "div",
        el("p", status.span(mark(incident, now), word), el("span", f" {incident.severity} · {place}", cls="il-faint")),
        el("p", what(incident), cls="il-what il-wrap"),
        el("p", _standing(incident, now), cls="il-faint il-wrap"),
        join(el("p", f"It {found.suspects[0].text}.", cls="il-suspect il-wrap") if found.suspects else None),
        cls="il il-lead"))


def _standing(incident: Incident, now: datetime) -> str:
    """Return since when it lasts, who is on it, and who owns it, in one line."""
    lasted = span_text((incident.resolved_at or now) - incident.opened_at)
    began = text.clock(incident.opened_at, now=now)
    if incident.state is State.RESOLVED:
        parts = [f"lasted {lasted}, from {began}"]
    else:
        held = f"{incident.acknowledged_by} is on it" if incident.acknowledged_by else "nobody is on it yet"
        if incident.acknowledged_until:
            held += f" until {text.clock(incident.acknowledged_until, now=now)}"
        parts = [f"for {lasted}, since {began}", held]
        if incident.silenced_until and incident.silenced(now):
            parts.append(f"silenced until {text.clock(incident.silenced_until, now=now)}: {incident.silence_reason}")
    return " · ".join([*parts, *([f"owner {incident.owner}"] if incident.owner else [])])


def _chart(found: queries.Detail) -> None:
    """Draw the measurement that speaks for the incident over the day before it and since; one look is no line."""
    rows = [{"at": m.window.end, "value": m.value, "word": status.mark(m.verdict).word, "n": m.n}
            for m in found.trend if m.value is not None]
    if len(rows) < 2:
        return
    first = ranked(found.incident.members)[0]
    unit = next((m.unit for m in found.trend if m.unit), "")
    name = f"{first.name.replace('_', ' ')}{f' of {first.column}' if first.column else ''}"
    text.note(f"{name[0].upper()}{name[1:]}, over the day before the incident and since")
    charting.draw(charts.evidence(rows, opened=found.incident.opened_at, limit=_limit(found.trend), unit=unit,
                                  colours=charting.palette()),
                  alt=f"{name} over the day before the incident and since: {first.reason}")


def _limit(trend: Sequence[Measurement]) -> float | None:
    """Return the limit or alarm that the newest measurement names."""
    for m in reversed(trend):
        found = m.detail.get("limit", m.detail.get("critical"))
        if isinstance(found, int | float):
            return float(found)
    return None


def _runbook(found: queries.Detail, now: datetime) -> None:
    """Draw the runbook with its steps; a step checked off is recorded on the incident."""
    book = found.runbook
    if book is None:
        return
    text.section(f"What to do: {book.title}")
    text.sentence(book.means)
    incident_acts.draw_steps(found.incident, book.steps, found.steps_done, now=now)
    with st.container(horizontal=True, gap="small"):
        links.to("runbooks", "The whole runbook", runbook=book.name)


def _members(incident: Incident, now: datetime) -> None:
    """Draw every question behind the incident, nearest to the cause first."""
    members = ranked(incident.members)
    text.section(f"Behind it: {len(members)} question{'s' if len(members) != 1 else ''}")
    draw_html(el("ul", *(_member(m, now) for m in members[:_FEW]), cls="il il-members"))
    rest = len(members) - _FEW
    with st.expander(f"All {len(members)} as a table" if rest > 0 else "As a table"):
        tables.table(
            [{"measurement": m.name, "column": m.column, "reason": m.reason, "since": m.since, "rule": m.rule}
             for m in members],
            ["measurement", "column", "reason", tables.Column("since", "ago"), "rule"],
            alt="Questions behind this incident", name=f"incident-{incident.id}-questions",
        )


def _member(member: Member, now: datetime) -> str:
    what_ = " ".join(p for p in (member.name.replace("_", " "), member.slice) if p)
    return el("li", el("span", member.reason, cls="il-wrap"),
              el("span", f" {what_}, {span_text(now - member.since)}", cls="il-faint"))


def _suspects(found: queries.Detail) -> None:
    text.section("Changed shortly before")
    if not found.suspects:
        text.note("Nothing that we know of was changed in the day before.")
        return
    draw_html(el("ul", *(el("li", s.text, cls="il-wrap") for s in found.suspects[:_FEW]), cls="il il-members"))
    text.note("A coincidence in time is no proof of a cause.")


def _history(found: queries.Detail, now: datetime) -> None:
    """Draw what happened to the incident and who was told, in one line of time."""
    text.section("History")
    moments = [timeline.Moment(at=e.at, what=str(e.kind), by=e.by.removeprefix("interlock:"), words=e.text)
               for e in found.events]
    moments += [timeline.Moment(at=x.at, what=f"told {x.whom}", by=f"{x.why}, {x.state}", more=x.tried)
                for x in found.letters]
    timeline.draw_moments(moments, now=now, label="History of this incident, newest first")
    incident_acts.draw_resend(found.letters, now=now)
    with st.expander("As a table"):
        tables.table(
            [{"at": m.at, "what": m.what, "by": m.by, "text": m.words or "; ".join(m.more)}
             for m in sorted(moments, key=lambda m: m.at)],
            [tables.Column("at", "time"), "what", "by", "text"], alt="History of this incident, oldest first",
            name=f"incident-{found.incident.id}-history")
