"""Who holds the pools, how much, and until when?"""

from datetime import datetime

from console import session
from console.charts import quota as charts
from console.queries import quota as queries
from console.widgets import cards, charting, meanings, pickers, status, tables, text
from services.core.measurement import Why
from services.core.window import span_text
from services.quota.watch import FRESH
from services.quota.words import history_sentence, holders, standing_sentence, until_when

WATCHED = {"pool_used_pct": "near its limit", "pool_requested_pct": "requests near its limit",
           "usage_rate": "rate of use", "idle": "idle requests", "stuck_quota": "stuck quota",
           "errant_pipeline": "errant pipeline", "experiments_share": "experiments' share",
           "budget_burn": "budget burn", "two_pools": "in two pools"}

now = session.now()
pools = queries.pools()
as_of = max((p.as_of for p in pools if p.as_of), default=None)
text.header("Quota", as_of=as_of, now=now)
if not pools:
    cards.empty(cards.Nothing.NONE, "No pool is declared in interlock.toml",
                "add [[pools]] with name, resource and limit, and [[usage]] with where their use is read")
    session.leave()

with status.lines("pools"):
    for pool in pools:
        status.line(pool.verdict, pool.pool.name, pool.reason, since=pool.since, now=now,
                    kind=" ".join(x for x in (pool.pool.model, pool.pool.region) if x) or pool.pool.resource,
                    measure=next((m.name for m in pool.found if m.verdict is pool.verdict), ""))

with pickers.bar():
    chosen = pickers.choice("pool", [p.pool.name for p in pools])
    window = pickers.window(now, default="7d", spans=("24h", "7d", "30d", "90d", "365d"))
    back = pickers.compared()
pool = next(p for p in pools if p.pool.name == chosen)
unit = pool.pool.unit

held = queries.held(chosen)
ahead = next((m for m in pool.found if m.name == "pool_forecast"), None)
burn = next((m for m in pool.found if m.name == "budget_burn"), None)
if held:
    top = held.shares[0] if held.shares and held.shares[0].used else None
    most = cards.Fact("who", top.pipeline if top else "nobody named",
                      f"holds {text.number(top.used, unit)}" + (f", {top.team}" if top.team else "") if top
                      else f"{text.number(held.unattributed, unit)} are unattributed")
    if burn and burn.detail:
        share, hours = burn.detail["used_hours"] / burn.detail["budget"], pool.pool.unit_hours
        facts = [
            most,
            cards.Fact("spent", text.number(share, "%"), f"{burn.detail['used_hours']:,.0f} of "
                       f"{burn.detail['budget']:,.0f} {hours}", burn.verdict),
            cards.Fact("pace", f"{burn.value or 0.0:.2g} times even",
                       f"even is {text.number(held.limit, unit)} at once",
                       what="Spent share of the budget against the elapsed share of its period."),
            cards.Fact("until", text.clock(datetime.fromisoformat(burn.detail["period_end"]), now=now),
                       "the period's end"),
        ]
    else:
        used = next((m for m in pool.found if m.name == "pool_used_pct"), None)
        facts = [
            most,
            cards.Fact("how much", f"{held.used_pct:.0f}% of {text.number(held.limit, unit)}",
                       f"{text.number(held.used, unit)} in use", used.verdict if used else None,
                       what="The pool's own meter where it has one, else the sum of its pipelines."),
            cards.Fact("requested", text.number(held.requested, unit),
                       f"{text.number(held.held_idle, unit)} of it idle",
                       what="What active runs and serving declared; a scheduler refuses on this, not on use."),
            cards.Fact("free", text.number(held.unallocated, unit), "neither requested nor used"),
            cards.Fact("until", *until_when(ahead), state=ahead.verdict if ahead and ahead.why is Why.NONE else None,
                       what="Damped trend on daily peaks, simulated 1,000 times: the share of paths that touch the "
                            "limit."),
        ]
    cards.facts(facts)
    text.sentence(standing_sentence(held))
    if ahead:
        text.sentence(f"{ahead.reason}.")
else:
    cards.empty(cards.Nothing.STALE if pool.as_of else cards.Nothing.NEVER,
                f"{chosen} has no sample of the last {span_text(FRESH)}", "see its source on the System page")

with cards.guard("history"):
    found = queries.usage(chosen, window.start, window.end)
    text.section("Over time")
    if found.lines:
        words = history_sentence(found)
        text.sentence(words)
        past = queries.usage(chosen, window.start - back, window.end - back) if back else None
        before = [{"at": line.at + back, "before": line.used} for line in past.lines] if past and back else []
        chart = charts.usage(found, charting.palette(), forecast=queries.fan(pool, found.grain), before=before)
        charting.draw(chart, alt=words, height=260)
        text.note(f"Stacked: mean per {found.grain}. Solid line: requested. Dotted: peak. "
                  f"Origin of the samples: {', '.join(found.origins)}.")
    else:
        cards.empty(cards.Nothing.FILTERED, f"No sample of {chosen} in the last {span_text(window.length)}",
                    "choose a longer time range")

if held:
    text.section("Who holds it now")
    tables.table(
        holders(held),
        ["pipeline", "kind", "team", "environment", tables.Column("used", "number", unit=unit),
         tables.Column("requested", "number", unit=unit), tables.Column("share", "number", "share of limit",
                                                                        unit="%")],
        alt=f"Who holds {chosen}; the rows add up to its limit", name=f"quota-{chosen}", as_of=held.at,
    )

others = [m for m in pool.found if m.name != "pool_forecast"]
if others:
    text.section("What is watched")
    tables.table(
        [{"state": str(m.verdict), "what": WATCHED.get(m.name, m.name), "of": m.column, "said": m.reason, "at": m.at}
         for m in others],
        [tables.Column("state", "status"), tables.Column("what"), tables.Column("of", title="pipeline"),
         tables.Column("said", title="found"), tables.Column("at", "ago", "measured")],
        alt=f"Every measurement of {chosen}, worst first", name=f"watched-{chosen}", as_of=pool.as_of)

meanings.explain([*(m.name for m in pool.found), "budget_burn"])
