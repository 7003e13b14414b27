"""What `interlock demo` does before anything is served: settings file, seed, first pass of the monitor."""

import socket
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Final

from services import bootstrap
from services.demo.configuration import configuration
from services.demo.home import write_configuration
from services.demo.profiles import Tell
from services.demo.releases import Personas
from services.demo.seed import Seeding
from services.monitor.tick import StepReport, run_pass
from services.settings import Settings, load

GATEWAY_PORT: Final = 8601


def configure(file: Path, *, port: int, today: date) -> Settings:
    """Write the settings file for this machine and this week, and read it back.

    Raises:
        Refused: there is a settings file that the demo did not write.
    """
    write_configuration(file, configuration(port=port, gateway_port=free_port(GATEWAY_PORT), today=today))
    return load(str(file))


def free_port(wanted: int) -> int:
    """Return the wanted port, or any free one of this machine when it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted


def seed(settings: Settings, personas: Personas, *, now: datetime, fast: bool, tell: Tell) -> Seeding:
    """Seed the home and its ops store; return what was seeded."""
    seeding = Seeding(services=bootstrap.build(settings), personas=personas, now=now, fast=fast, tell=tell)
    seeding.run()
    return seeding


def first_pass(services: bootstrap.Services, *, clock: Callable[[], datetime], tell: Tell) -> list[StepReport]:
    """Run one full pass of the monitor, step by step."""
    steps = bootstrap.build_steps(services)
    stage, done = "first pass of the monitor", 0

    def told(_: StepReport) -> None:
        nonlocal done
        done += 1
        tell(stage, done, len(steps))

    tell(stage, 0, len(steps))
    return run_pass(steps, bootstrap.SourceJournal(services.sources), clock=clock, told=told)
