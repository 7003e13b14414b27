"""Runs for tests: as MLflow tells them, and as the mirror holds them; and a tracking server that is a list."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from services.adapters.registry_table import RegisteredVersion
from services.errors import SourceUnavailable
from services.training.run import TERMINAL, Kind, RawRun, Run


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def a_raw(run_id: str = "r1", *, start: datetime, took: timedelta | None = timedelta(minutes=30),
          status: str = "FINISHED", **more: Any) -> RawRun:
    end = ms(start + took) if took is not None and status in TERMINAL else None
    values: dict[str, Any] = {"experiment_id": "1", "experiment": "churn-exp", "tags": {"ops.pipeline": "churn"},
                              **more}
    return RawRun(run_id=run_id, status=status, start_ms=ms(start), end_ms=end, **values)


def a_run(run_id: str = "r1", *, start: datetime, took: timedelta | None = timedelta(minutes=30),
          status: str = "FINISHED", **more: Any) -> Run:
    values: dict[str, Any] = {"experiment_id": "1", "experiment": "churn-exp", "name": run_id, "pipeline": "churn",
                              "kind": Kind.TRAINING, "attributed": True, **more}
    end = start + took if took is not None and status in TERMINAL else None
    return Run(run_id=run_id, status=status, started_at=start, ended_at=end, **values)


class ListedSource:
    """A tracking server that is a list of runs; counts what it was asked, and can be switched off."""

    def __init__(self, runs: Sequence[RawRun] = (), *, page: int = 1000) -> None:
        self.runs = {r.run_id: r for r in runs}
        self.names = {"1": "churn-exp"}
        self.versions: list[RegisteredVersion] = []
        self.aliases: dict[tuple[str, str], str] = {}
        self.artifacts: dict[str, dict[str, str]] = {}
        self.down = False
        self.asked: list[str] = []
        self._page = page

    def put(self, *runs: RawRun) -> None:
        self.runs.update({r.run_id: r for r in runs})

    def change(self, run_id: str, **news: Any) -> None:
        self.runs[run_id] = replace(self.runs[run_id], **news)

    def _ask(self, what: str) -> None:
        if self.down:
            raise SourceUnavailable("MLflow at http://mlflow:5000 does not answer: check that it runs")
        self.asked.append(what)

    def _pages(self, found: list[RawRun]) -> Iterator[Sequence[RawRun]]:
        found = [replace(r, experiment=self.names[r.experiment_id]) for r in found]
        for start in range(0, len(found), self._page):
            yield found[start : start + self._page]

    def experiments(self) -> Mapping[str, str]:
        self._ask("experiments")
        return dict(self.names)

    def started_since(self, since: int, *, known: Sequence[str]) -> Iterator[Sequence[RawRun]]:
        self._ask("started")
        live = [r for r in self.runs.values()
                if not r.deleted and (r.start_ms or 0) > since and r.run_id not in known]
        return self._pages(sorted(live, key=lambda r: r.start_ms or 0))

    def ended_since(self, since: int, *, known: Sequence[str] = ()) -> Iterator[Sequence[RawRun]]:
        self._ask("ended")
        return self._pages([r for r in self.runs.values()
                            if not r.deleted and (r.end_ms or 0) > since and r.run_id not in known])

    def open_runs(self) -> Iterator[Sequence[RawRun]]:
        self._ask("open")
        return self._pages([r for r in self.runs.values() if not r.deleted and r.status not in TERMINAL])

    def by_ids(self, run_ids: Sequence[str]) -> Iterator[Sequence[RawRun]]:
        if run_ids:
            self._ask(f"ids {len(run_ids)}")
        return self._pages([self.runs[i] for i in run_ids if i in self.runs])

    def everything(self) -> Iterator[Sequence[RawRun]]:
        self._ask("everything")
        return self._pages(list(self.runs.values()))

    def registry(self) -> tuple[Sequence[RegisteredVersion], Mapping[tuple[str, str], str]]:
        self._ask("registry")
        return self.versions, self.aliases

    def texts(self, run_id: str) -> Mapping[str, str]:
        self._ask(f"texts {run_id}")
        return self.artifacts.get(run_id, {})
