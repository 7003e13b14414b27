"""Rules: when a measurement becomes an incident; replay a change before saving it, and see every version of it."""

from collections import Counter

import streamlit as st

from console import session
from console.queries import incidents as queries
from console.widgets import cards, decide, meanings, pickers, rule_form, tables, text
from services.alerts.backtest import backtest
from services.alerts.precision import noisy
from services.alerts.rule import Rule, Severity
from services.alerts.rules import differences, edit
from services.core.access import Action, Actor
from services.core.measurement import Verdict
from services.core.window import DAY, TimeWindow, span_text

now = session.now()
text.header("Rules", as_of=now, now=now)
rules = queries.rules()
marked = queries.marked()
versions = queries.rule_versions()


def draw_summary() -> None:
    """Say how many rules there are and how noisy they were."""
    kinds = Counter(r.severity for r in rules if r.enabled)
    off = sum(not r.enabled for r in rules)
    text.sentence(f"{len(rules)} rules: {kinds[Severity.PAGE]} wake somebody, {kinds[Severity.TICKET]} wait for "
                  f"working hours, {off} off; {len(versions)} edited here.")
    if loud := noisy(marked):
        names = "; ".join(f"{name}, {found} useful" for name, found in loud[:5])
        cards.notice(f"Noise, below one useful in two: {names}", state=Verdict.WARN,
                     detail="Raise a limit, let it be bad for longer, or make it a ticket; the replay below says what "
                            "that would have spared.")


def draw_edit() -> None:
    """Draw the form of one rule, what the change would have done, and the button that saves it."""
    text.section("Change a rule")
    name = pickers.choice("rule", [r.name for r in rules], label="Rule", width=320)
    rule = next(r for r in rules if r.name == name)
    changed = rule_form.draw(rule, models=list(session.settings().models), runbooks=sorted(queries.runbooks()))
    with cards.guard("replay"):
        draw_replay(changed)

    def save(actor: Actor, reason: str, op_id: str) -> str:
        done = edit(session.services().incidents, changed, actor=actor, reason=reason, op_id=op_id, now=session.now())
        return f"{done['rule']} is in force as version {done['version']} from the next pass on"

    decide.panel(key=f"rule-{name}", choices=[
        decide.Choice("Save rule", Action.EDIT_RULES, save, primary=True,
                      why_not="" if changed != rule else "nothing was changed"),
    ], now=now)
    draw_versions(name)


def draw_replay(changed: Rule) -> None:
    """Say when the changed rule would have fired over what is stored."""
    span = TimeWindow.last(30 * DAY, now=now)
    replayed = backtest(changed, session.services().measurements.history(span, name=changed.measurement))
    times = len(replayed.firings)
    text.sentence(f"Over the last 30 days this would have fired {times} time{'s' if times != 1 else ''} "
                  f"in {replayed.looks:,} measurements{', here:' if times else '.'}")
    if times:
        tables.table([{"began": f.began, "lasted": span_text((f.ended or now) - f.began), "subject": f.subject,
                       "column": f.column, "reason": f.reason} for f in replayed.firings[::-1][:50]],
                     [tables.Column("began", "time"), "lasted", "subject", "column", "reason"],
                     alt="When the rule would have fired, newest first", name="rule-backtest")


def draw_versions(name: str) -> None:
    """Draw every version of a rule that was saved here, newest first, with what each changed."""
    found = versions.get(name, [])
    if not found:
        text.note("As shipped or as the settings say: nobody has edited this rule here.")
        return
    before = [queries.origin(name), *(v.rule for v in found[:-1])]
    tables.table([{"version": v.version, "at": v.at, "by": v.by, "changed": differences(old, v.rule)}
                  for old, v in reversed(list(zip(before, found, strict=True)))],
                 [tables.Column("version", "number"), tables.Column("at", "time"), "by", "changed"],
                 alt="Versions of this rule, newest first", name="rule-versions")


def draw_all() -> None:
    """Draw every rule in force: what was changed or is off openly, the others folded by whom they wake."""
    text.section("In force")
    own = [r for r in rules if r.name in versions or not r.enabled]
    if own:
        draw_some(own, "edited here or off", "rules-own")
    for severity, words in ((Severity.PAGE, "wake somebody"), (Severity.TICKET, "wait for working hours")):
        some = [r for r in rules if r.severity is severity and r not in own]
        if some:
            with st.expander(f"{len(some):,d} {text.escape(words)}"):
                draw_some(some, words, f"rules-{severity}")


def draw_some(some: list[Rule], words: str, name: str) -> None:
    """Draw some of the rules."""
    tables.table(
        [
            {"rule": r.name, "model": "every" if r.model == "*" else r.model, "severity": str(r.severity),
             "for": span_text(r.for_) if r.for_ else "at once", "runbook": r.runbook, "limit": rule_form.limits(r),
             "enabled": ("on" if r.enabled else "off") + (f", version {len(versions[r.name])}" if r.name in versions
                                                          else ""),
             "useful": str(marked.get(r.name, ""))}
            for r in some
        ],
        ["rule", "model", "severity", "for", "limit", "runbook", "enabled",
         tables.Column("useful", title="useful of marked")],
        alt=f"Rules in force: {words}", name=name,
    )


draw_summary()
draw_edit()
draw_all()
st.page_link("app_pages/runbooks.py", label="Runbooks")
meanings.explain(r.measurement for r in rules)
