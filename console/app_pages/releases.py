"""Releases: what is on its way where, and one release with its evidence beside the buttons."""

import streamlit as st

from console import session, state
from console.queries import releases as queries
from console.widgets import (
    cards,
    meanings,
    pickers,
    release_docket,
    release_history,
    release_looks,
    release_notices,
    release_panel,
    release_playbook,
    release_view,
    status,
    tables,
    text,
    walk,
)
from services.core.signals import SIGNALS
from services.core.window import HOUR, floor_to
from services.errors import NotFound
from services.releases.meanings import NUMBERS, OF_ONE
from services.releases.options import standing, waits
from services.releases.reconcile import split_text
from services.releases.release import TERMINAL

ANY_MODEL, ANYWHERE = "every model", "every environment"

now = session.now()


def draw_list() -> None:
    """Draw releases under way, then those that ended; then the form for a new one."""
    with pickers.bar():
        model = pickers.choice("model", [ANY_MODEL, *session.settings().models], label="Model")
        environment = pickers.choice("environment", [ANYWHERE, *session.settings().environments], label="Environment")
    rows = queries.listed("" if model == ANY_MODEL else model, "" if environment == ANYWHERE else environment)
    text.header("Releases", as_of=now, now=now)
    release_notices.freezes(now)
    under_way = [row for row in rows if row["release"].state not in TERMINAL]
    text.section("Under way")
    hidden = [row for row in queries.listed("", "") if row["release"].state not in TERMINAL and row not in under_way]
    if hidden:  # the filter may come from another page, unnoticed
        nothing = "" if under_way else f"No release of {model} into {environment} is on its way; "
        text.sentence(f"{nothing}{len(hidden)} {'is' if len(hidden) == 1 else 'are'} elsewhere.")
        st.button("Show every release", key="releases:every", on_click=show_all, type="tertiary")
    elif not under_way:
        text.sentence("Nothing is on its way." if rows else "No release was proposed yet.")
    with status.lines("releases"):
        for row in sorted(under_way, key=lambda r: (not r["waits"], r["release"].since)):
            release = row["release"]
            due = release_notices.review_due(release, now)
            said = ", ".join(part for part in (str(release.state), row["waits"], release.note, due) if part)
            shown = None if waits(release) else standing(release)
            status.line(shown, release.name, said, since=release.since, now=now, kind=release.id,
                        to="releases", params={"release": release.id})
    with cards.guard("what is served"):
        draw_places()
    ended = [row["release"] for row in rows if row["release"].state in TERMINAL]
    if ended:
        text.section("Ended")
        tables.table(
            [{"id": r.id, "what": r.name, "kind": str(r.kind), "how": str(r.state), "at": r.since, "why": r.note,
              "to": f"/releases?release={r.id}"} for r in ended],
            [tables.Column("id", "code", to="to"), tables.Column("what"), tables.Column("kind"),
             tables.Column("how", title="ended as"), tables.Column("at", "time"), tables.Column("why")],
            alt="Releases that ended, newest first", name="releases-ended", as_of=now)
    if ended:
        with cards.guard("the numbers of releasing"):
            release_view.how_it_goes()
    text.section("Propose a release")
    release_panel.propose(now)
    meanings.explain(SIGNALS["release"], also=NUMBERS)


def show_all() -> None:
    """Take the list's filters away, for a callback."""
    state.put("model", ANY_MODEL)
    state.put("environment", ANYWHERE)


def draw_places() -> None:
    """Draw what is served where, as wanted and as last seen."""
    places = queries.places()
    if not places:
        return
    text.section("Served now")
    tables.table(
        [{"state": {"synced": "pass", "applying": "pass", "drifted": "fail"}.get(str(p.sync), "inconclusive"),
          "model": p.model, "environment": p.environment, "wanted": split_text(p.weights),
          "seen": split_text(p.observed) if p.observed_at else "not looked at yet", "at": p.observed_at,
          "message": p.message} for p in places],
        [tables.Column("state", "status"), tables.Column("model"), tables.Column("environment"),
         tables.Column("wanted"), tables.Column("seen", title="read back"), tables.Column("at", "ago", title="ago"),
         tables.Column("message")],
        alt="What should be served in each environment and what was read back", name="served-now", as_of=now)


def draw_one(release_id: str) -> None:
    """Draw one release: what changes, how sure, what if it goes wrong; then the decision; then its history."""
    try:
        found = queries.detail(release_id, floor_to(now, HOUR / 1800))
    except NotFound as error:
        text.header("Releases", as_of=now, now=now)
        cards.failed(f"{release_id} cannot be shown", error)
        return
    text.header(found.release.name, as_of=found.place.observed_at or now, now=now)
    release_notices.of_release(found, now)
    release_view.progress(found)
    release_playbook.playbook(found, now)
    release_docket.summary(found, now)
    release_panel.decide_on(found, now)
    with cards.guard("the evidence"):
        release_view.evidence(found)
    with cards.guard("what the judge saw"):
        release_looks.judged(found)
    with cards.guard("the rollout"):
        release_history.rollout(found, now)
    with cards.guard("the timeline"):
        release_history.timeline(found)
    meanings.explain(SIGNALS["release"], also=OF_ONE)


chosen = state.get("release")
if chosen:
    walk.through("release", [row["release"].id for row in queries.listed("", "")], chosen, what="releases",
                 within=(release_panel.BACK,))
    draw_one(chosen)
else:
    draw_list()
