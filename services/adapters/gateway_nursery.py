"""The gateway's end of the nursery: start it, order workers from it, start it again when it died."""

import os
import socket
import subprocess
import sys
import threading
from typing import Final

from services.errors import SourceUnavailable
from services.gateway.wire import AliasSpec, WorkerSpec, pack_order

_READY_S: Final = 120.0
_FORK_S: Final = 30.0


class Nursery:
    """Forks workers. Its calls wait, so they are made from a thread, one at a time."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process else None

    def fork(self, spec: WorkerSpec | AliasSpec) -> tuple[int, socket.socket]:
        """Return a new child's process id and our end of its connection.

        Raises:
            SourceUnavailable: the nursery cannot be started or died.
        """
        with self._lock:
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    pid = self._order(spec, theirs)
            except (OSError, SourceUnavailable) as error:
                ours.close()
                self._end()
                raise SourceUnavailable(f"a model worker could not be started: {error}") from error
            return pid, ours

    def close(self) -> None:
        """End the nursery, and with it every worker that is left."""
        with self._lock:
            self._end()

    def _order(self, spec: WorkerSpec | AliasSpec, end: socket.socket) -> int:
        channel = self._ready()
        socket.send_fds(channel, [pack_order(spec)], [end.fileno()])
        pid = channel.recv(64)
        if not pid:
            raise SourceUnavailable("the process that starts model workers died: it is started again")
        return int(pid)

    def _ready(self) -> socket.socket:
        if self._channel is not None and self._process is not None and self._process.poll() is None:
            return self._channel
        self._end()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_READY_S)
        # One thread per worker: small batches lose more to waking threads than they gain, and cores are shared.
        environment = {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "TF_CPP_MIN_LOG_LEVEL": "2",
                       **os.environ}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 -- our own module, by our own interpreter
                [sys.executable, "-m", "services.adapters.model_nursery", str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environment)
        self._channel = ours
        if ours.recv(64) != b"ready":
            raise SourceUnavailable("the process that starts model workers did not come up: see its messages above")
        ours.settimeout(_FORK_S)
        return ours

    def _end(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
