"""The frames between the gateway and a worker process: length, call number, kind, content.

Both ends are ours and on one machine; contents are JSON or raw request bodies, never pickles, so that a worker that a
bad model has taken over cannot run code in the gateway.
"""

import json
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final

from services.errors import SourceMalformed
from services.gateway.protocol import CSV, JSON

_HEAD: Final = struct.Struct("!IIB")
HEAD_BYTES: Final = _HEAD.size
MAX_FRAME: Final = 1 << 30
_MEDIA: Final = (JSON, CSV)


class Kind(IntEnum):
    """What a frame carries."""

    PREDICT = 1
    ANSWER = 2
    FAULT = 3
    READY = 4
    BROKEN = 5


_KINDS: Final = frozenset(map(int, Kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """What a worker process serves, and where it finds it. `path` is the model's folder once it is known."""

    model: str
    version: str
    task: str
    tracking_uri: str
    registry_uri: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasSpec:
    """A question to the registry: which version of each model has the alias champion."""

    models: tuple[str, ...]
    tracking_uri: str
    registry_uri: str = ""


def pack_order(order: WorkerSpec | AliasSpec) -> bytes:
    """Return what the nursery is sent to fork a child for."""
    return json.dumps({type(order).__name__: asdict(order)}).encode()


def order_of(data: bytes) -> WorkerSpec | AliasSpec:
    """Return the order that `pack_order` wrote."""
    ((kind, values),) = json.loads(data).items()
    return WorkerSpec(**values) if kind == "WorkerSpec" else AliasSpec(**values)


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: the call it belongs to, its kind and its bytes."""

    call: int
    kind: Kind
    content: bytes


def pack(call: int, kind: Kind, *parts: bytes) -> bytes:
    """Return a frame as bytes."""
    return b"".join((_HEAD.pack(sum(map(len, parts)) + _HEAD.size - 4, call, kind), *parts))


def pack_request(call: int, media: str, body: bytes) -> bytes:
    """Return a PREDICT frame."""
    return pack(call, Kind.PREDICT, bytes((_MEDIA.index(media),)), body)


def request(frame: Frame) -> tuple[str, bytes]:
    """Return media type and body of a PREDICT frame."""
    return _MEDIA[frame.content[0]], frame.content[1:]


def pack_answer(call: int, answer: bytes, record: dict[str, Any]) -> bytes:
    """Return an ANSWER frame: the response body as sent to the client, and what the log needs beside it."""
    return pack(call, Kind.ANSWER, struct.pack("!I", len(answer)), answer, json.dumps(record).encode())


def answer(frame: Frame) -> tuple[bytes, bytes]:
    """Return the response body and the log's JSON of an ANSWER frame."""
    length = int.from_bytes(frame.content[:4], "big")
    return frame.content[4:4 + length], frame.content[4 + length:]


class Splitter:
    """Cuts a stream of bytes into frames. One per connection."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes as they arrived and return the frames that are complete.

        Raises:
            SourceMalformed: the other end does not speak our frames.
        """
        self._held += data
        frames = []
        start = 0
        while len(self._held) - start >= _HEAD.size:
            length, call, kind = _HEAD.unpack_from(self._held, start)
            if not _HEAD.size - 4 <= length <= MAX_FRAME or kind not in _KINDS:
                raise SourceMalformed("a worker sent bytes that are no frame: it is restarted")
            end = start + 4 + length
            if len(self._held) < end:
                break
            frames.append(Frame(call, Kind(kind), bytes(self._held[start + _HEAD.size:end])))
            start = end
        del self._held[:start]
        return frames
