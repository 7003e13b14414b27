"""What trainings logged as their inputs, through the real step: files and folders only, of the newest version only."""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import event

from services.adapters import logged_datasets
from services.adapters.incident_table import IncidentTable
from services.adapters.logged_datasets import LoggedDatasets, LoggedRows
from services.adapters.measurement_table import MeasurementTable
from services.adapters.notification_table import NotificationTable
from services.adapters.ops_db import OpsDb
from services.adapters.profile_engine import fit_baseline
from services.adapters.profile_table import BaselineTable, ProfileTable
from services.adapters.registry_table import RegisteredVersion, RegistryTable
from services.adapters.run_mirror import RunMirror
from services.adapters.schema_table import SchemaTable
from services.alerts.incident import State
from services.alerts.on_call import rotation
from services.core.window import HOUR
from services.errors import OpsError
from services.monitor.steps.alerts import AlertsStep
from services.monitor.steps.datasets import DatasetsStep
from services.settings.sections import Dataset
from services.training.inputs import MOST
from services.training.run import DataInput
from tests.conftest import NOW
from tests.training_fixtures import a_raw
from tests.unit.alerts.alert_builders import rule


def table(shift: float = 0.0, n: int = 3_000) -> pa.Table:
    amount = np.random.default_rng(4).normal(shift, 1, n)
    return pa.table({"amount": amount, "late": (amount > shift).astype(float)})


class House:
    """One model, whose version 1 serves and whose newer versions log data sets."""

    def __init__(self, folder: Path, db: OpsDb) -> None:
        self.folder, self.runs, self.registry = folder, RunMirror(db), RegistryTable(db)
        self.measurements, self.incidents, baselines = MeasurementTable(db), IncidentTable(db), BaselineTable(db)
        baselines.save(fit_baseline(table(n=12_000), features=["amount"], label="late").of_version("m", "1"), now=NOW)
        self.step = DatasetsStep(
            datasets=[], champion_of=lambda _model: "1", baselines=baselines, profiles=ProfileTable(db),
            schemas=SchemaTable(db), measurements=self.measurements,
            logged=LoggedDatasets({"m": "late"}, self.registry, self.runs))
        self.alerts = AlertsStep(
            measured=self.measurements, incidents=self.incidents, outbox=NotificationTable(db),
            rules=[rule(name="skew", measurement="skew", for_=timedelta())], urls=[], link="", repeat=4 * HOUR,
            escalate=HOUR, rotation=lambda _now: rotation(
                people=[], handover="Mon 09:00", start="2026-01-05", shift_days=7, time_zone="UTC"))

    def logs(self, version: int, given: Sequence[tuple[str, Path]]) -> None:
        """Register a version whose training logged these names and paths."""
        inputs = tuple(DataInput(name=name, digest="d", source="local", uri=str(path)) for name, path in given)
        self.runs.mirror([a_raw(f"r{version}", start=NOW, inputs=inputs)], now=NOW)
        self.registry.replace([RegisteredVersion(model="m", version=str(v), run_id=f"r{v}", created_at=NOW, status="",
                                                 source="") for v in range(1, version + 1)], {}, now=NOW)

    def subjects(self) -> set[str]:
        return {m.subject for m, _ in self.measurements.newest()}


@pytest.fixture
def house(tmp_path: Path, db: OpsDb) -> House:
    return House(tmp_path, db)


def test_an_input_that_the_next_version_does_not_log_is_asked_about_no_more_and_its_incident_ends(house: House):
    moved, steady = house.folder / "march.parquet", house.folder / "april.parquet"
    pq.write_table(table(0.8), moved)
    pq.write_table(table(), steady)
    house.logs(1, [("march", moved)])
    house.step.run(now=NOW)
    house.alerts.run(now=NOW)
    assert [i.subject for i in house.incidents.current(resolved_since=NOW)] == ["m-input-march"]

    later = NOW + timedelta(minutes=1)
    house.logs(2, [("april", steady)])
    house.step.run(now=later)
    house.alerts.run(now=later)
    assert house.subjects() == {"m-input-april"}
    (ended,) = house.incidents.current(resolved_since=NOW)
    assert ended.state is State.RESOLVED
    assert house.incidents.get(ended.id)[1][-1].text == "nobody asks about it any more"

    house.logs(3, [("march", moved)])
    house.step.run(now=later + timedelta(minutes=1))
    assert house.subjects() == {"m-input-march"}, "unchanged, and asked about again"


def test_inputs_beyond_the_most_of_a_run_are_counted_and_not_measured(house: House):
    file = house.folder / "fares.parquet"
    pq.write_table(table(), file)
    house.logs(1, [(f"day {n:02}", file) for n in range(MOST + 2)])
    assert house.step.run(now=NOW).endswith(f"of {MOST} data sets; 2 logged inputs left out, {MOST} of a run are "
                                            "measured")
    assert len(house.subjects()) == MOST


def test_a_pass_asks_the_store_no_more_for_more_models(house: House, db: OpsDb):
    file = house.folder / "fares.parquet"
    for day, runs in (("march", ("m2", "m9", "n9")), ("april", ("m10", "n10"))):
        inputs = (DataInput(name=day, digest="d", source="local", uri=str(file)),)
        house.runs.mirror([a_raw(run, start=NOW, inputs=inputs) for run in runs], now=NOW)
    house.registry.replace([
        RegisteredVersion(model=m, version=str(v), run_id=f"{m}{v}", created_at=NOW, status="", source="")
        for m in "mnop" for v in (9, 10, 2)], {}, now=NOW)
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _k, words, *_more: asked.append(words))
    for models in ("m", "mnopq"):
        asked.clear()
        found = LoggedDatasets(dict.fromkeys(models, ""), house.registry, house.runs)().datasets
        assert [d.name for d in found] == [f"{m}-input-april" for m in models if m in "mn"], "of version 10, not 9"
        assert len([words for words in asked if "SELECT" in words]) == 2


def logged(path: Path) -> LoggedRows:
    return LoggedRows("m-input-fares", path, Dataset(path=str(path), role="train", model="m"))


def test_only_files_and_folders_of_a_logged_path_are_read(tmp_path: Path):
    folder = tmp_path / "fares.parquet"
    (folder / "day").mkdir(parents=True)
    pq.write_table(table(n=3), folder / "day" / "a.parquet")
    os.mkfifo(folder / "b.parquet")
    (folder / "c.parquet").symlink_to("/dev/null")
    (folder / "d.parquet").symlink_to("/proc/self/status")
    (part,) = logged(folder).parts()
    assert part.files == (folder.resolve() / "day" / "a.parquet",)
    assert logged(tmp_path / "*.parquet").parts() == [], "a pattern is a name like any other"
    assert logged(tmp_path / "gone.parquet").parts() == []


def test_a_logged_folder_of_ever_so_many_files_is_refused_without_a_look_at_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(logged_datasets, "MOST_FILES", 3)
    folder = tmp_path / "fares.parquet"
    (folder / "day").mkdir(parents=True)
    for name in "ab":
        pq.write_table(table(n=3), folder / "day" / f"{name}.parquet")
    assert len(logged(folder).parts()[0].files) == 2
    (folder / "_SUCCESS").touch()
    with pytest.raises(OpsError, match=r"m-input-fares is a folder of more than 3 files. Log one of fewer, or name it"):
        logged(folder).parts()


@pytest.mark.parametrize("target", ["/", "/proc/self/status", "/dev/null", "pipe"])
def test_a_logged_path_that_leads_elsewhere_is_refused_with_what_to_log(tmp_path: Path, target: str):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "fares.parquet").symlink_to(tmp_path / target)
    with pytest.raises(OpsError, match=r"m-input-fares .* Log a f"):
        logged(tmp_path / "fares.parquet").parts()


def test_a_logged_path_that_cannot_be_listed_names_no_setting(tmp_path: Path):
    with pytest.raises(OpsError, match="Check the path that the run logged and its permissions"):
        logged(tmp_path / ("x" * 300 + ".parquet")).parts()
