"""The manager's month on one screen: who, how much, until when, what to do; the evidence and every number below."""

from datetime import timedelta
from functools import partial

import streamlit as st

from console import session
from console.charts import quota as charts
from console.queries import report as queries
from console.reports.files import write
from console.reports.tables import sheets
from console.widgets import cards, charting, decide, meanings, pickers, tables, text
from services.core.access import Action, Actor
from services.core.window import HOUR, floor_to
from services.quota.meanings import REPORT
from services.quota.report import chart_of
from services.quota.report_words import headline, key, month_name, waste_line
from services.quota.screen import answers, rows, seen, teams

FORMS = {"pdf": "application/pdf", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
         "csv": "text/csv", "html": "text/html"}

now = session.now()
services = session.services()
line = pickers.bar()
with line:
    month = pickers.choice("month", queries.months(now), format_func=month_name)
reports = queries.issued(month)
report = reports[0] if reports else None
body = report.body if report else queries.preview(month, floor_to(now, HOUR))
signed = tuple((s.label, s.at, s.comment) for s in report.signatures) if report else ()
text.header(f"Quota report {month_name(month)}", as_of=report.issued_at if report else floor_to(now, HOUR), now=now,
            stale_after=timedelta(days=400) if report else 2 * HOUR)
pools = seen(body)
if not pools:
    cards.empty(cards.Nothing.NONE, f"No pool has a sample in {month_name(month)}",
                "choose another month, or see Quota")
    session.leave()

with line:
    for form, mime in FORMS.items():
        # Made when asked for: a PDF costs a second of drawing.
        st.download_button(form.upper(), data=partial(write, body, form, signed), on_click="ignore",
                           file_name=f"quota-{month}.{form}", mime=mime, key=f"file:{form}",
                           icon=":material/download:")
if report:
    names = f"signed by {', '.join(who for who, _, _ in signed)}" if signed else "not signed yet"
    text.note(f"Report {report.id}, {names}; issued {text.clock(report.issued_at, now=now)}. Its numbers are frozen.")
else:
    text.note("A preview: its numbers still follow corrected samples. Compared with "
              f"{month_name(body['compared_to'])}{'' if body['complete'] else ', the same days of it'}.")

cards.facts([cards.Fact(a.question, a.value, a.note, a.state) for a in answers(body)])
text.section("Decide")
if body["decisions"]:
    tables.table([{"what": f"{i}. {line['what']}", "why": line["why"]}
                  for i, line in enumerate(body["decisions"], start=1)],
                 [tables.Column("what", title="what to do"), tables.Column("why", title="because")],
                 alt="What to decide, most pressing first", name=f"decisions-{month}", export=False)
else:
    text.sentence("Nothing to decide: no pool is near its limit, no request is far above its use.")
text.section("Pools")
tables.table(rows(body), [
    tables.Column("state", "status"), "pool", tables.Column("share", "number", "share of offer", unit="%"),
    tables.Column("used"), tables.Column("change", title=f"on {month_name(body['compared_to'])}"),
    tables.Column("peak"), tables.Column("most", title="most by"), "wasted", "cost", "until"],
    alt="Every pool over the month, the one that presses most first", name=f"pools-{month}", export=False)


def issue(actor: Actor, _: str, op_id: str) -> str:
    """Freeze the month's numbers."""
    made = queries.preview(month, floor_to(now, HOUR))
    number = services.reports.issue(made, actor=actor, op_id=op_id, now=session.now())
    session.forget()
    return f"Report {number} of {month_name(month)} is issued; its numbers no longer change."


def sign(actor: Actor, reason: str, op_id: str) -> str:
    """Put the reader's name under the report shown."""
    if report is None:
        return "Issue the report first."
    services.reports.sign(report.id, seen=report.digest, comment=reason, actor=actor, op_id=op_id, now=session.now())
    session.forget()
    return f"You signed report {report.id} of {month_name(month)}."


text.section("Sign-off")
if report:
    # What came of issuing belongs to the form of the preview, which is gone.
    decide.outcome(f"report-{month}-preview")
for who, at, comment in signed:
    text.sentence(f"{who} signed on {text.clock(at, now=now)}" + (f": {comment}" if comment else "."))
decide.panel(
    key=f"report-{month}-{report.digest if report else 'preview'}",
    choices=[
        decide.Choice("Issue again" if report else "Issue", Action.ISSUE_REPORT, issue, primary=report is None,
                      reason_required=False,
                      why_not="" if body["complete"] else f"{month_name(month)} is not over: its numbers still move"),
        decide.Choice("Sign off", Action.SIGN_REPORT, sign, primary=report is not None,
                      why_not="" if report else "issue it first: a preview may still change"),
    ],
    now=now, ask="Comment, kept with the signature",
)

for pool in pools:
    words = headline(pool, body["compared_to"])
    text.section(f"{pool['pool']} over the month")
    text.sentence(f"{words}. {waste_line(pool)}")
    left, right = st.columns((5, 2), gap="medium")
    with left:
        charting.draw(charts.usage(chart_of(pool), charting.palette()), alt=words, height=230)
        text.note(key(pool))
    with right:
        charting.draw(charts.totals(teams(pool), charting.palette(), unit=pool["unit_hours"], by="team"),
                      alt=f"{pool['unit_hours']} by team", height=230)

for sheet in sheets(body):
    if sheet.title in ("Decisions", "Summary", "Flags"):
        continue
    with st.expander(f"{text.escape(sheet.title)}: every number"):
        whole = [*sheet.rows, *((sheet.total,) if sheet.total else ())]
        columns = [tables.Column(name, "number" if any(isinstance(r[i], int | float) for r in sheet.rows) else "text")
                   for i, name in enumerate(sheet.columns)]
        tables.table([dict(zip(sheet.columns, row, strict=True)) for row in whole], columns, alt=sheet.title,
                     name=f"report-{month}-{sheet.title}", as_of=report.issued_at if report else None, export=False)

if body["flags"]:
    text.section("What to know about these numbers")
    for flag in body["flags"]:
        text.note(flag)
meanings.explain((), also=REPORT)
