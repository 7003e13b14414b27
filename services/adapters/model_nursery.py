"""A process that has MLflow and scikit-learn loaded and forks model workers, and askers of the registry, on demand.

Importing them takes seconds of processor time; forking takes milliseconds, and the workers share the memory. Run as
`python -m services.adapters.model_nursery FD` by gateway_workers.py; it ends when the gateway hangs up.
"""

import importlib
import os
import signal
import socket
import sys
import traceback
from typing import Final

from services.adapters import model_worker
from services.gateway.wire import AliasSpec, WorkerSpec, order_of

_PRELOADED: Final = (
    "pandas", "mlflow.sklearn", "mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "sklearn.ensemble",
    "sklearn.pipeline", "sklearn.compose", "sklearn.linear_model", "skops.io",
)
_LIMIT: Final = 1 << 16


def run(channel: socket.socket) -> None:
    """Fork a child for each order, answering with its process id, until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps: the gateway sees a death by the closed socket
    for name in _PRELOADED:
        importlib.import_module(name)
    channel.send(b"ready")
    while True:
        order, descriptors, _, _ = socket.recv_fds(channel, _LIMIT, 1)
        if not order:
            return
        pid = os.fork()
        if pid == 0:
            channel.close()
            _become_child(descriptors[0], order_of(order))
        os.close(descriptors[0])
        channel.send(str(pid).encode())


def _become_child(descriptor: int, order: WorkerSpec | AliasSpec) -> None:
    """Do what was ordered, then end without running what the nursery registered for its own exit."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        with socket.socket(fileno=descriptor) as end:
            if isinstance(order, WorkerSpec):
                model_worker.serve(end, order)
            else:
                model_worker.tell_champions(end, order)
        code = 0
    except OSError:
        code = 0  # the gateway is gone
    except BaseException:  # noqa: BLE001 -- the last frame of a forked process: say it, never unwind into the nursery
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    run(socket.socket(fileno=int(sys.argv[1])))
