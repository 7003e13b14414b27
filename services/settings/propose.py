"""Propose the settings of a model from what was found: its signature, and the columns of the log somebody else writes.

Finding them is in services/adapters/inspect_sources.py; a person confirms before anything is written.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from services.settings.sections import Columns

Task = Literal["binary", "multiclass", "regression"]

# Our name -> names that logs use for it, most telling first.
KNOWN_AS: Final[Mapping[str, tuple[str, ...]]] = {
    "request_id": ("request_id", "inference_id", "prediction_id", "databricks_request_id", "client_request_id",
                   "event_id", "uuid", "id"),
    "timestamp": ("ts", "timestamp", "event_time", "event_ts", "request_time", "timestamp_ms", "created_at", "datetime",
                  "time"),
    "version": ("model_version", "served_version", "served_entity_version", "version"),
    "variant": ("variant", "arm", "treatment"),
    "environment": ("environment", "env", "stage"),
    "entity_id": ("entity_id", "user_id", "customer_id", "account_id", "session_id"),
    "latency_ms": ("latency_ms", "execution_duration_ms", "execution_time_ms", "duration_ms", "latency"),
    "status": ("status", "status_code"),
    "prediction": ("prediction", "predicted", "y_pred", "output", "predicted_label", "response"),
    "score": ("score", "probability", "proba", "y_score", "confidence"),
}
# Without these a log says nothing at all; the others only narrow what can be watched.
NEEDED: Final = ("request_id", "timestamp", "prediction")
MANY_CLASSES: Final = 50
WITHOUT: Final[Mapping[str, str]] = {
    "version": "versions cannot be told apart",
    "latency_ms": "latency stays unsure",
    "environment": "everything counts as one environment",
    "status": "errors are not counted",
    "score": "calibration and AUC stay unsure",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What was understood. `columns` maps our name to the log's; `lacking` says what cannot be watched and why."""

    model: str
    task: Task
    columns: Mapping[str, str]
    features: Sequence[str]
    not_logged: Sequence[str] = ()
    missing: Sequence[str] = ()
    lacking: Mapping[str, str] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether the log can be read with this mapping."""
        return not self.missing and bool(self.features)


def propose(
    model: str, *, log_columns: Sequence[str], inputs: Sequence[str] = (), distinct_predictions: int | None = None,
    whole_predictions: bool = False, task: Task | None = None, given: Mapping[str, str] | None = None,
) -> Proposal:
    """Return the mapping that fits best; `given` mappings (our name to the log's) win over guesses.

    Args:
        model: the registered model.
        log_columns: the columns that the log has.
        inputs: feature names of the model's signature; empty when it has none, then every column left over counts.
        distinct_predictions: how many different predictions the sample holds.
        whole_predictions: whether they are labels rather than measurements (whole numbers, text or booleans).
        task: what the person said, else it is guessed from the predictions.
        given: mappings that the person said.
    """
    by_name = {column.lower(): column for column in reversed(log_columns)}
    said = {ours: theirs for ours, theirs in (given or {}).items() if theirs}
    features_first = {name.lower() for name in inputs}
    columns: dict[str, str] = {}
    for ours, names in KNOWN_AS.items():
        if ours in said:
            columns[ours] = said[ours]
            continue
        taken = set(columns.values())
        # A feature of that name (a model may well take `time`) is a feature first.
        found = next((by_name[n] for n in names if n in by_name and n not in features_first
                      and by_name[n] not in taken), None)
        if found is not None:
            columns[ours] = found
    used = set(columns.values())
    left = [c for c in log_columns if c not in used]
    features = [by_name[n.lower()] for n in inputs if n.lower() in by_name] if inputs else left
    return Proposal(
        model=model, task=task or _task(distinct_predictions, whole=whole_predictions), columns=columns,
        features=features, not_logged=[n for n in inputs if n.lower() not in by_name],
        missing=[ours for ours in NEEDED if ours not in columns],
        lacking={ours: why for ours, why in WITHOUT.items() if ours not in columns},
    )


def _task(distinct: int | None, *, whole: bool) -> Task:
    if distinct is not None and whole and distinct <= 2:
        return "binary"
    return "multiclass" if distinct is not None and whole and distinct <= MANY_CLASSES else "regression"


def render(
    proposal: Proposal, *, tracking: str, log: str, labels: str = "", file_format: str = "parquet", user: str = "",
) -> str:
    """Return `interlock.toml` as text: what was found, and comments for what a person may want to change."""
    lines = [
        "# Written by interlock init. Every key is told in docs/settings.md; interlock doctor checks the connections.",
        "", "[home]", 'path = ".interlock"', "", "[tracking]", f"uri = {_text(tracking)}", "",
        f"[models.{_key(proposal.model)}]", f"task = {_text(proposal.task)}", f"log = {_text(log)}",
    ]
    if file_format != "parquet":
        lines.append(f"format = {_text(file_format)}")
    if labels:
        lines.append(f"labels = {_text(labels)}")
    lines += ['label_maturity = "24h"  # how long until a label can be expected',
              f"features = [{', '.join(_text(name) for name in proposal.features)}]"]
    defaults = Columns()
    mapped = {ours: theirs for ours, theirs in proposal.columns.items() if getattr(defaults, ours) != theirs}
    if mapped:
        lines += ["", f"[models.{_key(proposal.model)}.columns]",
                  *(f"{ours} = {_text(theirs)}" for ours, theirs in mapped.items())]
    if user:
        lines += ["", "# Who may do what at the command line; sign-in for the pages is [console] sign_in.",
                  "[[roles]]", 'role = "admin"', 'issuer = "os"', f"subject = {_text(user)}"]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    plain = name.replace("-", "").replace("_", "")
    return name if plain.isascii() and plain.isalnum() else _text(name)
