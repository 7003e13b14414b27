"""A visitor without a browser: speaks the console's own websocket, so that a hundred of them cost little.

It asks for a page as a browser does and reads until the script has finished. It sends whatever headers it is told to.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

LONGEST_S = 120.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run of a page sent: all of it as text, how it ended, how long it took."""

    words: str
    ended_well: bool
    took_s: float


class Visitor:
    """One open tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def open(self, page: str = "", query: str = "") -> Seen:
        """Open a page by its name in the address and return what came."""
        message = BackMsg()
        message.rerun_script.page_name = page
        message.rerun_script.query_string = query
        began = time.perf_counter()
        await self._socket.send(message.SerializeToString())
        parts: list[bytes] = []
        async with asyncio.timeout(LONGEST_S):
            while True:
                raw = await self._socket.recv()
                assert isinstance(raw, bytes)
                parts.append(raw)
                kind = ForwardMsg.FromString(raw)
                if kind.WhichOneof("type") == "script_finished" and \
                        kind.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    well = kind.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
                    return Seen(b" ".join(parts).decode("utf-8", "replace"), well, time.perf_counter() - began)


def visiting(base: str, *, headers: Sequence[tuple[str, str]] = ()) -> connect:
    """Return the connection of a new tab at `http://…`, to be used as `async with`; wrap it in `Visitor`."""
    return connect(f"{base.replace('http', 'ws', 1)}/_stcore/stream", subprotocols=["streamlit"],  # type: ignore[list-item]
                   additional_headers=list(headers), max_size=None, proxy=None, open_timeout=LONGEST_S)


def glance(base: str, page: str = "", *, headers: Sequence[tuple[str, str]] = ()) -> str:
    """Open one page in a tab of its own, and return everything that it said."""
    async def once() -> str:
        async with visiting(base, headers=headers) as socket:
            return (await Visitor(socket).open(page)).words

    return asyncio.run(once())
