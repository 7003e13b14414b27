"""The supervisor keeps its parts alive, under one lease, and none of them outlives it."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from services.adapters import supervisor
from services.adapters.house_tables import LeaseTable, SourceTable
from services.adapters.job_table import JobTable
from services.adapters.ops_db import OpsDb
from services.adapters.supervisor import LEASE, Supervisor
from services.core.access import Actor, Grant, Role
from services.errors import NotAllowed
from tests.waiting import until

AUTHOR = Actor(subject="author", issuer="test", method="demo", grants=(Grant(role=Role.AUTHOR),))

# A part that notes its pid and lives until its standard input closes.
PART = "import os,pathlib,sys; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); sys.stdin.read()"


def clock():
    return datetime.now(UTC)


def make(db, folder, holder, *, lease_s=60.0, job="pass"):
    def command(part, fence, job_id):
        if part == "job":
            return [sys.executable, "-c", job, db.url, job_id]
        return [sys.executable, "-c", PART, str(folder / f"{holder}-{part}-{fence}")]

    return Supervisor(leases=LeaseTable(db), sources=SourceTable(db), jobs=JobTable(db), part_command=command,
                      clock=clock, lease_length=timedelta(seconds=lease_s), holder=holder)


@contextmanager
def running(parent):
    thread = threading.Thread(target=parent.run)
    thread.start()
    try:
        yield
    finally:
        parent.stop()
        thread.join(120)


def pid_in(file):
    return int(text) if file.exists() and (text := file.read_text()) else None


def test_parts_start_under_the_lease_and_end_with_the_supervisor(db, tmp_path):
    with running(make(db, tmp_path, "a")):
        pids = [until(lambda p=part: pid_in(tmp_path / f"a-{p}-1"), what=part) for part in ("outbox", "passes")]
        assert LeaseTable(db).current(LEASE)[:2] == ("a", 1)
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert LeaseTable(db).current(LEASE)[2] < clock()


def test_a_part_that_is_killed_is_started_again_and_the_death_is_recorded(db, tmp_path):
    with running(make(db, tmp_path, "a")):
        file = tmp_path / "a-outbox-1"
        first = until(lambda: pid_in(file))
        os.kill(first, signal.SIGKILL)
        until(lambda: pid_in(file) not in (None, first), what="a new outbox")
        source = until(lambda: (s := SourceTable(db).get("part:outbox")) and s.ok and s)
        assert source.message == "running"


DEAF = """
import os, pathlib, signal, sys, time
for name in (signal.SIGTERM, signal.SIGINT):
    signal.signal(name, lambda *_: pathlib.Path(sys.argv[1] + "-asked").touch())
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
while True:
    time.sleep(600)
"""


def test_parts_that_hear_nothing_are_asked_and_then_killed_together(db, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_PATIENCE_S", 0.5)
    real = subprocess.Popen.send_signal

    def send_signal(process, number):
        if number == signal.SIGKILL:  # however slowly they hear on this machine, they were asked before
            until(lambda: len(list(tmp_path.glob("d-*-asked"))) == len(deaf.parts), what="an answer of every part")
        real(process, number)

    monkeypatch.setattr(subprocess.Popen, "send_signal", send_signal)
    deaf = make(db, tmp_path, "d")
    deaf.part_command = lambda part, fence, job: [sys.executable, "-c", DEAF, str(tmp_path / f"d-{part}-{fence}")]
    with running(deaf):
        pids = [until(lambda p=part: pid_in(tmp_path / f"d-{p}-1"), what=part) for part in deaf.parts]
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert {f"d-{part}-1-asked" for part in deaf.parts} <= {file.name for file in tmp_path.glob("*-asked")}


def test_a_second_monitor_stands_by_and_takes_over_with_a_higher_fence(db, tmp_path):
    with running(make(db, tmp_path, "b")):
        until(lambda: pid_in(tmp_path / "b-outbox-1"))
        second = make(db, tmp_path, "c")
        with running(second):
            until(lambda: LeaseTable(db).acquire(LEASE, "probe", length=timedelta(seconds=1), now=clock()) is None)
            assert not list(tmp_path.glob("c-*"))
    with running(make(db, tmp_path, "c")):
        until(lambda: pid_in(tmp_path / "c-outbox-2"), what="the second monitor's outbox, at fence 2")


def test_killing_the_supervisor_ends_its_parts(db, tmp_path):
    script = f"""
import sys
from datetime import timedelta
from pathlib import Path
from services.adapters.ops_db import OpsDb
from tests.contract.test_supervisor import make
make(OpsDb({db.url!r}), Path({str(tmp_path)!r}), "killed").run()
"""
    parent = subprocess.Popen([sys.executable, "-c", script])
    try:
        pid = until(lambda: pid_in(tmp_path / "killed-outbox-1"))
    finally:
        parent.kill()
        parent.wait()
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE,
          what="the orphan's end")


JOB = """
import sys
from datetime import datetime, UTC
from services.adapters.job_table import JobTable
from services.adapters.ops_db import OpsDb
jobs = JobTable(OpsDb(sys.argv[1]))
jobs.tell(sys.argv[2], progress=0.5, doing="half")
jobs.finish(sys.argv[2], result={"answer": 42}, now=datetime.now(UTC))
"""


def test_a_job_runs_in_a_process_of_its_own_and_answers(db, tmp_path, now):
    jobs = JobTable(db)
    job = jobs.enqueue("slice", {"model": "m"}, actor=AUTHOR, op_id="1", now=now)
    assert jobs.enqueue("slice", {"model": "m"}, actor=AUTHOR, op_id="1", now=now) == job
    with running(make(db, tmp_path, "a", job=JOB)):
        done = until(lambda: (j := jobs.get(job)).state == "done" and j)
    assert (done.result, done.progress) == ({"answer": 42}, 1.0)


def test_a_job_that_is_killed_says_so_and_the_next_one_runs(db, tmp_path, now):
    jobs = JobTable(db)
    dies = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    first = jobs.enqueue("slice", {}, actor=AUTHOR, op_id="1", now=now)
    second = jobs.enqueue("slice", {}, actor=AUTHOR, op_id="2", now=now)
    with running(make(db, tmp_path, "a", job=dies)):
        until(lambda: jobs.get(second).state == "failed")
    assert "ended with -9 before it answered" in jobs.get(first).error


PATIENT = """
import pathlib, sys, time
from datetime import datetime, UTC
from services.adapters.job_table import JobTable
from services.adapters.ops_db import OpsDb
jobs = JobTable(OpsDb(sys.argv[1]))
jobs.tell(sys.argv[2], progress=0.5, doing="half")
sys.stdin.read(1)
"""


def test_a_clock_that_jumps_in_a_running_monitor_ends_no_part_and_no_job_and_delays_no_restart(db, tmp_path, now):
    jobs, off = JobTable(db), [timedelta(0)]
    monitor = make(db, tmp_path, "a", job=PATIENT)
    monitor.clock = lambda: clock() + off[0]
    job = jobs.enqueue("slice", {}, actor=AUTHOR, op_id="1", now=now)
    with running(monitor):
        file = tmp_path / "a-outbox-1"
        first = until(lambda: pid_in(file))
        until(lambda: jobs.get(job).progress == 0.5)
        for jump in (timedelta(days=1), timedelta(days=-1)):
            off[0] = jump
            # The lease is written anew by the clock that holds now, under the same fence.
            until(lambda by=jump: abs(LeaseTable(db).current(LEASE)[2] - clock() - by) < timedelta(minutes=1))
            assert LeaseTable(db).current(LEASE)[1] == 1
            assert (pid_in(file), jobs.get(job).state) == (first, "running")
        os.kill(first, signal.SIGKILL)
        until(lambda: SourceTable(db).get("part:outbox").message != "running", what="the death being noticed")
        off[0] = timedelta(days=-3)  # between a death and the restart, which would then be days away
        until(lambda: pid_in(file) not in (None, first), what="a new outbox")


def test_a_viewer_cannot_ask_for_work(db, now):
    viewer = Actor(subject="v", issuer="test", method="demo", grants=(Grant(role=Role.VIEWER),))
    with pytest.raises(NotAllowed):
        JobTable(db).enqueue("slice", {}, actor=viewer, op_id="1", now=now)


def test_a_store_that_goes_away_does_not_end_the_supervisor(tmp_path):
    broken = OpsDb(f"sqlite:///{tmp_path}/never-migrated.db")
    supervisor = make(broken, tmp_path, "a")
    with running(supervisor):
        broken.migrate()
        until(lambda: pid_in(tmp_path / "a-outbox-1"))
