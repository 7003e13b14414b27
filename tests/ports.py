"""Ports for servers that must be told theirs before they listen."""

import os
import socket
from itertools import count

# Below what the kernel hands out by itself, and apart for each worker of the tests: between the look and the server's
# own start neither a connection that goes out nor a test beside this one takes the port.
_FIRST, _EACH, _WORKERS = 20_000, 1_500, 8
_turn = count(os.getpid())


def free_port() -> int:
    """Return a port of this machine that nobody listens on, another one each time."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    for _ in range(_EACH):
        port = _FIRST + worker * _EACH + next(_turn) % _EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"every port of {_FIRST + worker * _EACH} and the {_EACH} after it is taken")
