"""`interlock quota fit|what-if|serving|estimate`: will it fit, and what does the next one need?"""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from console.commands.face import AsJson, Face, face, now, print_json
from services import bootstrap
from services.errors import NotFound, Refused
from services.quota.estimate import Wanted, checked, doubled, strangers
from services.quota.estimate import estimate as estimated
from services.quota.fit import Fit, Load, check, sentence
from services.quota.hardware import money, spent, taken
from services.quota.loads import loads
from services.quota.pool import Pool, PoolKind, limit_at
from services.quota.serving import RHO, replicas
from services.quota.suits import Served
from services.quota.watch import amount
from services.quota.what_if import Change
from services.quota.what_if import what_if as compared

PoolName = Annotated[str, typer.Option("--pool", help="The pool; may be left out where there is one.")]


def _pool(session: Face, name: str) -> tuple[Pool, float, list[Load]]:
    services, moment = session.services, now()
    if any(p.name == name and p.kind is PoolKind.BUDGET for p in services.pools):
        raise Refused(f"{name} is a budget: only its sum over the period counts, see interlock quota usage and report")
    # A calendar can be laid over capacity only, so a budget beside it leaves no doubt which pool is meant.
    offered = [p for p in services.pools if p.kind is PoolKind.CAPACITY]
    found = [p for p in offered if name in ("", p.name)]
    if len(found) != 1:
        known = ", ".join(p.name for p in offered) or "none is declared"
        raise NotFound(f"no pool {name} is declared: {known}" if name else f"name one pool with --pool: {known}")
    pool = found[0]
    limit = limit_at(services.quota.limits(pool.name), moment, otherwise=pool.limit)
    planned, runs = bootstrap.plan_inputs(services)
    return pool, limit, loads(pool, planned, services.quota, runs.lengths(now=moment), now=moment)


def _fit(found: Fit) -> dict[str, Any]:
    broken = found.broken
    return {
        "pool": found.pool.name, "unit": found.pool.unit, "fits": found.fits, "limit": found.limit,
        "headroom": found.headroom, "worst_case": found.worst_case, "experiments": found.experiments,
        "broken_hours": found.broken_hours, "what": sentence(found),
        "first_break": {"at": broken.at, "demand": broken.demand, "parts": dict(broken.parts), "move": broken.move,
                        "to": broken.to} if broken else None,
        "loads": [{"pipeline": x.pipeline, "kind": x.kind, "peak": x.peak, "schedule": x.schedule,
                   "length_s": x.length.total_seconds(), "source": x.source} for x in found.loads],
    }


def fit(ctx: typer.Context, pool: PoolName = "", *, as_json: AsJson = False) -> None:
    """Check that all pipelines fit over the next 14 days; exits 1 when an hour breaks, 3 when nothing is known."""
    own, limit, needs = _pool(face(ctx), pool)
    found = check(own, needs, limit=limit, now=now())
    if as_json:
        print_json({"as_of": now(), **_fit(found)})
    else:
        typer.echo(sentence(found) if needs else f"no pipeline uses or declares {own.name}")
    raise typer.Exit(3 if not needs else 0 if found.fits else 1)


def what_if(
    ctx: typer.Context, pool: PoolName = "",
    add: Annotated[str, typer.Option(help="NAME=UNITS@SCHEDULE@HOURS, such as 'new=8@0 2 * * *@3'.")] = "",
    grow: Annotated[list[str] | None, typer.Option(help="PIPELINE=FACTOR; serving=1.5 means all serving.")] = None,
    scale: Annotated[list[str] | None, typer.Option(help="PIPELINE=DEVICES.")] = None,
    faster: Annotated[float, typer.Option(help="New hardware: how many times faster a device works.")] = 1.0,
    lose: Annotated[float, typer.Option(help="Units of the pool that are lost, such as a node.")] = 0.0,
    limit: Annotated[float | None, typer.Option(help="Another limit.")] = None, *, as_json: AsJson = False,
) -> None:
    """Show the fit check before and after a change; exits 1 when it does not fit afterwards."""
    own, offered, needs = _pool(face(ctx), pool)
    change = Change(add=_added(add), grow=_pairs(grow, "--grow"), scale=_pairs(scale, "--scale"), faster=faster,
                    lose=lose, limit=limit)
    answer = compared(own, needs, change, limit=offered, now=now())
    if as_json:
        print_json({"as_of": now(), "before": _fit(answer.before), "after": _fit(answer.after)})
    else:
        typer.echo(f"before: {sentence(answer.before)}\nafter:  {sentence(answer.after)}")
    raise typer.Exit(0 if answer.after.fits else 1)


def serving(
    ctx: typer.Context,
    qps: Annotated[float | None, typer.Option(help="Requests per second in the busiest second.")] = None,
    service_ms: Annotated[float | None, typer.Option("--service-ms", help="How long one request is worked on.")] = None,
    model: Annotated[str, typer.Option(help="Take either from this model's last 7 days in production.")] = "",
    concurrency: Annotated[int, typer.Option(help="Requests that one replica works on at once.")] = 1,
    utilisation: Annotated[float, typer.Option(help="How busy replicas may be.")] = RHO,
    spare: Annotated[int, typer.Option(help="Replicas beyond need.")] = 1,
    units: Annotated[float, typer.Option(help="What one replica holds of the pool.")] = 1.0,
    target_ms: Annotated[float | None, typer.Option("--target-ms", help="Latency target.")] = None, *,
    as_json: AsJson = False,
) -> None:
    """Say how many replicas a rate of requests needs; exits 1 when the latency target does not hold."""
    known = _served(face(ctx), model) if model else None
    if known and qps is None and known.peak:
        qps = known.peak.qps
    if known and service_ms is None:
        service_ms = known.p50_ms
    if qps is None or service_ms is None:
        lacks = "--qps" if qps is None else "--service-ms"
        raise Refused(f"{lacks} is not known: give it, or --model NAME to take it from what was measured")
    need = replicas(qps, service_ms, concurrency=concurrency, utilisation=utilisation, spare=spare,
                    units_per_replica=units, target_ms=target_ms)
    if as_json:
        print_json({**asdict(need), "qps": qps, "service_ms": service_ms, "meets_target": need.meets_target,
                    "measured": asdict(known) if known else None})
    else:
        if known and known.peak:
            typer.echo(f"{known.model}: {qps:.3g} requests/s at {service_ms:.3g} ms. {known.peak.said}")
        verdict = {None: "", True: ", within the target", False: ", over the target"}[need.meets_target]
        typer.echo(f"{need.replicas} replicas ({need.busy} busy {100 * need.utilisation:.0f}% of the time, "
                   f"{need.replicas - need.busy} spare), {need.units:g} units; mean latency {need.latency_ms:.1f} ms, "
                   f"{need.wait_ms:.1f} ms of it waiting{verdict}")
    raise typer.Exit(1 if need.meets_target is False else 0)


def estimate(
    ctx: typer.Context, pool: PoolName = "",
    kind: Annotated[str, typer.Option(help="training, data or validation.")] = "training",
    pipeline: Annotated[str, typer.Option(help="Its name, when prototypes ran already.")] = "",
    rows: Annotated[float | None, typer.Option(help="Rows of data.")] = None,
    params: Annotated[float | None, typer.Option(help="Parameters of the model.")] = None,
    epochs: Annotated[float | None, typer.Option(help="How often it passes over its rows.")] = None,
    model_type: Annotated[str, typer.Option("--model-type", help="As runs log it, such as gradient-boosting.")] = "",
    framework: Annotated[str, typer.Option(help="Such as sklearn or keras.")] = "",
    hardware: Annotated[str, typer.Option(help="Hardware class.")] = "",
    devices: Annotated[float | None, typer.Option(help="Units to run on.")] = None, *, as_json: AsJson = False,
) -> None:
    """Estimate a new pipeline from similar runs; exits 3 when there are fewer than three."""
    session = face(ctx)
    own, _, _ = _pool(session, pool)
    _, runs = bootstrap.plan_inputs(session.services)
    past = runs.past(own.resource, now=now())
    wanted = checked(Wanted(pipeline=pipeline, kind=kind, rows=rows, params=params, epochs=epochs,
                            model_type=model_type, framework=framework, hardware=hardware, devices=devices))
    found = estimated(wanted, past, wasted_share=runs.wasted_share(now=now()))
    if as_json:
        print_json({"as_of": now(), **asdict(found)})
    elif found.why_not:
        typer.echo(found.why_not)
    else:
        hours, units = doubled(found)
        p50, p90, plan, twice = (spent(x, own.unit_hours) for x in (
            found.unit_hours_p50, found.unit_hours_p90, found.with_overhead, units))
        typer.echo(f"a run takes {taken(found.hours_p50)} (P90 {taken(found.hours_p90)}) and "
                   f"{p50} (P90 {p90}); request {found.request:g} {own.unit}; plan {plan} with failed runs and "
                   f"experiments; on twice as many {taken(hours)} and {twice}")
        for line in strangers(wanted, past):
            typer.echo(line)
        for n in found.neighbours:
            typer.echo(f"  {n.run.run_id} {n.run.pipeline}: {taken(n.run.hours)} on {amount(n.run.held, own.unit)}")
    raise typer.Exit(3 if found.why_not else 0)


def advise(ctx: typer.Context, pipeline: Annotated[str, typer.Argument(help="The pipeline.")], pool: PoolName = "", *,
           as_json: AsJson = False) -> None:
    """Say whether cheaper or faster hardware is known for a pipeline, how big its model is, and what suits it."""
    session = face(ctx)
    own, _, _ = _pool(session, pool)
    _, runs = bootstrap.plan_inputs(session.services)
    past = runs.past(own.resource, now=now())
    if pipeline not in {run.pipeline for run in past}:
        raise NotFound(f"no finished run of {pipeline} held any {own.unit} of {own.name}: see interlock runs")
    found = bootstrap.advice(session.services, pipeline, past, now=now())
    if as_json:
        print_json({"as_of": now(), **asdict(found)})
        return
    for question, answer in (("cheaper?", found.cheaper), ("faster?", found.faster), ("how big?", found.size),
                             ("trains on", found.trains_on), ("serves on", found.serves_on)):
        typer.echo(f"{question:<10} {answer}")
    for option in found.options:
        cost = f"{money(option.cost)} a run" if option.cost is not None else "no price"
        fits = "" if option.feasible else ", too little memory"
        typer.echo(f"  {option.hardware}: {taken(option.hours)}, {cost}{fits} ({option.source})")


def _served(session: Face, model: str) -> Served:
    known = session.settings.models
    if model not in known:
        raise NotFound(f"no model {model} is declared in the settings: choose one of {', '.join(known) or 'none'}")
    found = bootstrap.pipeline_models(session.services).served(model, now=now())
    if found is None:
        raise Refused(f"nobody asked {model} in production in the last 7 days: give --qps and --service-ms")
    return found


def _pairs(given: list[str] | None, option: str) -> tuple[tuple[str, float], ...]:
    found = []
    for text in given or []:
        name, _, value = text.rpartition("=")
        try:
            found.append((name, float(value)))
        except ValueError:
            raise Refused(f"{option} {text!r}: write PIPELINE=NUMBER") from None
    return tuple(found)


def _added(text: str) -> tuple[Load, ...]:
    if not text:
        return ()
    name, _, rest = text.partition("=")
    parts = rest.split("@")
    try:
        peak, schedule = float(parts[0]), parts[1] if len(parts) > 1 else ""
        length = timedelta(hours=float(parts[2]) if len(parts) > 2 else 1.0)
    except (ValueError, OverflowError):
        raise Refused(f"--add {text!r}: write NAME=UNITS@SCHEDULE@HOURS, such as 'new=8@0 2 * * *@3'") from None
    if not name or not timedelta(0) < length <= timedelta(days=366):
        raise Refused(f"--add {text!r}: it has a name, and a run takes more than no hour and at most a year")
    return (Load(pipeline=name, kind="training", peak=peak, schedule=schedule, length=length, source="asked"),)
