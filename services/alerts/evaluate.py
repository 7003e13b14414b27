"""Turn measurements into incidents: `(rules, measurements, what fired before, open incidents, now) → transitions`.

Pure: nothing is stored or sent here. Called again with its own result it changes nothing, so a monitor that is
killed between two passes continues the same history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.alerts.incident import Event, EventKind, Incident, Member, State, group_of, ranked, title_of
from services.alerts.rule import Rule, Severity, judge, rule_for
from services.core.audit import digest
from services.core.measurement import Measurement, Verdict

REOPEN_WITHIN: Final = timedelta(hours=1)


class Phase(StrEnum):
    """Where one question stands. `unsure` and `error` are phases of their own: absence is never quiet."""

    QUIET = "quiet"
    PENDING = "pending"
    FIRING = "firing"
    UNSURE = "unsure"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is remembered of a question between passes: its phase, since when, and when it was last bad."""

    phase: Phase = Phase.QUIET
    since: datetime
    bad_since: datetime | None = None
    last_bad: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """An incident after a change, and the event that says what changed and why. New ones have id 0."""

    incident: Incident
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The outcome of one evaluation."""

    standings: Mapping[str, Standing]
    transitions: Sequence[Transition] = field(default_factory=tuple)


def question(m: Measurement) -> str:
    """Return the stable key of what a measurement asks."""
    return digest(list(m.key))


def stand(before: Standing | None, rule: Rule, m: Measurement, *, now: datetime) -> Standing:
    """Return where a question stands after a measurement.

    Bad for `for_` fires; good for `keep_firing` since it was last bad ends it. Inconclusive and monitor errors
    hold what was firing: not knowing is no recovery.
    """
    was = before or Standing(since=now)
    firing = was.phase is Phase.FIRING
    verdict, reason = judge(rule, m, firing=firing)
    if verdict is Verdict.FAIL:
        bad_since = was.bad_since or now
        phase = Phase.FIRING if firing or now - bad_since >= rule.for_ else Phase.PENDING
        return _moved(was, phase, now, reason, bad_since=bad_since, last_bad=now)
    if verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR):
        if firing:
            return was
        phase = Phase.UNSURE if verdict is Verdict.INCONCLUSIVE else Phase.ERROR
        return _moved(was, phase, now, reason, bad_since=None, last_bad=None)
    if firing and was.last_bad is not None and now - was.last_bad < rule.keep_firing:
        return was
    return _moved(was, Phase.QUIET, now, reason, bad_since=None, last_bad=None)


def _moved(
    was: Standing, phase: Phase, now: datetime, reason: str, *, bad_since: datetime | None, last_bad: datetime | None
) -> Standing:
    since = was.since if phase is was.phase else now
    return Standing(phase=phase, since=since, bad_since=bad_since, last_bad=last_bad, reason=reason)


def evaluate(
    rules: Sequence[Rule], measurements: Sequence[Measurement], standings: Mapping[str, Standing],
    incidents: Sequence[Incident], *, now: datetime,
) -> Evaluation:
    """Return where every question stands now, and what changes about incidents.

    `incidents` holds the open ones and those resolved within `REOPEN_WITHIN`. A question that is no longer
    measured keeps its standing: a source that went silent does not heal anything.
    """
    after = dict(standings)
    firing: dict[str, dict[str, tuple[Measurement, Rule]]] = {}
    measured = set()
    for m in measurements:
        rule = rule_for(m, rules)
        key = question(m)
        if rule is None:
            after.pop(key, None)
            continue
        measured.add(key)
        after[key] = stand(after.get(key), rule, m, now=now)
        if after[key].phase is Phase.FIRING:
            firing.setdefault(group_of(m), {})[key] = (m, rule)
    by_group = {i.group: i for i in sorted(incidents, key=lambda i: (i.state is not State.RESOLVED, i.changed_at))}
    transitions = []
    for group in sorted(firing.keys() | by_group.keys()):
        transition = _change(group, by_group.get(group), firing.get(group, {}), after, measured, now)
        if transition:
            transitions.append(transition)
    return Evaluation(standings=after, transitions=tuple(transitions))


def _change(
    group: str, incident: Incident | None, firing: Mapping[str, tuple[Measurement, Rule]],
    standings: Mapping[str, Standing], measured: set[str], now: datetime,
) -> Transition | None:
    members = [_member(key, m, rule, standings[key]) for key, (m, rule) in sorted(firing.items())]
    if incident is not None and incident.state is not State.RESOLVED:
        # Members that nobody measured this time stay: absence resolves nothing.
        silent = [m for m in incident.members if m.key not in measured and _still(standings.get(m.key))]
        members += silent
    # The first member speaks for the incident: its title, its evidence, its runbook.
    members = ranked(members)
    if not members:
        if incident is None or incident.state is State.RESOLVED:
            return None
        fine = any(m.key in standings for m in incident.members)
        return _event(replace(incident, state=State.RESOLVED, resolved_at=now, acknowledged_until=None),
                      EventKind.RESOLVED, now,
                      "every question behind it is fine again" if fine else "nobody asks about it any more")
    if incident is None or (incident.state is State.RESOLVED and not _recent(incident, now)):
        return _opened(group, members, firing, now)
    if incident.state is State.RESOLVED:
        again = replace(incident, state=State.OPEN, resolved_at=None, acknowledged_by="", members=tuple(members),
                        runbook=_runbook(members, firing) or incident.runbook)
        return _event(replace(again, title=title_of(incident.subject, members)), EventKind.REOPENED, now,
                      f"fires again: {title_of(incident.subject, members)}")
    return _grown(incident, members, firing, now)


def _opened(
    group: str, members: Sequence[Member], firing: Mapping[str, tuple[Measurement, Rule]], now: datetime
) -> Transition:
    m, _ = next(iter(firing.values()))
    rules = [rule for _, rule in firing.values()]
    page = any(rule.severity is Severity.PAGE for rule in rules)
    title = title_of(m.subject, members)
    incident = Incident(
        id=0, group=group, subject=m.subject, environment=m.environment, pipeline=m.pipeline,
        severity=Severity.PAGE if page else Severity.TICKET, state=State.OPEN, title=title, opened_at=now,
        changed_at=now, members=tuple(members), owner=next((r.owner for r in rules if r.owner), ""),
        runbook=_runbook(members, firing),
    )
    return _event(incident, EventKind.OPENED, now, title)


def _grown(
    incident: Incident, members: Sequence[Member], firing: Mapping[str, tuple[Measurement, Rule]], now: datetime
) -> Transition | None:
    known = {m.key for m in incident.members}
    added = [m for m in members if m.key not in known]
    page = any(rule.severity is Severity.PAGE for _, rule in firing.values())
    raised = page and incident.severity is Severity.TICKET
    title = title_of(incident.subject, members)
    grown = replace(incident, members=tuple(members), title=title,
                    runbook=_runbook(members, firing) or incident.runbook,
                    severity=Severity.PAGE if raised else incident.severity)
    if added or raised:
        why = "is now urgent" if raised else f"{len(added)} more: {added[0].reason}"
        return _event(grown, EventKind.WORSENED, now, why)
    if {m.key for m in members} != known:
        gone = len(known) - len(members)
        return _event(grown, EventKind.NOTED, now, f"{gone} of {len(known)} questions behind it are fine again")
    return None


def _runbook(members: Sequence[Member], firing: Mapping[str, tuple[Measurement, Rule]]) -> str:
    """Return the runbook of the member nearest to the cause that has one."""
    books = (firing[m.key][1].runbook for m in members if m.key in firing)
    return next((book for book in books if book), "")


def lapse(incident: Incident, *, now: datetime) -> Transition | None:
    """Return the end of an acknowledgement whose time is over: nobody is on it any more."""
    if incident.state is not State.ACKNOWLEDGED or incident.acknowledged_until is None:
        return None
    if now < incident.acknowledged_until:
        return None
    text = f"{incident.acknowledged_by} had it until {incident.acknowledged_until:%H:%M} UTC"
    return _event(replace(incident, state=State.OPEN, acknowledged_by="", acknowledged_until=None),
                  EventKind.ACKNOWLEDGEMENT_ENDED, now, text)


def _event(incident: Incident, kind: EventKind, now: datetime, text: str) -> Transition:
    return Transition(incident=replace(incident, changed_at=now, revision=incident.revision + 1),
                      event=Event(kind=kind, at=now, by="interlock:monitor", text=text))


def _member(key: str, m: Measurement, rule: Rule, standing: Standing) -> Member:
    return Member(key=key, name=m.name, column=m.column, slice=m.slice, reason=standing.reason, rule=rule.name,
                  since=standing.bad_since or standing.since, value=m.value)


def _still(standing: Standing | None) -> bool:
    return standing is not None and standing.phase is Phase.FIRING


def _recent(incident: Incident, now: datetime) -> bool:
    return incident.resolved_at is not None and now - incident.resolved_at <= REOPEN_WITHIN
