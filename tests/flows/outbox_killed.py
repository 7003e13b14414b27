"""A monitor's outbox in a process that can be killed at a named point, over a real SQLite MLflow.

MLflow is imported once, here; each order on standard input is worked off in a fork of its own, so that a kill is a
real SIGKILL and what comes after begins with nothing in memory. The target keeps its state in a file.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import mlflow  # noqa: F401 -- once, before the forks

from services.adapters.mlflow_registry import MlflowRegistry
from services.adapters.ops_db import OpsDb
from services.adapters.outbox_table import OutboxTable
from services.adapters.release_table import ReleaseTable
from services.errors import SourceUnavailable
from services.monitor.beside import Beside
from services.monitor.decisions import Decisions
from services.monitor.outbox import OutboxWorker
from services.monitor.survey import Survey
from services.releases.progress import NOTHING_SEEN
from tests.fakes_target import FakeTarget
from tests.flows.test_release_survives_kill import TERMS

HOME = Path(sys.argv[1])


class FileTarget(FakeTarget):
    """A target that survives the process that drives it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def _place(self, model: str, environment: str):
        if self.file.exists():
            found = json.loads(self.file.read_text())
            place = super()._place(model, environment)
            place.generation, place.weights = found["generation"], found["weights"]
            place.loaded = set(found["loaded"])
        return super()._place(model, environment)

    def _keep(self, model: str, environment: str) -> None:
        place = self._places[model, environment]
        self.file.write_text(json.dumps({"generation": place.generation, "weights": place.weights,
                                         "loaded": sorted(place.loaded), "refuses": self._refuses()}))

    def _refuses(self) -> str:
        """The version that gets no weight whatever is asked, or `every`."""
        return str(json.loads(self.file.read_text()).get("refuses", "")) if self.file.exists() else ""

    def load(self, model: str, environment: str, version: str) -> None:
        super().load(model, environment, version)
        self._keep(model, environment)

    def set_weights(self, model: str, environment: str, weights: Mapping[str, float], *, generation: int) -> None:
        if self._refuses() in {"every", *weights}:
            raise SourceUnavailable("the balancer behind it does not answer")
        super().set_weights(model, environment, weights, generation=generation)
        self._keep(model, environment)


def killing(thing: object, method: str, point: str, when: str) -> None:
    """Make a method kill this very process right before or after it does its work."""
    real: Callable[..., object] = getattr(thing, method)

    def wrapped(*args: object, **kwargs: object) -> object:
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
        return done

    def by_name(*args: object, **kwargs: object) -> object:
        name = args[1] if method == "set_alias" else point
        return wrapped(*args, **kwargs) if name == point else real(*args, **kwargs)

    setattr(thing, method, by_name)


def work(order: dict[str, str]) -> None:
    db = OpsDb(f"sqlite:///{HOME}/ops.db")
    registry, target = MlflowRegistry(f"sqlite:///{HOME}/mlflow.db"), FileTarget(HOME / "target.json")
    outbox, store, terms = OutboxTable(db), ReleaseTable(db), TERMS
    if at := order.get("kill"):
        method, when = at.split(":")[:2]
        thing = {"set_weights": target, "set_alias": registry, "set_tags": registry, "settle": outbox}[method]
        killing(thing, method, at.split(":")[2] if at.count(":") == 2 else method, when)
    decisions = Decisions(store=store, outbox=outbox, registry=registry, targets=lambda *_: target, terms=terms,
                          ruling=lambda _: NOTHING_SEEN)
    beside = Beside(patience_s=None)
    survey = Survey(store=store, registry=registry, targets=lambda *_: target, beside=beside,
                    written=outbox.tags_written)
    worker = OutboxWorker(store=store, outbox=outbox, registry=registry, targets=lambda *_: target,
                          decisions=decisions, survey=survey, beside=beside)
    now = datetime.fromisoformat(order["now"])
    while worker.run_due(fence=1, now=now):
        pass


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            work(json.loads(line))
        except BaseException as error:  # noqa: BLE001 -- the parent of this fork must hear of it
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
    sys.stdout.flush()
