"""What the canary judge saw: the newest look at each metric, where a shadow differs, and every look for a replay."""

import streamlit as st

from console.queries.releases import Detail
from console.widgets import tables, text
from services.adapters.look_table import Looked
from services.releases.canary import Look, Metric


def judged(found: Detail) -> None:
    """Draw the newest look at each metric, and all looks for who wants to replay the verdict."""
    if not found.looks:
        return
    text.section("What the judge saw")
    newest = {looked.look.metric: looked for looked in found.looks}
    columns = [tables.Column("verdict", "status"), tables.Column("metric"), tables.Column("why"),
               tables.Column("n", "number", title="candidate requests"), tables.Column("e", "number", title="E"),
               tables.Column("limit", "number"), tables.Column("at", "time")]
    tables.table([_look(looked) for looked in newest.values()], columns, alt="Newest look at each metric",
                 name="looks", export=False)
    text.note("E grows while the candidate looks worse; reaching the limit rolls it back. It may be looked at after "
              "every request and still wrongs a harmless candidate in at most 5% of releases.")
    if Metric.PAIRS in newest:
        _pairs(newest[Metric.PAIRS].look)
    with st.expander(f"All {len(found.looks)} looks"):
        tables.table([_look(looked) for looked in reversed(found.looks)], columns, alt="Every look, newest first",
                     name="all-looks")


def _pairs(look: Look) -> None:
    """Draw where a shadow answers the same requests otherwise, and the requests whose answers are farthest apart."""
    worst, examples = look.detail.get("worst", []), look.detail.get("examples", [])
    if worst:
        text.section("Where the shadow differs most")
        tables.table(
            [{"segment": f"{row['column']} = {row['value']}", "share": text.number(row["differ"] / row["n"], "%"),
              "n": row["n"]}
             for row in worst],
            [tables.Column("segment"), tables.Column("share", title="answered differently"),
             tables.Column("n", "number", title="requests")],
            alt="Segments in which shadow and champion differ most", name="pairs-worst")
    if examples:
        text.section("Requests answered farthest apart")
        tables.table(
            [{name: _short(value) for name, value in row.items()} for row in examples],
            [tables.Column(name, "number" if name in {"champion", "shadow"} else "text") for name in examples[0]],
            alt="Example requests with both answers", name="pairs-examples")


def _short(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value


def _look(looked: Looked) -> dict[str, object]:
    look = looked.look
    return {"verdict": str(look.verdict), "metric": str(look.metric), "why": look.reason, "n": look.n_candidate,
            "e": look.value, "limit": look.threshold, "at": looked.at, "step": looked.step}
