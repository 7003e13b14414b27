"""The journal's records and the workers' frames: what goes in comes out, and what is torn is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import SourceMalformed
from services.gateway import wire
from services.gateway.journal import Entry, Schema, pack, unpack

ENTRY = Entry(ts_us=1, model="m", version="1", variant="champion", environment="production", request_id="r",
              entity_id="e", latency_ms=2.5, status="ok", body=b'{"inputs": []}', record=b'{"rows": 1}')
SCHEMA = Schema(model="m", version="1", root="/logs/m", signature={"columns": [], "dtype": "", "shape": []})


def test_records_come_back_in_order():
    data = pack(1, SCHEMA) + pack(1, ENTRY) + pack(2, ENTRY)
    assert [(read.sequence, read.item) for read in unpack(data)] == [(1, SCHEMA), (1, ENTRY), (2, ENTRY)]


@given(st.integers(0, 400))
def test_a_torn_tail_loses_only_the_torn_record(cut):
    whole = pack(1, ENTRY)
    data = (whole * 3)[:cut]
    found = list(unpack(data))
    assert len(found) == cut // len(whole) if cut < 3 * len(whole) else 3
    assert all(read.item == ENTRY for read in found)


def test_a_record_with_a_wrong_checksum_ends_the_reading():
    good = pack(1, ENTRY)
    spoilt = bytearray(pack(2, ENTRY))
    spoilt[-1] ^= 1
    assert [read.sequence for read in unpack(good + bytes(spoilt) + good)] == [1]


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.sampled_from(wire.Kind), st.binary(max_size=50)), max_size=6),
       st.integers(1, 30))
def test_frames_come_back_however_the_stream_is_cut(frames, size):
    stream = b"".join(wire.pack(*frame) for frame in frames)
    splitter = wire.Splitter()
    found = [f for i in range(0, len(stream), size) for f in splitter.feed(stream[i:i + size])]
    assert [(f.call, f.kind, f.content) for f in found] == frames


def test_bytes_that_are_no_frame_are_malformed():
    with pytest.raises(SourceMalformed):
        wire.Splitter().feed(b"HTTP/1.1 200 OK\r\n")


def test_orders_come_back_as_what_they_are():
    for order in (wire.WorkerSpec(model="m", version="1", task="binary", tracking_uri="u"),
                  wire.AliasSpec(models=("a", "b"), tracking_uri="u")):
        back = wire.order_of(wire.pack_order(order))
        assert type(back) is type(order)
        assert wire.pack_order(back) == wire.pack_order(order)
