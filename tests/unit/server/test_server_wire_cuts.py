"""Cutting fields out by their sizes gives what protobuf reads, or nothing."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from consentry.server.wire_cuts import UnusualError, lone_field, long_field, tag_of
from consentry.v1 import wire_pb2

CHECK = tag_of(wire_pb2.RawStreamRequest.CHECK_FIELD_NUMBER)


def stream_message(check: bytes, correlation_id: str = "") -> bytes:
    return wire_pb2.RawStreamRequest(check=check, correlation_id=correlation_id).SerializeToString()


@pytest.mark.parametrize("length", [1, 2, 126, 127, 128, 129, 300, 16_383])
def test_a_lone_field_is_given_whole(length: int) -> None:
    check = b"q" * length

    assert lone_field(stream_message(check), CHECK) == check


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        stream_message(b"q" * 16_384),  # a size of three bytes
        stream_message(b"q", "order-17"),
        stream_message(b"", "order-17"),
        stream_message(b"q")[:-1],
        stream_message(b"q" * 200)[:-1],
        stream_message(b"q" * 200)[:2],
        stream_message(b"q") + stream_message(b"r"),
        b"\x0a\x81\x00q",  # a size of one byte, spelt with two
        b"\x12\x01q",
    ],
)
def test_anything_else_is_left_to_protobuf(raw: bytes) -> None:
    assert lone_field(raw, CHECK) is None


@given(st.binary(max_size=300) | st.binary(max_size=6).map(lambda raw: b"\x0a" + raw))
def test_what_is_cut_out_is_what_protobuf_reads(raw: bytes) -> None:
    found = lone_field(raw, CHECK)
    if found is None:
        return
    try:
        message = wire_pb2.RawStreamRequest.FromString(raw)
    except DecodeError:
        pytest.fail("cut out of what is no message")

    assert message == wire_pb2.RawStreamRequest(check=found)


@pytest.mark.parametrize("size", [128, 300, 16_383])
def test_a_field_with_a_size_of_two_bytes_is_measured(size: int) -> None:
    assert long_field(stream_message(b"q" * size) + b"more", 0) == size + 3


@pytest.mark.parametrize("raw", [stream_message(b"q" * 16_384), b"\x0a\x81\x00q"])
def test_a_size_of_other_than_two_bytes_is_unusual(raw: bytes) -> None:
    with pytest.raises(UnusualError):
        long_field(raw, 0)
