"""The first screen of a release: how far it has come, what changes, how sure, what if it goes wrong."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from console.queries.releases import Detail
from console.widgets import cards, status, text
from console.widgets.html import Html, draw, el, join
from services.core.measurement import Verdict
from services.core.window import span_text
from services.releases.canary import Metric
from services.releases.gate import better
from services.releases.preflight import preflight
from services.releases.release import HOLDING, State, Sync
from services.releases.way import Stand, way

_NAMED: Final = 5  # differences in the sentence; the table below has all
_OPEN: Final = 4  # gates that did not pass, with their reasons; the table below has all
_SAME_ROWS: Final = "quality against champion"  # the gate of the validation that compares both on the same rows
_MOVES: Final = 3
_CLASSES: Final = {Stand.DONE: "il-done", Stand.NOW: "il-now", Stand.AHEAD: "il-ahead", Stand.STOPPED: "il-stopped"}
_KINDS: Final[Mapping[str, str]] = {"param": "parameters", "input": "inputs", "output": "answers",
                                    "environment": "packages", "data": "data"}


def draw_way(found: Detail) -> None:
    """Draw the stops of the plan: behind, here, ahead, or where it was stopped."""
    stops = way(found.release, [str(row.detail.get("to", "")) for row in found.timeline])
    draw(el("ol", *(el("li", el("span", stop.name), cls=_CLASSES[stop.stand], aria_label=f"{stop.name}: {stop.stand}")
                    for stop in stops), cls="il il-way", aria_label="How far the release has come"))


def summary(found: Detail, now: datetime) -> None:
    """Draw the lines that a decision rests on."""
    voided = found.release.evidence.get("voided")
    if voided:
        cards.notice(f"The evidence was taken again: {voided}. Earlier signatures do not count.", state=Verdict.WARN)
    rows = [("What changes", _changes(found, now)), ("How sure", _sure(found)),
            ("If it goes wrong", _wrong(found, now)), ("Traffic", _traffic(found, now))]
    draw(el("dl", *(el("div", el("dt", name), el("dd", *lines)) for name, lines in rows if lines), cls="il il-docket"))


def _lead(*parts: object) -> Html:
    return el("p", *parts, cls="il-wrap")


def _more(*parts: object) -> Html:
    return el("p", *parts, cls="il-faint il-wrap")


def _changes(found: Detail, now: datetime) -> list[Html]:
    release = found.release
    changes: Sequence[Mapping[str, Any]] = release.evidence.get("changes", [])
    leading = [c for c in changes if c["what"] == "metric"][:_NAMED]
    others = [c for c in changes if c not in leading]
    said: list[object] = [el("b", f"v{release.champion or 'none'} → v{release.version}")]
    same = next((g for g in release.evidence.get("gates", []) if g["name"] == _SAME_ROWS
                 and g["verdict"] not in {Verdict.INCONCLUSIVE, Verdict.ERROR}), None)
    if same:
        said += [": ", el("span", f"on the same rows {same['reason']}")]
    elif leading:
        said += [": ", *_between([_moved(c) for c in leading])]
    elif not others:
        said.append(": nothing that was recorded" if release.evidence else ": the evidence is being gathered")
    lines = [_lead(*said)]
    if same and leading:
        # Each version was tested on rows of its own time: such numbers differ for that reason, too.
        lines.append(_more("As logged, each on a test set of its own: ", *_between([_moved(c) for c in leading]), "."))
    if others:
        lines.append(_more(_other_changes(others)))
    lines.append(_more(f"“{release.reason}”: {release.proposer_label}, {text.when(release.created_at, now=now)}. "
                       f"Plan {release.plan.name}: {release.plan.describe()}."))
    return lines


def _between(parts: Sequence[Html]) -> list[object]:
    return [piece for i, part in enumerate(parts) for piece in ((" · ", part) if i else (part,))]


def _moved(change: Mapping[str, Any]) -> Html:
    """Return one metric that moved; whether that is better is said in words, never by colour alone."""
    name, old, new = change["name"], change["champion"], change["candidate"]
    way_ = better(name)
    numbers = isinstance(old, int | float) and isinstance(new, int | float)
    said = "" if not (way_ and numbers) else "better" if (new - old) * way_ > 0 else "worse"
    if change.get("interval"):
        low, high = change["interval"]
        ends = f"95%: {_short(low)} to {_short(high)}"
        said = f"{ends}, so perhaps no difference" if numbers and low <= old <= high else f"{said}, {ends}".lstrip(", ")
    return el("span", f"{name} {_short(old)} → {_short(new)}" + (f" ({said})" if said else ""))


def _other_changes(others: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for kind, plural in _KINDS.items():
        names = [str(c["name"]).replace("_", " ") for c in others if c["what"] == kind]
        until = next((c for c in others if c["what"] == kind == "data" and c["name"] == "window_end"), None)
        if until and until["champion"] and until["candidate"]:
            parts.append(f"trained on data until {str(until['champion'])[:10]} → {str(until['candidate'])[:10]}")
        elif kind == "output" and names:
            parts.append("another kind of answer")
        elif names:
            shown = ", ".join(names[:_MOVES])
            parts.append(f"{plural} {shown}" + (f" and {len(names) - _MOVES} more" if len(names) > _MOVES else ""))
    for change in others:
        if change["name"] == "artefact bytes":
            parts.append(f"artefact {_size(change['champion'])} → {_size(change['candidate'])}")
        elif change["what"] == "cost":
            parts.append(f"training {_seconds(change['champion'])} → {_seconds(change['candidate'])}")
    return "Also: " + " · ".join(parts) + "." if parts else ""


def _sure(found: Detail) -> list[Html]:
    gates: Sequence[Mapping[str, Any]] = found.release.evidence.get("gates", [])
    if not gates:
        return [_lead("No gate was run yet: the monitor runs them next.")]
    names: dict[str, list[Mapping[str, Any]]] = {}
    for gate in gates:
        kind = "not run" if gate["verdict"] in {Verdict.INCONCLUSIVE, Verdict.ERROR} else gate["verdict"]
        names.setdefault(kind, []).append(gate)
    shown = [("pass", Verdict.PASS), ("warn", Verdict.WARN), ("fail", Verdict.FAIL), ("not run", Verdict.INCONCLUSIVE)]
    counted: list[object] = []
    for kind, verdict in shown:
        n = len(names.get(kind, []))
        if n or kind == "fail":
            word = f"{n} {kind}"
            counted += [" · " if counted else "", status.span(verdict, word) if n else el("span", word)]
    lines = [_lead("Gates: ", *counted)]
    # What fails first, then what says something new: metrics are told under what changes.
    open_ones = [*names.get("fail", []), *sorted([*names.get("warn", []), *names.get("not run", [])],
                                                 key=lambda gate: bool(better(gate["name"])))]
    if open_ones:
        told = open_ones[:_OPEN]
        more = f"; and {len(open_ones) - _OPEN} more in the table of gates" if len(open_ones) > _OPEN else ""
        lines.append(_more("; ".join(f"{g['name']}: {str(g['reason']).removeprefix('not run: ')}" for g in told), more))
    lines += [_more(status.span(advice["verdict"], advice["name"]), f": {advice['reason']}.")
              for advice in found.release.evidence.get("advice", []) if advice["verdict"] != Verdict.INCONCLUSIVE]
    lines += _judged(found)
    if found.stage:
        who = f" ({', '.join(a.label for a in found.signed)})" if found.signed else ""
        lines.append(_more(f"Signed for {found.stage}: {len(found.signed)} of {found.needed}{who}."))
    return lines


def _judged(found: Detail) -> list[Html]:
    """Return the judge's newest word on each metric that has one to say."""
    newest = {looked.look.metric: looked.look for looked in found.looks}
    told = [look for metric, look in newest.items() if metric is not Metric.SAMPLE_RATIO
            and (look.verdict is not Verdict.INCONCLUSIVE or metric in {Metric.ERRORS, Metric.PAIRS})]
    if not told:
        return []
    return [_lead("Judge: ", *(piece for i, look in enumerate(told) for piece in (
        " · " if i else "", status.span(look.verdict, str(look.metric)))))]


def _wrong(found: Detail, now: datetime) -> list[Html]:
    release = found.release
    if not release.champion:
        return [_lead("Nothing was served before: there is no version to go back to.")]
    if release.state is State.ROLLED_BACK:
        return [_lead(f"It went wrong, and v{release.back_to or release.champion} has the traffic again.")]
    lines = [_lead("Back to ", el("b", f"v{release.champion}"), " by one person, without approval"
                   + ("; it stays loaded until the soak has passed" if release.state in HOLDING else "") + ".")]
    drill = found.drill
    if drill is None or drill.version != release.champion:
        lines.append(_more(f"That v{release.champion} still loads was not proved by a drill yet."))
    else:
        lines.append(_more(status.span(drill.verdict, f"Last drill {text.when(drill.at, now=now)}"),
                           f": {drill.reason}."))
    ahead = preflight(release.plan, per_hour=found.per_hour)
    if ahead and release.state not in {State.COMPLETED, State.SOAKING}:
        lines.append(_more(ahead.sentence))
    return lines


def _traffic(found: Detail, now: datetime) -> list[Html]:
    release, place = found.release, found.place
    if release.state not in HOLDING | {State.COMPLETED}:
        expiry = release.expires_at if release.state in {State.AWAITING_START, State.SCHEDULED} else None
        return [_lead("None yet. It expires ", text.when(expiry, now=now), ", if it has not begun.")] if expiry else []
    seen = f"{place.observed.get(release.version, 0.0):g}%" if place.observed_at else "not yet"
    at = text.when(place.observed_at, now=now) if place.observed_at else ""
    lines = [_lead("Wanted ", el("b", f"{release.weight_pct:g}%"), f" for v{release.version} · read back ",
                   el("b", seen), " ", el("span", at, cls="il-faint"))]
    mine = place.release_id == release.id
    if mine:
        state = Verdict.FAIL if release.sync is Sync.DRIFTED else None
        said = place.message or f"{release.sync}, generation {release.generation}"
        lines.append(_more(join(status.span(state) if state else None, " " if state else None), said))
    return lines


def _short(value: object) -> str:
    """Return a value for a sentence; the table of all differences has it as well."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return text.number(value, digits=4)
    return "none" if value is None else str(value)


def _size(value: object) -> str:
    if not isinstance(value, int | float):
        return "unknown"
    return f"{value / 1e6:.3g} MB" if value >= 1e5 else f"{value / 1e3:.3g} kB"


def _seconds(value: object) -> str:
    if not isinstance(value, int | float):
        return "unknown"
    return f"{value:.2g} s" if value < 60 else span_text(timedelta(seconds=float(value)))
