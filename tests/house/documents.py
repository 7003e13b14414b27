"""Documents that are drawn from the code: run `python -m tests.house.documents` after changing what they tell.

tests/house/test_docs.py compares the files with what is drawn here.
"""

import inspect
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from services.core.access import ALLOWED, Action, Role
from services.predictions.schema import LABEL_COLUMNS, PREDICTION_COLUMNS
from services.releases.machine import TRANSITIONS
from services.releases.release import HOLDING
from services.settings.sections import Settings

_SETTINGS_HEAD = """# Settings

One file, `interlock.toml`, found by `--config`, by `INTERLOCK_CONFIG`, or in the working directory. Any value of a
section can be set by the environment as `INTERLOCK_SECTION__KEY`; secrets only so. Relative paths are read from the
folder of the file. Unknown keys and impossible values are refused at start, with the key, the value and what would be
right.

Secrets: `INTERLOCK_TOKEN` (who is asking at the command line), `INTERLOCK_AUDIT_KEY` (signs the head of the audit log),
`INTERLOCK_GATEWAY_TOKEN` (the gateway's control address), `INTERLOCK_OIDC_SECRET` (the client's secret at the identity
provider), `INTERLOCK_COOKIE_SECRET` (signs the console's cookies; the same for every replica), `INTERLOCK_PROXY_SECRET`
(what the proxy in front must say before its headers count).
"""

DOCS = Path(__file__).parents[2] / "docs"


def roles() -> str:
    """Return the table of commands and roles."""
    head = "| may | " + " | ".join(Role) + " |\n|---|" + "---|" * len(Role)
    rows = [
        f"| {action} | " + " | ".join("yes" if role in ALLOWED[action] else "" for role in Role) + " |"
        for action in Action
    ]
    return f"""# Who may do what

Roles are held per model and environment. The table is the code's own (`services/core/access.py`); it is checked in
services for every face, and a hidden button protects nothing.

{head}
{chr(10).join(rows)}

Beyond the table: the proposer and the last editor of a release never approve it; a rollback takes one person and no
approval.
"""


_LOG_HEAD = """# The prediction log and the label log

Both are append-only Parquet below `date=YYYY-MM-DD/`, a file written under a hidden name and then renamed. Somebody
else's log is mapped onto these names by `models.NAME.columns` ([settings](settings.md)); a column it lacks is taken
as empty, except a time and an answer. `error` is the gateway's and is read by Serving alone: without it failed requests
show their class and what was asked. How wrong input is told apart: [signals](signals.md), [drift](drift.md).
"""


def logs() -> str:
    """Return every column of the prediction log and of the label log."""
    parts = [_LOG_HEAD]
    for title, columns in (("Predictions", PREDICTION_COLUMNS), ("Labels", LABEL_COLUMNS)):
        rows = "\n".join(f"| `{name}` | {kind} | {meaning} |" for name, (kind, meaning) in columns.items())
        more = "\n| one per feature | any scalar | the value as served |" if title == "Predictions" else ""
        parts.append(f"## {title}\n\n| column | type | meaning |\n|---|---|---|\n{rows}{more}\n")
    return "\n".join(parts)


def settings() -> str:
    """Return every key that can be set, with its default and meaning."""
    parts = [_SETTINGS_HEAD]
    for name, field in Settings.model_fields.items():
        if field.exclude:
            continue
        section = _section(field.annotation)
        if section is None:
            continue
        outer = str(field.annotation)
        many, named = outer.startswith("list"), outer.startswith("dict")
        shape = f"[[{name}]]" if many else f"[{name}.NAME]" if named else f"[{name}]"
        parts += [f"## `{shape}`", "", " ".join((inspect.getdoc(section) or "").split()), ""]
        parts += ["| key | default |", "|---|---|"]
        parts += [f"| `{f.alias or key}` | {_default(f)} |" for key, f in section.model_fields.items()]
        parts.append("")
        for key, f in section.model_fields.items():
            inner = _section(f.annotation)
            if inner is not None:
                parts += [f"`{key}` holds:", "", "| key | default |", "|---|---|"]
                parts += [f"| `{g.alias or k}` | {_default(g)} |" for k, g in inner.model_fields.items()]
                parts.append("")
    return "\n".join(parts)


def release_states() -> str:
    """Return the release machine's table of states."""
    rows = [f"| {at} | {do} | {to} |" for (at, do), to in TRANSITIONS.items()]
    holding = ", ".join(sorted(HOLDING))
    return f"""# States of a release

Every command that a release obeys, and where it leads: the table of `services/releases/machine.py`. What is not listed
is refused, and the refusal names what is possible. Of the states {holding}, one release at a time may
hold each model and environment; the database itself refuses a second.

| at | on | goes to |
|---|---|---|
{chr(10).join(rows)}
"""


def _section(annotation: Any) -> type[BaseModel] | None:
    kinds = (annotation, *getattr(annotation, "__args__", ()))
    found = [k for k in kinds if inspect.isclass(k) and issubclass(k, BaseModel)]
    return found[-1] if found else None


def _default(field: Any) -> str:
    if field.is_required():
        return "must be set"
    value = field.default if field.default is not PydanticUndefined else field.default_factory()
    if isinstance(value, BaseModel):
        return "see below"
    if value in ("", None):
        return "not set"
    return f"`{json.dumps(value, default=lambda model: model.model_dump(by_alias=True))}`"


DRAWN = {"roles.md": roles, "settings.md": settings, "release-states.md": release_states, "logs.md": logs}

if __name__ == "__main__":
    for name, draw in DRAWN.items():
        (DOCS / name).write_text(draw())
