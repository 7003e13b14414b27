"""The journal's records: one per answered request, numbered without gaps, each with a checksum.

The gateway appends them to a file as it answers; another process turns them into the Parquet log. A record holds the
raw request body, so that the request path parses nothing for the log's sake. Files are handled in the adapters.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from services.gateway.protocol import JSON

_HEAD: Final = struct.Struct("!IIQ")  # length of what follows the head, its checksum, sequence number
_PART: Final = struct.Struct("!II")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request as answered by one version.

    `record` is the worker's JSON (`rows`, `prediction`, `score`), on an error JSON too (`error`: what it said). `ts_us`
    is microseconds since the epoch at the time of delivery. `entity_id` is the whole request's, where the body names
    none per row.
    """

    ts_us: int
    model: str
    version: str
    variant: str
    environment: str
    request_id: str
    entity_id: str
    latency_ms: float
    status: str
    error_type: str = ""
    media: str = JSON
    body: bytes = b""
    record: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Where a version's rows go and how its columns are typed; stands in a segment before the version's first entry."""

    model: str
    version: str
    root: str
    signature: Mapping[str, Any]


def pack(sequence: int, item: Entry | Schema) -> bytes:
    """Return a record as bytes."""
    if isinstance(item, Schema):
        meta, record, body = json.dumps({"schema": asdict(item)}).encode(), b"", b""
    else:
        record, body = item.record, item.body
        meta = json.dumps((item.ts_us, item.model, item.version, item.variant, item.environment, item.request_id,
                           item.entity_id, item.latency_ms, item.status, item.error_type, item.media)).encode()
    content = b"".join((_PART.pack(len(meta), len(record)), meta, record, body))
    return _HEAD.pack(len(content), zlib.crc32(content), sequence) + content


@dataclass(frozen=True, slots=True)
class Read:
    """A record read back, and where in the data it ends."""

    sequence: int
    item: Entry | Schema
    end: int


def unpack(data: bytes) -> Iterator[Read]:
    """Yield the records of a segment, up to the first one that a crash has torn."""
    start = 0
    while start + _HEAD.size <= len(data):
        length, checksum, sequence = _HEAD.unpack_from(data, start)
        end = start + _HEAD.size + length
        content = data[start + _HEAD.size:end]
        if len(content) < length or zlib.crc32(content) != checksum:
            return
        yield Read(sequence, _item(content), end)
        start = end


def _item(content: bytes) -> Entry | Schema:
    meta_length, record_length = _PART.unpack_from(content)
    body = _PART.size + meta_length + record_length
    meta = json.loads(content[_PART.size:_PART.size + meta_length])
    if isinstance(meta, dict):
        return Schema(**meta["schema"])
    ts_us, model, version, variant, environment, request_id, entity_id, latency_ms, status, error_type, media = meta
    return Entry(ts_us=ts_us, model=model, version=version, variant=variant, environment=environment,
                 request_id=request_id, entity_id=entity_id, latency_ms=latency_ms, status=status,
                 error_type=error_type, media=media, body=content[body:], record=content[_PART.size + meta_length:body])
