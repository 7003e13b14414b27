"""Keep incidents in the ops store: the port `services.alerts.ports.IncidentStore`, and what pages read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from services.adapters.notification_table import add_letters
from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables import alerts
from services.alerts.evaluate import Phase, Standing, Transition
from services.alerts.incident import Event, EventKind, Incident, Member, State
from services.alerts.rule import Rule, Severity
from services.alerts.rules import Version
from services.alerts.telling import Letter, Tell
from services.core.access import Actor
from services.core.audit import AuditEntry
from services.core.measurement import Pipeline
from services.errors import NotFound, Refused


class IncidentTable:
    """Incidents, standings and edited rules in the ops store."""

    def __init__(self, db: OpsDb, *, tell: Tell = lambda _incident, _event: ()) -> None:
        """Use the given store; `tell` says who hears of what a person does to an incident."""
        self._db, self._tell = db, tell

    def standings(self) -> dict[str, Standing]:
        """Return where every question stood after the last evaluation."""
        with self._db.read() as connection:
            rows = connection.execute(select(alerts.standings)).all()
        return {
            row.key: Standing(phase=Phase(row.phase), since=row.since, bad_since=row.bad_since, last_bad=row.last_bad,
                              reason=row.reason)
            for row in rows
        }

    def current(self, *, resolved_since: datetime) -> list[Incident]:
        """Return the incidents that are open or were resolved since, newest change first."""
        table = alerts.incidents
        query = select(table).where((table.c.state != State.RESOLVED) | (table.c.resolved_at >= resolved_since))
        with self._db.read() as connection:
            return [_incident(row) for row in connection.execute(query.order_by(table.c.changed_at.desc()))]

    def history(self, *, limit: int = 200, subject: str | None = None) -> list[Incident]:
        """Return the newest incidents of every state."""
        table = alerts.incidents
        query = select(table).order_by(table.c.opened_at.desc()).limit(limit)
        if subject is not None:
            query = query.where(table.c.subject == subject)
        with self._db.read() as connection:
            return [_incident(row) for row in connection.execute(query)]

    def get(self, incident_id: int) -> tuple[Incident, list[Event]]:
        """Return an incident and its history, oldest first.

        Raises:
            NotFound: there is none of that number.
        """
        table = alerts.incident_events
        with self._db.read() as connection:
            incident = _load(connection, incident_id)
            rows = connection.execute(select(table).where(table.c.incident_id == incident_id).order_by(table.c.id))
            return incident, [
                Event(kind=EventKind(row.kind), at=row.at, by=row.by, text=row.text, detail=row.detail) for row in rows
            ]

    def apply(
        self, standings: Mapping[str, Standing], transitions: Sequence[Transition], *,
        tell: Callable[[Sequence[Transition]], Sequence[Letter]], now: datetime,
    ) -> list[Transition]:
        """Store an evaluation and the letters that `tell` makes of it in one transaction.

        An incident that a person changed meanwhile is left for the next pass, which sees their change. Letters stand
        in the same transaction, so a monitor that is killed has either told of a change or not seen it yet.
        """
        before = self.standings()
        gone = before.keys() - standings.keys()
        moved = {key: s for key, s in standings.items() if before.get(key) != s}
        stored = []
        with self._db.write() as connection:
            if drop := [*gone, *moved]:
                connection.execute(delete(alerts.standings).where(alerts.standings.c.key.in_(drop)))
            if moved:
                rows = [{"key": key, **asdict(s)} for key, s in moved.items()]
                connection.execute(insert(alerts.standings), rows)
            for transition in transitions:
                saved = _save(connection, transition)
                if saved:
                    stored.append(saved)
            add_letters(connection, tell(stored), now=now)
        return stored

    def change(
        self, incident_id: int, *, op_id: str, actor: Actor, command: str, now: datetime,
        work: Callable[[Incident], tuple[Incident, Event, AuditEntry]],
    ) -> dict[str, object]:
        """Load, decide and save once per `op_id`, with the audit entry, in one transaction."""

        def inside(connection: Connection) -> tuple[dict[str, Any], list[AuditEntry]]:
            after, event, entry = work(_load(connection, incident_id, lock=True))
            if _save(connection, Transition(incident=after, event=event)) is None:
                raise Refused(f"incident {incident_id} changed meanwhile: look again")
            add_letters(connection, self._tell(after, event), now=now)
            return {"incident": incident_id, "state": str(after.state), "text": event.text}, [entry]

        return self._db.command(op_id, actor=actor, command=command, subject=f"incident:{incident_id}", now=now,
                                work=inside)

    def rules(self) -> list[Rule]:
        """Return the rules edited on the Rules page, the newest version of each."""
        table = alerts.rule_versions
        newest = select(table.c.name, func.max(table.c.version).label("version")).group_by(table.c.name).subquery()
        query = select(table.c.body).join(
            newest, (table.c.name == newest.c.name) & (table.c.version == newest.c.version)
        ).order_by(table.c.name)
        with self._db.read() as connection:
            return [rule_from(row.body) for row in connection.execute(query)]

    def rule_versions(self) -> dict[str, list[Version]]:
        """Return by name every version that was saved, oldest first."""
        table = alerts.rule_versions
        found: dict[str, list[Version]] = {}
        with self._db.read() as connection:
            for row in connection.execute(select(table).order_by(table.c.name, table.c.version)):
                found.setdefault(row.name, []).append(
                    Version(rule=rule_from(row.body), version=row.version, by=row.by, at=row.at))
        return found

    def save_rule(self, rule: Rule, *, actor: Actor, reason: str, op_id: str, now: datetime) -> dict[str, Any]:
        """Store a new version of a rule, audited; who may is checked by services/alerts/rules.py."""
        table = alerts.rule_versions

        def inside(connection: Connection) -> tuple[dict[str, Any], list[AuditEntry]]:
            last = connection.execute(select(func.max(table.c.version)).where(table.c.name == rule.name)).scalar() or 0
            connection.execute(insert(table).values(name=rule.name, version=last + 1, body=rule_body(rule),
                                                    by=actor.identity, at=now))
            entry = AuditEntry(at=now, actor=actor, action="edit rule", subject=f"rule:{rule.name}", reason=reason,
                               detail={"version": last + 1, "rule": rule_body(rule)})
            return {"rule": rule.name, "version": last + 1}, [entry]

        return self._db.command(op_id, actor=actor, command="edit rule", subject=f"rule:{rule.name}", now=now,
                                work=inside)


def rule_body(rule: Rule) -> dict[str, Any]:
    """Return a rule as plain JSON values; spans in seconds."""
    return {name: value.total_seconds() if isinstance(value, timedelta) else value
            for name, value in asdict(rule).items()}


def rule_from(body: dict[str, Any]) -> Rule:
    """Return the rule that `rule_body` wrote."""
    return Rule(**{**body, "for_": timedelta(seconds=body["for_"]), "severity": Severity(body["severity"]),
                   "keep_firing": timedelta(seconds=body["keep_firing"])})


def _load(connection: Connection, incident_id: int, *, lock: bool = False) -> Incident:
    query = select(alerts.incidents).where(alerts.incidents.c.id == incident_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(f"there is no incident {incident_id}: see interlock incidents list")
    return _incident(row)


def _save(connection: Connection, transition: Transition) -> Transition | None:
    """Insert or compare-and-set an incident with its event; None when somebody changed it first."""
    incident, event = transition.incident, transition.event
    table = alerts.incidents
    if incident.id == 0:
        result = connection.execute(insert(table).values(**_values(incident)))
        key = result.inserted_primary_key
        incident = replace(incident, id=int(key[0]) if key else 0)
    else:
        done = connection.execute(update(table).where(
            table.c.id == incident.id, table.c.revision == incident.revision - 1).values(**_values(incident)))
        if done.rowcount == 0:
            return None
    connection.execute(insert(alerts.incident_events).values(
        incident_id=incident.id, revision=incident.revision, kind=event.kind, at=event.at, by=event.by,
        text=event.text, detail=event.detail))
    return Transition(incident=incident, event=event)


def _values(incident: Incident) -> dict[str, Any]:
    values = {name: getattr(incident, name) for name in Incident.__dataclass_fields__ if name not in ("id", "group")}
    return values | {
        "group_key": incident.group,
        "members": [{**asdict(m), "since": m.since.isoformat()} for m in incident.members],
        "useful": None if incident.useful is None else int(incident.useful),
    }


def _incident(row: Row[Any]) -> Incident:
    names = [n for n in Incident.__dataclass_fields__ if n not in ("group", "members", "useful")]
    values = {name: getattr(row, name) for name in names}
    members = tuple(Member(**{**m, "since": datetime.fromisoformat(m["since"])}) for m in row.members)
    return Incident(**{
        **values, "group": row.group_key, "members": members, "state": State(row.state),
        "severity": Severity(row.severity), "pipeline": Pipeline(row.pipeline),
        "useful": None if row.useful is None else bool(row.useful),
    })
