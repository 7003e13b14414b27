"""A fleet that ends while a worker is still being forked lets go of what the fork brings."""

import asyncio
import socket
import threading

from services.adapters.gateway_workers import WorkerFleet
from services.gateway.wire import WorkerSpec


class SlowNursery:
    """Forks nothing, and takes as long as the test wants."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go = threading.Event()
        self.brought: list[socket.socket] = []

    def fork(self, spec: WorkerSpec) -> tuple[int, socket.socket]:
        self.asked.set()
        self.go.wait(120)
        ours, theirs = socket.socketpair()
        theirs.close()
        self.brought.append(ours)
        return 0, ours


def test_what_a_fork_brings_after_the_end_is_closed():
    nursery = SlowNursery()

    async def end_while_it_forks() -> None:
        fleet = WorkerFleet(lambda model, version: WorkerSpec(model=model, version=version, task="", tracking_uri=""),
                            nursery, timeout_s=1, queue=1)
        await fleet.keep("tiny", "1")
        await asyncio.to_thread(nursery.asked.wait, 120)
        await fleet.close()
        nursery.go.set()

    asyncio.run(end_while_it_forks())  # waits for its threads
    (channel,) = nursery.brought
    assert channel.fileno() == -1
