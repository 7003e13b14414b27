"""A child that scores a model dies with the monitor that started it, also where that one is killed."""

import signal
import subprocess
import sys

import psutil

from tests.waiting import until

CHILD = """
import sys, time
from services.adapters.with_parent import end_with_parent
end_with_parent()
print("ready", flush=True)
time.sleep(600)
"""
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def test_a_killed_parent_leaves_no_child_behind():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.wait(120)
    try:
        until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, within=120,
              what="the end of the child")
    finally:
        parent.stdout.close()
        if child.is_running():
            child.kill()
