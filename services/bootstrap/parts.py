"""Processes: the supervisor and its parts, jobs, the gateway, and what the command line asks of the world."""

from collections.abc import Callable, Sequence
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any

from services.adapters.audit_table import signing_key
from services.adapters.notifier import Draw, Notifier, draws_nothing, send_by_apprise
from services.adapters.supervisor import ParentWatch, Supervisor
from services.bootstrap.passes import alerts_step
from services.bootstrap.rooms import Services
from services.bootstrap.targets import blast_radius
from services.bootstrap.together import measure_together
from services.core.measurement import worst
from services.core.window import TimeWindow, parse_span
from services.errors import OpsError
from services.monitor.pulse import Watch
from services.monitor.steps.sizes import JOB as SIZE
from services.settings import Settings

if TYPE_CHECKING:
    from services.adapters.candidate import Validator
    from services.adapters.doctor import Finding
    from services.adapters.metrics_server import MetricsServer


def announce(settings: Settings, *, pipeline: str, kind: str, team: str = "", environment: str = "") -> None:
    """Say which pipeline this process works for, so that what it uses of this machine is attributed to it."""
    from services.adapters.process_usage import announce as say

    say(settings.home_path, pipeline=pipeline, kind=kind, team=team, environment=environment)


def build_metrics(services: Services, *, clock: Callable[[], datetime]) -> "MetricsServer":
    """Return the running server that Prometheus scrapes."""
    from services.adapters.metrics_server import MetricsServer, OpsCollector

    collector = OpsCollector(services.measurements, services.incidents, services.sources, clock)
    return MetricsServer(collector, host="127.0.0.1", port=services.settings.monitor.metrics_port)


def examine(settings: Settings, *, now: datetime) -> "list[Finding]":
    """Return what `interlock doctor` found: one finding per connection that the settings name."""
    from services.adapters import doctor

    return doctor.examine(settings, now=now)


def inspector() -> ModuleType:
    """Return the functions with which `interlock init` looks at a team's own sources."""
    from services.adapters import inspect_sources

    return inspect_sources


def build_notifier(services: Services, *, draw: Draw = draws_nothing) -> Notifier:
    """Return what sends the waiting letters; `draw` makes the files that some of them carry."""
    return Notifier(table=services.notifications, send=send_by_apprise, draw=draw)


def build_watch(services: Services, *, now: datetime) -> Watch:
    """Return what notices, beside the passes, that none is finished; it begins to count now."""
    return Watch(states=services.sources, save=services.measurements.save,
                 alert=lambda moment: alerts_step(services).run(now=moment),
                 every=parse_span(services.settings.monitor.interval), began=now)


PartCommand = Callable[[str, int, str], Sequence[str]]


JobWork = Callable[[dict[str, Any], Callable[[float, str], None]], object]


def build_supervisor(services: Services, *, part_command: PartCommand, clock: Callable[[], datetime]) -> Supervisor:
    """Return the parent of the monitor's parts; `part_command` says how one is started."""
    return Supervisor(
        leases=services.leases,
        sources=services.sources,
        jobs=services.jobs,
        part_command=part_command,
        clock=clock,
        lease_length=parse_span(services.settings.monitor.lease),
        parts=("outbox", "notifier", "passes", *(("metrics",) if services.settings.monitor.metrics_port else ())),
    )


def parent_watch() -> ParentWatch:
    """Return what tells a part of the monitor that it must end."""
    return ParentWatch()


def build_validator(services: Services) -> "Validator":
    """Return what loads, scores and judges a registered version."""
    from services.adapters.candidate import Validator

    def champion(model: str) -> str:
        found = services.registry.champion(model)
        return found.version if found else ""

    return Validator(settings=services.settings, gates=services.gates, measurements=services.measurements,
                     champion_of=champion)


def build_jobs(services: Services, *, clock: Callable[[], datetime]) -> dict[str, JobWork]:
    """Return the kinds of work that a page may ask the monitor for: each takes its arguments and a progress call."""

    def validate(args: dict[str, Any], tell: Callable[[float, str], None]) -> dict[str, Any]:
        report = build_validator(services).validate(args["model"], args["version"], now=clock(), tell=tell)
        return {"verdict": str(report.verdict), "summary": report.summary()}

    def blast(args: dict[str, Any], tell: Callable[[float, str], None]) -> dict[str, Any]:
        release = services.releases.get(args["release"])
        found = blast_radius(services).measure(
            release.model, release.environment, version=release.version, against=release.back_to or release.champion,
            window=TimeWindow(release.created_at, clock()), tell=tell)
        return found.to_json()

    def together(args: dict[str, Any], tell: Callable[[float, str], None]) -> dict[str, Any]:
        found = measure_together(services, args["model"], environment=args["environment"], now=clock(), tell=tell)
        return {"verdict": str(worst(m.verdict for m in found)), "reasons": [m.reason for m in found]}

    def size(args: dict[str, Any], tell: Callable[[float, str], None]) -> dict[str, Any]:
        from services.adapters.model_size_reader import ModelSizeReader

        tell(0.1, f"loading {args['model']} v{args['version']}")
        tracking = services.settings.tracking
        read = ModelSizeReader(tracking_uri=services.settings.tracking_uri, registry_uri=tracking.registry_uri)
        found = read(args["model"], args["version"])
        services.sizes.save(args["model"], args["version"], found, now=clock())
        return dict(found)

    return {"validate": validate, "blast": blast, "together": together, SIZE: size}


def run_job(services: Services, job_id: str, *, clock: Callable[[], datetime]) -> None:
    """Do one claimed job in this process and store its result or its error."""
    job = services.jobs.get(job_id)
    work = build_jobs(services, clock=clock).get(job.kind)
    if work is None:
        services.jobs.finish(job_id, error=f"there is no kind of job named {job.kind}", now=clock())
        return
    try:
        result = work(job.args, lambda progress, doing: services.jobs.tell(job_id, progress=progress, doing=doing))
    except OpsError as error:
        services.jobs.finish(job_id, error=str(error), now=clock())
    else:
        services.jobs.finish(job_id, result=result, now=clock())


def run_waiting_jobs(services: Services, *, clock: Callable[[], datetime]) -> list[str]:
    """Do in this process whatever waits, for one who runs no supervisor; return what was done."""
    done = []
    while job := services.jobs.claim(now=clock()):
        run_job(services, job.id, clock=clock)
        ended = services.jobs.get(job.id)
        done.append(f"{job.kind} {' '.join(str(value) for value in job.args.values())}: {ended.error or ended.state}")
    return done


def audit_key() -> bytes:
    """Return the key that heads of the audit log are signed with, or refuse with what is missing."""
    return signing_key()


def run_gateway(
    settings: Settings, *, host: str | None = None, port: int | None = None, told: Callable[[str], None] | None = None,
) -> None:
    """Serve until told to stop."""
    from services.adapters import gateway_server

    gateway_server.run(settings, host=host, port=port, told=told)
