"""The process that holds one model version: load, warm, then answer frames until the gateway hangs up.

It is forked by model_nursery.py. It touches no file but the model's; the gateway writes the log, so that the death of
a worker loses nothing.
"""

import contextlib
import json
import os
import signal
import socket
from pathlib import Path
from typing import Final

from services.adapters.model_loading import LoadedModel, champions, fetch
from services.adapters.with_parent import end_with_parent
from services.errors import Refused
from services.gateway import wire
from services.gateway.batch import Batcher
from services.gateway.protocol import JSON
from services.gateway.signature import sample

_CHUNK: Final = 1 << 20


def serve(channel: socket.socket, spec: wire.WorkerSpec) -> None:
    """Load the version, say READY or BROKEN, and answer until the other end closes."""
    # A hung model reads no hang-up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    try:
        path = Path(spec.path) if spec.path and Path(spec.path).is_dir() else fetch(
            spec.model, spec.version, tracking_uri=spec.tracking_uri, registry_uri=spec.registry_uri)
        model = LoadedModel(path, task=spec.task)
        batcher = Batcher(model)
        warm(model, batcher)
    except Exception as error:  # noqa: BLE001 -- loading runs the model's own code: whatever it raises is the reason
        channel.sendall(_broken(error))
        return
    ready = {"signature": model.signature.to_json(), "path": str(path), "pid": os.getpid()}
    channel.sendall(wire.pack(0, wire.Kind.READY, json.dumps(ready).encode()))
    splitter = wire.Splitter()
    while data := channel.recv(_CHUNK):
        frames = splitter.feed(data)
        # Whatever arrived while the model was busy is taken along: this is what makes a batch.
        while more := _waiting(channel):
            frames += splitter.feed(more)
        for answer in batcher.answer(frames):
            channel.sendall(answer)


def tell_champions(channel: socket.socket, order: wire.AliasSpec) -> None:
    """Ask the registry and say READY with what it answered, or BROKEN."""
    try:
        found = champions(order.models, tracking_uri=order.tracking_uri, registry_uri=order.registry_uri)
        channel.sendall(wire.pack(0, wire.Kind.READY, json.dumps(found).encode()))
    except Exception as error:  # noqa: BLE001 -- every way in which a registry can fail is a reason to try again later
        channel.sendall(_broken(error))


def _broken(error: Exception) -> bytes:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return wire.pack(0, wire.Kind.BROKEN, json.dumps({"reason": reason}).encode())


def _waiting(channel: socket.socket) -> bytes:
    with contextlib.suppress(BlockingIOError):
        return channel.recv(_CHUNK, socket.MSG_DONTWAIT)
    return b""


def warm(model: LoadedModel, batcher: Batcher) -> None:
    """Answer the logged example, or a row made from the signature, so that no user waits for the first call.

    Raises:
        Refused: the model cannot answer its own example. A made-up row proves nothing, so its failure is let pass.
    """
    made = model.example is None and bool(model.signature.columns)
    body = json.dumps({"inputs": sample(model.signature)}).encode() if made else model.example
    if body is None:
        return
    request = wire.Frame(0, wire.Kind.PREDICT, wire.pack_request(0, JSON, body)[wire.HEAD_BYTES:])
    for _ in range(2):
        for data in batcher.answer([request]):
            frame = wire.Splitter().feed(data)[0]
            if frame.kind is wire.Kind.FAULT and not made:
                raise Refused(f"it does not answer its own input example: {json.loads(frame.content)['message']}")
