"""Does it answer, how fast, how often, and with how many errors? One model in one environment."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from console import session
from console.charts import signals as charts
from console.queries import signals as queries
from console.widgets import cards, charting, links, meanings, pickers, status, tables, text
from services.core.measurement import Verdict

NAMES = ("outage", "error_share", "latency_p95_ms", "request_rate", "log_freshness", "quarantined_files")

now = session.now()


def draw_failure(failure: Mapping[str, Any], place: int) -> None:
    """Draw one failed request: what it was, what it said and where it was raised, and what was asked."""
    said, _, trace = str(failure["error"]).partition("\n")
    when = datetime.fromisoformat(str(failure["ts"]))
    lead = f"{failure['error_type']} of v{failure['version']}, {text.clock(when, now=now)}: {said or 'it said nothing'}"
    with st.expander(text.escape(lead), expanded=place == 0):
        text.note(f"request {failure['request_id'] or 'without an id'} as {failure['variant']}, one of "
                  f"{failure['of']:,} of its class")
        if trace:
            st.code(trace, language=None, wrap_lines=True)
        if failure["features"]:
            tables.table([{"feature": name, "value": value} for name, value in failure["features"].items()],
                         ["feature", "value"], alt="What was asked", name=f"failed-request-{place}", export=False,
                         stack=False)


with pickers.bar():
    model, environment, window = pickers.model(), pickers.environment(), pickers.window(now)
    back = pickers.compared()
found = queries.newest(model, environment, NAMES)
text.header("Serving", as_of=queries.as_of("serving"), now=now)
if not found:
    cards.empty(cards.Nothing.NEVER, f"Nothing was measured of {model} in {environment}",
                "run interlock monitor --once; a model that was not asked for a week is not measured")
else:
    status.counts(m.verdict for m, _ in found)
    with status.lines("serving"):
        for m, since in found:
            status.line(m.verdict, m.name.replace("_", " "), m.reason, since=since, now=now, kind=environment,
                        measure=m.name)
    links.to("model", f"All signals of {text.escape(model)}", icon=":material/arrow_forward:", model=model,
             environment=environment)

with cards.guard("traffic"):
    served = queries.served(model, environment, window.start, window.end)
    past = queries.served(model, environment, window.start - back, window.end - back) if back else None
    newest = {m.name: m for m, _ in found}
    p95 = newest.get("latency_p95_ms")
    if served.whole.rows == 0:
        cards.empty(cards.Nothing.NONE, f"No prediction of {model} in {environment} in this time range",
                    "choose a longer one, or see System for the log's state")
    else:
        share = served.whole.failed / served.whole.rows
        cards.facts([
            cards.Fact("predictions", text.number(served.whole.rows), "delivered or failed; shadow answers left out",
                       what="Requests of the time range, from hourly counts of the prediction log"),
            cards.Fact("latency p95", text.number(served.whole.latency.quantile(0.95), "ms"),
                       f"usual {text.number(p95.detail.get('history_p95'), 'ms')}" if p95 else "",
                       what="95% of answers were delivered at least this fast; from log-spaced counts, within 6%"),
            cards.Fact("errors", text.number(share, "%"), f"{served.whole.failed:,} requests",
                       Verdict.FAIL if newest.get("error_share") and newest["error_share"].verdict is Verdict.FAIL
                       else None, what="Failed requests / all requests of the time range, from the same counts"),
        ])
        usual = p95.detail.get("history_p95") if p95 else None
        sentence = p95.reason if p95 else "Latency over the time range"
        if past:
            sentence += f"; p95 was {text.number(past.whole.latency.quantile(0.95), 'ms')} a week before"
        text.section("Latency")
        text.sentence(f"{sentence}.")
        if any(row["ms"] is not None for row in served.quantiles):
            charting.draw(charts.latency(served.quantiles, usual, charting.palette(),
                                         before=queries.p95_then(past, back)), alt=sentence)
        text.section("Volume")
        rate = newest["request_rate"].reason if "request_rate" in newest else "Predictions over the time range"
        if past:
            rate += f"; {past.whole.rows:,} in the same hours a week before, {served.whole.rows:,} now"
        text.sentence(f"{rate}.")
        charting.draw(charts.volume(served.buckets, charting.palette(), before=queries.volume_then(past, back)),
                      alt=rate)
        text.section("By version")
        tables.table(served.versions, [tables.Column("version", "code"), tables.Column("predictions", "number"),
                                       tables.Column("failed", "number"), tables.Column("p50", "number", unit="ms"),
                                       tables.Column("p95", "number", unit="ms"),
                                       tables.Column("p99", "number", unit="ms")],
                     alt="Predictions, errors and latency of each version", name="serving-versions",
                     as_of=queries.as_of("serving"))
        if served.errors:
            text.section("Errors")
            tables.table(served.errors, ["error", tables.Column("requests", "number")],
                         alt="Classes of error, most frequent first", name="serving-errors")

with cards.guard("failed requests"):
    failures = queries.failed(model, environment)
    if failures:
        text.section("Failed requests, a few of each class")
        for place, failure in enumerate(failures):
            draw_failure(failure, place)
        text.note("Kept by the monitor when it last measured errors; features named sensitive are left out.")

meanings.explain(NAMES)
