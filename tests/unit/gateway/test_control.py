"""Orders and the dead-man timer at the same moment."""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.gateway.control import Control
from services.gateway.desk import Desk
from services.gateway.state import Route

FIRST, SECOND = ("production", "first"), ("production", "second")
SPLIT = Route(generation=3, champion="1", weights={"1": 90.0, "2": 10.0}, held=("1", "2"))
TOLD = Route(generation=4, champion="1", weights={"1": 100.0}, mirror={"2": 100.0}, held=("1", "2"))


@dataclass
class SlowFile:
    """A state file whose writing takes as long as the test wants."""

    writing: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def read(self) -> Any:
        return None

    def write(self, document: Mapping[str, Any]) -> None:
        self.writing.set()
        self.go.wait(30)


def test_an_order_that_comes_while_the_timer_takes_a_canary_away_is_obeyed_and_stays():
    now, file = [0.0], SlowFile()
    desk = Desk(fleet=None, log=None, routes={FIRST: SPLIT, SECOND: SPLIT})
    control = Control(desk=desk, file=file, dead_man_s=10.0, clock=lambda: now[0])
    told = {FIRST: TOLD, SECOND: TOLD}

    async def both() -> None:
        control.renew()
        now[0] = 11.0
        expiring = asyncio.create_task(control.expire())
        await asyncio.to_thread(file.writing.wait, 30)
        obeying = asyncio.create_task(control.obey(told))
        await asyncio.sleep(0)
        file.go.set()
        await asyncio.gather(expiring, obeying)

    asyncio.run(both())
    assert desk.routes == told


def test_without_an_order_the_timer_takes_every_canary_and_says_which():
    now = [0.0]
    desk = Desk(fleet=None, log=None, routes={FIRST: SPLIT, SECOND: Route(champion="1", weights={"1": 100.0})})
    file = SlowFile()
    file.go.set()
    control = Control(desk=desk, file=file, dead_man_s=10.0, clock=lambda: now[0])
    control.renew()
    now[0] = 9.0
    assert asyncio.run(control.expire()) == []
    now[0] = 10.0
    assert asyncio.run(control.expire()) == [FIRST]
    assert (desk.routes[FIRST].weights, desk.routes[FIRST].expired) == ({"1": 100.0}, True)
    assert asyncio.run(control.expire()) == []
