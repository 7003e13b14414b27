"""What our own processes use, measured on real processes of this machine."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import psutil
import pytest

from services.adapters.process_usage import FOLDER, ProcessUsage, announce

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
POOLS = {"cpu": "cores", "ram": "memory"}
BUSY = "import sys\nprint('on', flush=True)\nwhile True: pass"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"


@pytest.fixture
def start():
    started = []

    def go(code: str) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "on\n"
        return process

    yield go
    for process in started:
        for child in [*psutil.Process(process.pid).children(recursive=True), process]:
            child.kill()
        process.wait()
        process.stdout.close()


def by_name(samples):
    return {(s.pool, s.pipeline): s for s in samples}


def test_a_busy_child_counts_for_the_pipeline_its_parent_announced(tmp_path, start):
    parent = start(PARENT)
    announce(tmp_path, pipeline="train", kind="training", team="a", environment="production", pid=parent.pid)
    found = by_name(ProcessUsage(tmp_path, POOLS).sample(now=NOW))
    train = found["cores", "train"]
    assert (train.kind, train.team, train.environment, train.ts) == ("training", "a", "production", NOW)
    assert 0.01 < train.used < 1.5, "one busy loop is about one core, less where the machine is shared"
    assert found["cores", ""].used >= train.used
    assert 0.005 < found["memory", "train"].used < found["memory", ""].used


def test_a_child_that_announced_itself_no_longer_counts_for_its_parent(tmp_path, start):
    parent = start(PARENT)
    child = psutil.Process(parent.pid).children()[0]
    announce(tmp_path, pipeline="parent", pid=parent.pid)
    announce(tmp_path, pipeline="child", pid=child.pid)
    found = by_name(ProcessUsage(tmp_path, POOLS).sample(now=NOW))
    assert found["cores", "child"].used > 0.01
    assert found["cores", "parent"].used < found["cores", "child"].used / 2


def test_the_second_sample_covers_the_whole_time_since_the_first(tmp_path, start):
    announce(tmp_path, pipeline="train", pid=start(BUSY).pid)
    waits = []
    source = ProcessUsage(tmp_path, POOLS, wait=waits.append)
    source.sample(now=NOW)
    source.sample(now=NOW)
    assert len(waits) == 1


def test_a_file_left_behind_by_a_kill_is_ignored_and_removed(tmp_path, start):
    process = start(BUSY)
    file = announce(tmp_path, pipeline="train", pid=process.pid)
    said = json.loads(file.read_text())
    file.write_text(json.dumps({**said, "started": said["started"] - 60}))  # the pid was used again
    (tmp_path / FOLDER / "nonsense.json").write_text("{")
    names = {s.pipeline for s in ProcessUsage(tmp_path, POOLS).sample(now=NOW)}
    assert names == {""}
    assert list((tmp_path / FOLDER).glob("*.json")) == []


def test_only_the_pools_that_are_named_are_sampled(tmp_path):
    assert {s.pool for s in ProcessUsage(tmp_path, {"ram": "memory"}).sample(now=NOW)} == {"memory"}


def test_what_the_starter_announced_stands(tmp_path):
    announce(tmp_path, pipeline="given", pid=os.getpid())
    file = announce(tmp_path, pipeline="own")
    assert json.loads(file.read_text())["pipeline"] == "given"
