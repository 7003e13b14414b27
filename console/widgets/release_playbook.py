"""What to do when a deployment failed: what was checked, what can be run from here, and what people recorded."""

from datetime import datetime
from typing import Any

import streamlit as st

from console import session
from console.queries.releases import Detail, blasts
from console.widgets import cards, decide, links, pickers, status, text
from services.core.access import Action, Actor
from services.core.measurement import Verdict
from services.releases import playbook as plays
from services.releases import recover
from services.releases.operations import OpState
from services.releases.playbook import STEPS, Outcome, Recorded


def playbook(found: Detail, now: datetime) -> None:
    """Draw the playbook of a release that failed; nothing for one that did not."""
    release = found.release
    if not plays.opens(release):
        return
    newest = {looked.look.metric: looked.look for looked in found.looks}
    unfinished = sum(row.state in {OpState.PENDING, OpState.BLOCKED} for row in found.operations)
    recorded = plays.outcomes(found.timeline)
    keys = {name: key for key, name in STEPS.items()}
    text.section("The deployment failed: what to do now")
    with status.lines("playbook"):
        for check in plays.checks(release, found.place, list(newest.values()), unfinished=unfinished):
            done = recorded.get(keys[check.name])
            said = f" · {done.outcome}, {done.who}: {done.said}" if done else ""
            status.line(_shown(check.verdict, done), check.name, f"{check.found}{said}", now=release.since)
    _blast(found, now)
    with st.expander("Record what came of a step", expanded=False):
        _record(found, now)


def _shown(found: Verdict, recorded: Recorded | None) -> Verdict | None:
    """Return the state of a step: what was checked stands; what is left to people waits until somebody recorded it."""
    if found is not Verdict.INCONCLUSIVE:
        return found
    if recorded is None:
        return None
    return Verdict.FAIL if recorded.outcome is Outcome.FAILED else Verdict.PASS


def _blast(found: Detail, now: datetime) -> None:
    """Draw how far the version reached, or the button that has it counted."""
    release = found.release
    newest = blasts(release.id)
    if newest is not None and newest["state"] == "done":
        text.sentence(f"{newest['result']['sentence']}.")
    elif newest is not None and newest["error"]:
        cards.failed(f"How far v{release.version} reached was not counted", newest["error"])
    elif newest is not None:
        cards.working(f"Counting how far v{release.version} reached", doing=newest["doing"],
                      progress=newest["progress"], asked=newest["asked"], now=now)
    else:
        text.note(f"v{release.version} answered {found.predictions:,} requests in {release.environment} since it was "
                  "proposed, by the hours counted so far.")

    def ask(actor: Actor, _reason: str, op_id: str) -> str:
        job = session.services().jobs.enqueue("blast", {"release": release.id, "model": release.model}, actor=actor,
                                              op_id=op_id, now=session.now())
        return f"job {job}: the monitor counts from the log and answers the same requests again"

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        decide.quick(f"blast-{release.id}", decide.Choice("Count the blast radius", Action.RUN_JOB, ask), now=now,
                     model=release.model, environment=release.environment, outcome_key=f"blast-{release.id}",
                     kind="secondary")
        links.to("runbooks", "Runbook: a deployment failed", runbook="deployment-failed")
    decide.outcome(f"blast-{release.id}")


def _record(found: Detail, now: datetime) -> None:
    release = found.release
    with pickers.bar("playbook"):
        step = pickers.choice("step", list(STEPS.values()), label="Step")
        outcome = pickers.choice("outcome", [str(o) for o in Outcome], label="Outcome")
    key = next(key for key, name in STEPS.items() if name == step)

    def do(actor: Actor, reason: str, op_id: str) -> str:
        done: dict[str, Any] = recover.record_step(
            session.services().desk, release.id, step=key, outcome=Outcome(outcome), actor=actor, reason=reason,
            op_id=op_id, now=session.now())
        return f"{done['release']}: {step}, {done['outcome']}"

    decide.panel(f"playbook-{release.id}-{key}", [decide.Choice("Record", Action.ROLL_BACK, do)], now=now,
                 model=release.model, environment=release.environment, ask="What was found or done")
