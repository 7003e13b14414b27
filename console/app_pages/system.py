"""Is the house itself well? Sources with their age and errors, the monitor, what is connected, what is real."""

from console import session
from console.queries import system as queries
from console.widgets import cards, meanings, role_desk, status, tables, text
from services.core.measurement import Verdict

now = session.now()
found = queries.system()
text.header("System", as_of=found.as_of, now=now)

broken = [row for row in found.sources if row["status"] != "pass"]
if found.monitor is None and found.as_of:
    status.show(Verdict.FAIL, f"No monitor runs here: what is known is from {text.when(found.as_of, now=now)}. Start "
                              "interlock monitor; until then nothing is measured and no decision is carried out.")
elif found.monitor is None:
    status.show(Verdict.INCONCLUSIVE, "The monitor never ran here: start it with interlock monitor.")
elif found.monitor[1].timestamp() <= 0:  # a lease that was given back
    status.show(Verdict.FAIL, "No monitor holds the lease, the last one ended in order: start interlock monitor; until "
                              "then nothing is measured and no decision is carried out.")
elif found.monitor[1] < now:
    status.show(Verdict.FAIL, f"No monitor holds the lease since {text.when(found.monitor[1], now=now)}: start "
                              "interlock monitor; until then nothing is measured and no decision is carried out.")
else:
    status.show(Verdict.ERROR if broken else Verdict.PASS,
                f"{len(broken)} of {len(found.sources)} sources cannot be read; the rest keeps working."
                if broken else f"The monitor runs as {found.monitor[0]}; all {len(found.sources)} sources answer.")

text.section("Sources and steps, broken first")
if found.sources:
    tables.folded(
        found.sources,
        [tables.Column("status", "status", title="state"), tables.Column("source"),
         tables.Column("as_of", "ago", title="as of, ago"), tables.Column("took_s", "number", title="took", unit="s"),
         tables.Column("message")],
        alt="Every source and step of the monitor, with its age and last message", name="sources", as_of=found.as_of,
    )
else:
    cards.empty(cards.Nothing.NEVER, "No source was read yet", "run interlock monitor --once")

with cards.guard("what is real in this demo"):
    real = queries.demo_facts()
    if real:
        text.section("What is real here")
        columns = [tables.Column("what"), tables.Column("truth", title="is"), tables.Column("text", title="exactly")]
        tables.table(real, columns, alt="What is real, replayed, simulated or injected in this demo",
                     name="demo-facts", export=False)

with cards.guard("people and roles"):
    role_desk.draw(now=now)

text.section("What is connected")
facts = dict(found.facts)
with cards.guard("last backup"):
    backed = queries.last_backup()
    facts["Last backup"] = text.when(backed, now=now) if backed else "never by command: interlock backup FILE"
tables.table([{"what": name, "is": value} for name, value in facts.items()], ["what", "is"],
             alt="Version, stores and addresses of this installation", name="connected", export=False, stack=False)
meanings.explain(("monitor_step", "monitor_pause", "monitor_stopped", "quarantined_files", "audit_chain",
                  "denied_commands"))
