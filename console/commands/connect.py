"""`interlock init` and `interlock doctor`: connect a team's own MLflow and log, and try every connection."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from console.commands.face import EXIT, AsJson, face, now, print_items, print_json
from services import bootstrap
from services.adapters.mlflow_words import shown
from services.core.measurement import worst
from services.errors import NotFound, Refused
from services.settings import load
from services.settings.load import FILE_NAME
from services.settings.propose import Proposal, Task, propose, render


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(init)
    app.command()(doctor)


def doctor(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Try every connection of the settings and say what is missing."""
    found = bootstrap.examine(face(ctx).settings, now=now())
    verdict = worst(f.verdict for f in found)
    items = [{"what": f.what, "verdict": str(f.verdict), "says": f.says} for f in found]
    if as_json:
        print_json({"as_of": now(), "verdict": str(verdict), "items": items})
    else:
        print_items(items, as_json=False, as_of=None, columns=("verdict", "what", "says"))
    # What a person chose to leave out (labels, an on-call list) is no reason to fail a deployment's check.
    raise typer.Exit(1 if EXIT[verdict] == 1 else 0)


Tracking = Annotated[str, typer.Option("--tracking", help="Address of the MLflow server, such as http://mlflow:5000.")]
Log = Annotated[str, typer.Option("--log", help="Folder or file of logged predictions: Parquet, JSON lines or CSV.")]
Labels = Annotated[str, typer.Option("--labels", help="Folder or file of labels; may come later.")]
ModelName = Annotated[str, typer.Option("--model", help="Registered model to watch.")]
Version = Annotated[str, typer.Option("--version", help="Version whose signature counts; else the champion.")]
TaskName = Annotated[str, typer.Option("--task", help="binary, multiclass or regression; else guessed.")]
Format = Annotated[str, typer.Option("--format", help="parquet, json or csv; else found by the files' names.")]
Column = Annotated[list[str], typer.Option("--column", help="OURS=THEIRS, such as timestamp=event_time; repeatable.")]
Yes = Annotated[bool, typer.Option("--yes", help="Write without asking.")]


def init(
    *, tracking: Tracking = "", log: Log = "", labels: Labels = "", model: ModelName = "", version: Version = "",
    task: TaskName = "", file_format: Format = "", column: Column = [], yes: Yes = False, as_json: AsJson = False,  # noqa: B006
) -> None:
    """Inspect an MLflow server and a log, propose the mapping, show a preview, write interlock.toml here."""
    target = Path.cwd() / FILE_NAME
    if target.exists():
        raise Refused(f"{target} exists already: move it away first, or add the model to it by hand")
    # What costs least is refused first: the log and the words are looked at before MLflow is asked.
    chosen_task, said = _task(task), _pairs(column)
    inspect = bootstrap.inspector()
    seen = inspect.log(log or _ask("Folder of logged predictions", "--log", "predictions"), file_format=file_format)
    tracking = tracking or _ask("Address of the MLflow server", "--tracking", "http://127.0.0.1:5000")
    names = inspect.models(tracking)
    if not names:
        raise NotFound(f"{shown(tracking)} has no registered model: register one, then run interlock init again")
    model = model or (names[0] if len(names) == 1 else _ask(f"Model ({', '.join(names)})", "--model", names[0]))
    found = inspect.model(tracking, model, version=version)
    first = propose(model, log_columns=list(seen.columns), inputs=list(found.inputs), given=said)
    distinct, whole = seen.variety(first.columns["prediction"]) if "prediction" in first.columns else (None, False)
    proposal = propose(model, log_columns=list(seen.columns), inputs=list(found.inputs), given=said,
                       distinct_predictions=distinct, whole_predictions=whole, task=chosen_task)
    text = render(proposal, tracking=_absolute(tracking), log=seen.path, file_format=seen.format,
                  labels=str(Path(labels).absolute()) if labels else "", user=bootstrap.os_claims().subject)
    if not as_json:
        _show(proposal, f"version {found.version}", seen.rows[:3])
    if proposal.missing:
        needed = ", ".join(f"--column {ours}=…" for ours in proposal.missing)
        raise NotFound(f"the log has no column that looks like {', '.join(proposal.missing)}; it has "
                       f"{', '.join(seen.columns)}. Say which with {needed}")
    if not as_json and not yes and not typer.confirm(f"\nWrite {target}?", default=True):
        raise typer.Exit(1)
    target.write_text(text, encoding="utf-8")
    load(str(target))  # what was just written must be readable
    if as_json:
        print_json({"written": str(target), "model": proposal.model, "task": proposal.task,
                    "columns": dict(proposal.columns), "features": list(proposal.features),
                    "not_logged": list(proposal.not_logged), "lacking": dict(proposal.lacking)})
        return
    typer.echo(f"\nwritten {target}. Next:\n  interlock monitor --once   reads everything once\n"
               "  interlock doctor           tries every connection\n  interlock console          shows the pages")


def _show(proposal: Proposal, version: str, rows: Sequence[Mapping[str, Any]]) -> None:
    typer.echo(f"\n{proposal.model} {version}: {proposal.task}, {len(proposal.features)} features\n")
    print_items([{"ours": ours, "in the log": theirs} for ours, theirs in proposal.columns.items()], as_json=False,
                as_of=None, empty="no column of the log was recognised")
    for name in proposal.not_logged:
        typer.echo(f"feature {name} is in the signature and not in the log: it cannot be watched")
    for ours, why in proposal.lacking.items():
        typer.echo(f"no {ours}: {why}")
    chosen = [*proposal.columns.values(), *proposal.features][:8]
    typer.echo("\nthe first rows, as they will be read:")
    print_items([{name: row.get(name) for name in chosen} for row in rows], as_json=False, as_of=None,
                empty="the log is empty")


def _ask(question: str, option: str, default: str) -> str:
    try:
        return str(typer.prompt(question, default=default))
    except (EOFError, typer.Abort) as error:
        raise Refused(f"nobody is there to ask: say {option}") from error


def _pairs(columns: Sequence[str]) -> dict[str, str]:
    found = dict(pair.partition("=")[::2] for pair in columns)
    if bad := [ours for ours, theirs in found.items() if not theirs]:
        raise Refused(f"--column {bad[0]} names no column of the log: write OURS=THEIRS")
    return found


def _task(name: str) -> Task | None:
    if not name:
        return None
    for known in get_args(Task):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise Refused(f"--task {name} is not known: choose one of {', '.join(get_args(Task))}")


def _absolute(uri: str) -> str:
    scheme, found, path = uri.partition(":///")
    if found and scheme == "sqlite" and not path.startswith("/"):
        return f"{scheme}:///{Path(path).absolute()}"
    return uri
