"""Audit: who decided what, when, why, on which evidence; does the record hold; and what was serving at a time?"""

from datetime import UTC, datetime, timedelta

import streamlit as st

from console import session, state
from console.queries import audit as queries
from console.queries import releases as release_queries
from console.widgets import cards, pickers, status, tables, text
from services.core.measurement import Verdict
from services.core.window import HOUR, floor_to
from services.releases.reconcile import split_text

now = session.now()
with pickers.bar():
    window = pickers.window(now, default="7d")
    who = pickers.choice("by", ["people", "people and the system"], label="By")
    about = pickers.choice("about", ["everything", "releases", "incidents", "models"], label="About")
subject = {"releases": "release:", "incidents": "incident:", "models": "model:"}.get(about, "")
# The window's end moves in steps of 15 s; what was decided a moment ago belongs on this page too.
rows = queries.rows(window.start, window.end + timedelta(seconds=15), subject, who == "people")
text.header("Audit", as_of=now, now=now)

with cards.guard("the state of the chain"):
    chain = queries.chain()
    if not chain.rows:
        status.show(Verdict.INCONCLUSIVE, "Nothing was recorded yet.")
    elif chain.faults:
        status.show(Verdict.FAIL, f"{len(chain.faults)} of {chain.rows:,} rows do not hold: {chain.faults[0].what}.")
    else:
        status.show(Verdict.PASS, f"All {chain.rows:,} rows follow from one another, checked "
                                  f"{text.when(min(chain.at, now), now=now)}.")
    text.note("The chain shows a changed, missing or inserted row. A cut-off tail or a chain written anew shows only "
              "against a signed head kept elsewhere: interlock audit export --head, then audit verify --anchor.")

text.section("Decisions")
if rows:
    tables.table(
        [{"seq": r.seq, "at": r.at, "who": r.label, "how": r.method, "what": r.action, "subject": r.subject,
          "why": r.reason, "seen": r.evidence[:12], "more": queries.told(r.detail),
          "to": f"/releases?release={r.subject.removeprefix('release:')}" if r.subject.startswith("release:") else ""}
         for r in rows],
        [tables.Column("seq", "number", title="row"), tables.Column("at", "time"), tables.Column("who"),
         tables.Column("how", title="known by"), tables.Column("what"), tables.Column("subject", to="to"),
         tables.Column("why"), tables.Column("seen", "code", title="evidence"),
         tables.Column("more", title="what it did")],
        alt="Decisions, newest first", name="audit", as_of=now)
else:
    cards.empty(cards.Nothing.FILTERED if chain.rows else cards.Nothing.NONE,
                "No decision in this window" if chain.rows else "Nothing was decided yet",
                "choose a longer time range" if chain.rows else "propose a release on the Releases page")

text.section("What was serving at")
asked = st.text_input("Time, UTC", value=state.get("at") or f"{floor_to(now, HOUR):%Y-%m-%d %H:%M}", key="serving-at",
                      max_chars=40)
try:
    moment = datetime.fromisoformat(asked)
except ValueError:
    cards.notice(f"{asked} is not a time: write for example 2026-11-24 14:05", state=Verdict.WARN)
else:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    state.put("at", moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M"))
    served = release_queries.serving_at(moment)
    if served:
        tables.table([{**row, "weights": split_text(row["weights"])} for row in served],
                     ["model", "environment", "weights", tables.Column("at", "time", title="since"), "release"],
                     alt="What was serving at that time, as read back from the targets", name="serving-at", as_of=now)
    else:
        text.note(f"Nothing had been released by {text.exact(moment)}.")
