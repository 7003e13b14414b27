"""`interlock quota`: who holds the pools, when they are full, and what comes next."""

from typing import Annotated, Any

import typer

from console.commands.face import EXIT, AsJson, face, now, print_items, print_json
from console.commands.quota_plan import advise, estimate, fit, serving, what_if
from console.commands.quota_report import report
from services import bootstrap
from services.core.measurement import Verdict, worst
from services.errors import NotFound
from services.quota import forecast as exhaustion
from services.quota.attribution import Standing
from services.quota.history import daily_peaks, now_held
from services.quota.pool import Pool, PoolKind, limit_at
from services.quota.words import holders, standing_sentence

PoolName = Annotated[str, typer.Option("--pool", help="One pool only.")]

quota = typer.Typer(no_args_is_help=True, help="Pools: who holds them, when they are full, what fits.")


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(quota, name="quota")
    for command in (report, fit, serving, estimate, advise):
        quota.command()(command)
    quota.command("what-if")(what_if)


def chosen(services: bootstrap.Services, name: str) -> list[Pool]:
    """Return the declared pools, or the named one.

    Raises:
        NotFound: no pool of that name is declared.
    """
    found = [pool for pool in services.pools if name in ("", pool.name)]
    if name and not found:
        known = ", ".join(pool.name for pool in services.pools) or "none"
        raise NotFound(f"no pool {name} is declared in the settings: choose one of {known}")
    return found


@quota.command()
def usage(ctx: typer.Context, pool: PoolName = "", *, as_json: AsJson = False) -> None:
    """Say who holds each pool now; the rows of a pool add up to its limit."""
    services = face(ctx).services
    moment = now()
    standings = [(p, now_held(services.quota, p, now=moment)) for p in chosen(services, pool)]
    as_of = max((held.at for _, held in standings if held), default=None)
    if as_json:
        print_json({"as_of": as_of, "items": [_item(p, held) for p, held in standings]})
        return
    for p, held in standings:
        if held is None:
            typer.echo(f"{p.name}: no fresh sample; run interlock monitor, and see its source with interlock status")
            continue
        typer.echo(f"{p.name}  {held.used_pct:.0f}% used. {standing_sentence(held)}")
        print_items([{**row, "unit": p.unit} for row in holders(held)], as_json=False, as_of=None,
                    columns=("pipeline", "kind", "team", "environment", "used", "requested", "share"))
    if as_of or not standings:
        typer.echo(f"as of {as_of:%Y-%m-%d %H:%M:%S} UTC" if as_of else "no pool is declared")


@quota.command()
def forecast(
    ctx: typer.Context, pool: PoolName = "",
    backtest: Annotated[bool, typer.Option("--backtest", help="How such forecasts fared on each pool's past.")] = False,
    origins: Annotated[int, typer.Option(min=1, max=365, help="How many past days the backtest tries.")] = 30, *,
    as_json: AsJson = False,
) -> None:
    """Say when each pool will be full: a probability within 7 and 30 days and a range of dates."""
    services = face(ctx).services
    moment = now()
    items: list[dict[str, Any]] = []
    for p in chosen(services, pool):
        if p.kind is PoolKind.BUDGET:
            items.append({"pool": p.name, "verdict": str(Verdict.INCONCLUSIVE), "what": f"{p.name} is a budget: its "
                          "pace over the period says when it ends, see interlock quota usage"})
            continue
        peaks = daily_peaks(services.quota, p, now=moment)
        limit = limit_at(services.quota.limits(p.name), moment, otherwise=p.limit)
        record = exhaustion.backtest(peaks, limit=limit, origins=origins) if backtest else None
        said = exhaustion.measure(p, peaks, limit=limit, now=moment, record=record)
        detail = said.detail
        items.append({
            "pool": p.name, "verdict": str(said.verdict), "what": said.reason, "daily_peaks": len(peaks),
            "limit": limit, "within_7_days": detail.get("p7"), "within_30_days": detail.get("p30"),
            "earliest": detail.get("earliest"), "likely": detail.get("likely"),
            **({"origins": record.origins, "right": record.right, "said": record.said, "came": record.came,
                "both": record.both, "hit_rate": record.hit_rate, "commoner_answer_right": record.base_right}
               if record else {}),
        })
    columns = ["pool", "what"] + (["origins", "right", "said", "came", "both"] if backtest else [])
    print_items(items, as_json=as_json, as_of=moment, columns=columns, empty="no pool is declared")


@quota.command()
def errant(ctx: typer.Context, pool: PoolName = "", *, as_json: AsJson = False) -> None:
    """Say which pipeline eats a pool: excess, since when, owner and victims. Exits 1 when one is critical."""
    services = face(ctx).services
    names = {p.name for p in chosen(services, pool)}
    found = [(m, since) for m, since in services.measurements.newest(name="errant_pipeline") if m.subject in names]
    loud = [(m, since) for m, since in found if m.verdict is not Verdict.PASS]
    print_items(
        [{"verdict": str(m.verdict), "pool": m.subject, "pipeline": m.column, "excess": m.value, "unit": m.unit,
          "what": m.reason, **{key: m.detail.get(key) for key in ("since", "usual", "owner", "victims")}}
         for m, _ in loud],
        as_json=as_json, as_of=max((m.at for m, _ in found), default=None), columns=("verdict", "pool", "what"),
        empty="no pipeline is far above its usual" if found else "never measured: run interlock monitor --once")
    raise typer.Exit(EXIT[worst(m.verdict for m, _ in found)])


def _item(pool: Pool, held: Standing | None) -> dict[str, Any]:
    head = {"pool": pool.name, "resource": pool.resource, "unit": pool.unit, "kind": str(pool.kind)}
    if held is None:
        return {**head, "at": None, "limit": pool.limit, "used": None, "requested": None, "holders": []}
    return {
        **head, "at": held.at, "limit": held.limit, "used": held.used, "used_pct": held.used_pct,
        "requested": held.requested, "requested_pct": held.requested_pct, "pending": held.pending,
        "unattributed": held.unattributed, "held_idle": held.held_idle, "unallocated": held.unallocated,
        "over": held.over, "origin": held.origin, "holders": holders(held),
    }
