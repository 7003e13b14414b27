"""Read rules and rotation out of the settings: shipped rules first, a team's own over them."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from services.alerts.defaults import SHIPPED
from services.alerts.on_call import Override, Person, Rotation, rotation
from services.alerts.rule import Rule, Severity
from services.core.window import parse_span
from services.errors import SettingsError
from services.settings import Settings
from services.settings.sections import RuleSetting

_INHERITED = ("severity", "runbook", "keep_firing", "for_")


def all_rules(settings: Settings) -> list[Rule]:
    """Return the shipped rules, then the team's own; what one of those leaves out it inherits from the shipped."""
    shipped = {rule.measurement: rule for rule in SHIPPED}
    return [*SHIPPED, *(_own(one, shipped.get(one.measurement)) for one in settings.rules)]


def _own(one: RuleSetting, shipped: Rule | None) -> Rule:
    base = shipped or Rule(name=one.measurement, measurement=one.measurement)
    said = one.model_fields_set
    rule = replace(
        base,
        name=one.name or f"{one.measurement} of {one.model}",
        model=one.model, environment=one.environment, column=one.column,
        warn_above=one.warn_above, warn_below=one.warn_below, fail_above=one.fail_above, fail_below=one.fail_below,
        owner=one.owner, enabled=one.enabled,
    )
    # `clear` stands on the side of the fail limit it belongs to.
    rule = replace(rule, clear_above=one.clear) if one.fail_above is not None else replace(rule, clear_below=one.clear)
    changes = {
        "severity": Severity(one.severity), "runbook": one.runbook, "keep_firing": _zero_or_span(one.keep_firing),
        "for_": _zero_or_span(one.for_),
    }
    return replace(rule, **{name: value for name, value in changes.items() if name in said})  # type: ignore[arg-type]


def _zero_or_span(text: str) -> object:
    try:
        return parse_span(text)
    except ValueError:
        if text.strip() in ("0", "0s", "0m"):
            return parse_span("1s") * 0
        raise SettingsError(f"rules: {text!r} is not a length of time: write for example 15m") from None


def rotation_of(settings: Settings) -> Rotation:
    """Return the rotation of the settings.

    Raises:
        SettingsError: something in `[on_call]` cannot be read.
    """
    duty = settings.on_call
    people = {p.name: p for p in (_person(row) for row in duty.people)}
    zone = ZoneInfo(duty.time_zone)
    overrides = []
    for row in duty.overrides:
        name = str(row.get("person", ""))
        if name not in people:
            raise SettingsError(f"on_call.overrides names {name!r}, who is not in on_call.people: add them there")
        start, end = (_moment(row, key, zone) for key in ("start", "end"))
        overrides.append(Override(start=start, end=end, person=people[name]))
    shift = parse_span(duty.shift)
    return rotation(people=list(people.values()), handover=duty.handover, start=duty.start,
                    shift_days=max(1, shift.days), time_zone=duty.time_zone, overrides=overrides)


def _person(row: dict[str, object]) -> Person:
    name = row.get("name")
    reach = row.get("reach", [])
    if not isinstance(name, str) or not name or not isinstance(reach, list):
        raise SettingsError('on_call.people: each needs name = "…" and may have reach = ["mailto://…"]')
    return Person(name=name, reach=tuple(str(address) for address in reach))


def _moment(row: dict[str, object], key: str, zone: ZoneInfo) -> datetime:
    value = row.get(key)
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise SettingsError(f"on_call.overrides.{key} = {value!r} is no time: write 2026-01-05T09:00") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
