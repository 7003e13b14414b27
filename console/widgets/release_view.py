"""One release as it is shown: where it stands, what changes, how sure, what if it goes wrong, and its history."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import streamlit as st

from console.queries.releases import Detail, detail
from console.queries.releases import how_it_goes as queried_numbers
from console.widgets import release_docket, status, tables, text
from services.core.window import HOUR, floor_to
from services.releases.numbers import Number
from services.releases.options import standing, waits
from services.releases.release import TERMINAL, State, Sync

# While one of these holds, the monitor is at work and the page looks again by itself.
_MOVING: Final = frozenset({State.GATING, State.SCHEDULED, State.DEPLOYING, State.PROMOTING, State.ROLLING_BACK})


def progress(found: Detail) -> None:
    """Draw where the release stands; while the monitor works on it, look again every two seconds."""
    release = found.release
    if release.state in _MOVING or release.sync is Sync.APPLYING:
        _live(release.id, (release.revision, dict(found.place.observed)))
    else:
        _standing(found)


@st.fragment(run_every=2)
def _live(release_id: str, shown: tuple[int, dict[str, float]]) -> None:
    from console import session

    found = detail(release_id, floor_to(session.now(), HOUR / 1800))
    _standing(found)
    if (found.release.revision, dict(found.place.observed)) != shown:
        st.rerun()


def _standing(found: Detail) -> None:
    release = found.release
    signed = f", {len(found.signed)} of {found.needed} signed for {found.stage}" if found.stage else ""
    said = f"{release.id} is {release.state}{signed}. {release.note[:1].upper()}{release.note[1:]}".strip()
    if waits(release) or release.state in TERMINAL - {State.COMPLETED}:
        text.sentence(said)  # what nobody has decided on yet, or what ended otherwise, is neither fine nor failing now
    else:
        status.show(standing(release), said)
    release_docket.draw_way(found)


def evidence(found: Detail) -> None:
    """Draw gates, differences and the model card."""
    shown = found.release.evidence
    if not shown:
        return
    text.section("Gates")
    # Those that passed are counted above, and one click away: what is left to read is what an approver has to weigh.
    tables.folded(
        [{"status": g["verdict"], "gate": g["name"], "value": g["value"], "limit": g["threshold"],
          "why": g["reason"], "required": "yes" if g["required"] else ""} for g in shown["gates"]],
        [tables.Column("status", "status", title="verdict"), tables.Column("gate"), tables.Column("value"),
         tables.Column("limit"), tables.Column("why"), tables.Column("required")],
        alt="Gates of the candidate", name="gates")
    if shown.get("changes"):
        text.section("Candidate against champion")
        sure = any(change.get("interval") for change in shown["changes"])
        sides = ("champion", "candidate")
        tables.table([{**change, **{side: _moment(change[side], str(change["name"])) for side in sides},
                       "95%": _ends(change.get("interval"))} for change in shown["changes"]],
                     ["what", "name", "champion", "candidate", *(["95%"] if sure else [])],
                     alt="What differs between candidate and champion", name="changes")
    with st.expander("Model card"):
        card = shown["candidate"]
        tables.table([{"what": k.replace("_", " "), "is": _plain(v)} for k, v in card.items()], ["what", "is"],
                     alt="Model card of the candidate", name="card", export=False, stack=False)
        text.note(f"Approvals are bound to subject {found.release.subject_hash}")


def how_it_goes() -> None:
    """Draw the numbers of releasing, each with the releases behind it."""
    text.section("How releasing goes")
    tables.table(
        [{"what": n.name, "is": text.number(n.value, n.unit), "from": _behind(n)}
         for n in queried_numbers()],
        ["what", "is", "from"], alt="Lead time, wait, failure rate, time to recover", name="numbers")


def _behind(number: Number) -> str:
    """Return the releases a number was taken from, and those it leaves out."""
    taken = ", ".join(number.releases) or "no release yet"
    if number.of:
        failed = ", ".join(number.releases) or "none"
        return f"{failed} of {len(number.of)}: {', '.join(number.of)}"
    if not number.left_out:
        return taken
    return f"{taken}; left out: {', '.join(number.left_out)}, registered after the promotion or nobody knows when"


def _ends(interval: Sequence[float] | None) -> str:
    return " to ".join(text.number(end, digits=4) for end in interval) if interval else ""


def _moment(value: object, name: str) -> object:
    """Return what was logged as text as the time, or the number of rows, that it is: shown like every other."""
    if isinstance(value, str) and value.isdigit() and name.endswith("rows"):
        return int(value)
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else value
    except ValueError:
        return value
    return moment if not isinstance(moment, datetime) or moment.tzinfo else value


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_ends(v) if isinstance(v, list) else v}" for k, v in value.items()) or "none"
    return "unknown" if value is None else str(value)
