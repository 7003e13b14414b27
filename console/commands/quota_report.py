"""`interlock quota report`: the manager's month as text or file; issuing and signing it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from console.commands.face import AsJson, Face, OpId, face, new_op_id, now, print_items, print_json
from services import bootstrap
from services.adapters.report_table import Report
from services.errors import Refused
from services.quota.report import build, last_month
from services.quota.report_words import headline, waste_line

Month = Annotated[str, typer.Option("--month", help="Such as 2026-10; the last whole month where left out.")]
Form = Annotated[str, typer.Option("--format", help="Write a file: pdf, xlsx, csv or html.")]
Out = Annotated[str, typer.Option("--out", help="The file to write; quota-MONTH.FORMAT here.")]
Issue = Annotated[bool, typer.Option("--issue", help="Freeze the month's numbers.")]
Sign = Annotated[str, typer.Option("--sign", help="Sign the month's newest issued report, with this comment.")]
Listed = Annotated[bool, typer.Option("--list", help="List the issued reports.")]


def report(
    ctx: typer.Context, month: Month = "", form: Form = "", out: Out = "", issue: Issue = False, sign: Sign = "",
    listed: Listed = False, op_id: OpId = "", *, as_json: AsJson = False,
) -> None:
    """Write the manager's month: who used what, what was wasted, when it ends, what to decide."""
    session = face(ctx)
    reports = session.services.reports
    if listed:
        print_items([_head(r) if as_json else _row(r) for r in reports.issued(month)], as_json=as_json, as_of=now(),
                    empty="no report was issued")
        return
    month = month or last_month(now())
    if issue:
        reports.issue(_built(session, month), actor=session.actor, op_id=op_id or new_op_id(), now=now())
    if sign:
        _sign(session, month, sign, op_id)
    found = next(iter(reports.issued(month)), None)
    body = found.body if found else _built(session, month)
    file = _write(body, found, form, out or f"quota-{month}.{form}") if form else None
    if as_json:
        print_json({"as_of": now(), **(_head(found) if found else {"report": None}), **body})
        return
    _say(body)
    if file:
        typer.echo(f"wrote {file}")


def _built(session: Face, month: str) -> dict[str, Any]:
    return build(month, bootstrap.report_inputs(session.services), now=now())


def _sign(session: Face, month: str, comment: str, op_id: str) -> None:
    reports = session.services.reports
    found = next(iter(reports.issued(month)), None)
    if found is None:
        raise Refused(f"no report of {month} was issued: issue it first with --issue")
    # One call may issue and sign; each is an operation of its own.
    reports.sign(found.id, seen=found.digest, comment=comment, actor=session.actor,
                 op_id=f"{op_id}-sign" if op_id else new_op_id(), now=now())


def _write(body: dict[str, Any], found: Report | None, form: str, name: str) -> Path:
    from console.reports.files import write

    signed = tuple((s.label, s.at, s.comment) for s in found.signatures) if found else ()
    content = write(body, form, signed)
    file = Path(name)
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}. Name another file with --out") from error
    return file


def _say(body: dict[str, Any]) -> None:
    for pool in body["pools"]:
        if pool["chart"]["lines"]:
            typer.echo(headline(pool, body["compared_to"]))
            typer.echo(f"  {waste_line(pool)}")
    for number, line in enumerate(body["decisions"], start=1):
        typer.echo(f"{number}. {line['what']}: {line['why']}")
    for flag in body["flags"]:
        typer.echo(f"flag: {flag}")


def _head(found: Report) -> dict[str, Any]:
    return {"report": found.id, "month": found.month, "issued_at": found.issued_at, "issued_by": found.issued_by,
            "digest": found.digest, "signed": [{"by": s.label, "at": s.at, "comment": s.comment}
                                               for s in found.signatures]}


def _row(found: Report) -> dict[str, Any]:
    signed = "; ".join(f"{s.label} {s.at:%Y-%m-%d}: {s.comment}" for s in found.signatures)
    return _head(found) | {"signed": signed or "by nobody yet"}
