"""Runbooks: the five documents on deployment first, then what each alert means, what to do, and whom to wake."""

from console import session
from console.queries import deployment
from console.queries import incidents as queries
from console.widgets import cards, html, links, pickers, tables, text
from services.alerts.runbook import Runbook

DEPLOYMENT = ("deploy-approvals", "deploy-into-production", "deploy-where", "deploy-failed", "deploy-roll-back")
now = session.now()
text.header("Runbooks", as_of=now, now=now)


def draw(book: Runbook) -> None:
    """Draw one runbook. A team's own file is text from outside: its Markdown is shown as written, not rendered."""
    text.section(f"{book.title} · {book.origin}")
    text.sentence(book.means)
    for heading, body in book.sections:
        text.section(heading)
        lines = [line.removeprefix("- ").replace("**", "") for line in body.splitlines() if line.strip()]
        html.draw(html.el("ul", *(html.el("li", html.coded(line)) for line in lines), cls="il il-prose"))
    if book.steps:
        text.section("Steps")
        steps = [html.coded(step.replace("**", "")) for step in book.steps]
        html.draw(html.el("ol", *(html.el("li", step) for step in steps), cls="il il-prose"))


def draw_here(name: str) -> None:
    """Draw what a deployment document means on this installation, read from its settings and its store."""
    if name == "deploy-approvals":
        text.section("Here")
        tables.table(deployment.signatures(), ["model", "environment", *(
            tables.Column(key, "number", title) for key, title in (
                ("start", "to start"), ("increase", "to increase"), ("promote", "to promote")))],
                     alt="Signatures required on this installation", name="signatures")
    if name == "deploy-where":
        text.section("Here")
        tables.table(deployment.places(), ["environment", "target", "address", "serving"],
                     alt="Where models are deployed on this installation", name="places")


def draw_rules(name: str) -> None:
    """Draw the rules that lead to a runbook, and the incidents that are open under it."""
    rules = [r for r in queries.rules() if r.runbook == name]
    if rules:
        text.section("Rules that lead here")
        tables.table([{"rule": r.name, "measurement": r.measurement, "severity": str(r.severity)} for r in rules],
                     ["rule", "measurement", "severity"], alt="Rules that lead to this runbook", name="runbook-rules")
    for incident in [i for i in queries.listed(resolved=False)[0] if i.runbook == name][:5]:
        links.to("incidents", f"Open now: {text.escape(incident.title)}", incident=incident.id)


with cards.guard("runbooks"):
    books = queries.runbooks()
    text.note("Every team must have five documents: " + " · ".join(books[n].title for n in DEPLOYMENT if n in books)
              + ". They stand first; a runbook for every alert follows.")
    names = [*(n for n in DEPLOYMENT if n in books),
             *sorted((n for n in books if n not in DEPLOYMENT), key=lambda n: books[n].title)]
    chosen = pickers.choice("runbook", names, label="Runbook", format_func=lambda n: books[n].title, width=420)
    draw(books[chosen])
    with cards.guard("what it means here"):
        draw_here(chosen)
    draw_rules(chosen)
