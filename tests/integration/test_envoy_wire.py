"""Our part of Envoy's API against the descriptors that the real Envoy carries in its program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import envoy
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from consentry.envoy.v3 import external_auth_pb2 as ours

PROGRAM = Path(envoy.__file__).parent / "_bin" / "envoy"
FILES = (
    "envoy/service/auth/v3/external_auth.proto",
    "envoy/service/auth/v3/attribute_context.proto",
    "envoy/config/core/v3/base.proto",
    "envoy/type/v3/http_status.proto",
)
# An enumeration has the same form on the wire as a number.
SAME_ON_WIRE = {("HttpStatus", "code"): FieldDescriptorProto.TYPE_ENUM}


def varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def embedded_file(program: bytes, name: str) -> FileDescriptorProto:
    """The file's descriptor, which stands in the program in its serialized form."""
    start = program.index(b"\n" + bytes([len(name)]) + name.encode())
    known = {field.number for field in FileDescriptorProto.DESCRIPTOR.fields}
    end, last = start, 0
    while True:
        tag, after = varint(program, end)
        number, kind = tag >> 3, tag & 7
        # Written in order of the fields; what comes next in the program is something else.
        if number not in known or kind != 2 or number < last:
            return FileDescriptorProto.FromString(program[start:end])
        length, after = varint(program, after)
        end, last = after + length, number


@pytest.fixture(scope="module")
def theirs() -> dict[str, DescriptorProto]:
    program = PROGRAM.read_bytes()
    found: dict[str, DescriptorProto] = {}

    def add(message: DescriptorProto, prefix: str) -> None:
        found[prefix + message.name] = message
        for nested in message.nested_type:
            add(nested, f"{prefix}{message.name}.")

    for name in FILES:
        for message in embedded_file(program, name).message_type:
            add(message, "")
    return found


def our_messages() -> Iterator[Descriptor]:
    def each(message: Descriptor) -> Iterator[Descriptor]:
        yield message
        for nested in message.nested_types:
            if not nested.GetOptions().map_entry:
                yield from each(nested)

    for message in ours.DESCRIPTOR.message_types_by_name.values():
        yield from each(message)


def name_of(message: Descriptor) -> str:
    return message.full_name.removeprefix("envoy.service.auth.v3.")


def last_word(name: str) -> str:
    return name.rpartition(".")[2]


def differences(field: FieldDescriptor, real: FieldDescriptorProto | None, message: str) -> str:
    if real is None:
        return "is not there"
    kind = SAME_ON_WIRE.get((message, field.name), field.type)
    label = FieldDescriptorProto.LABEL_REPEATED if field.is_repeated else 1
    mine = (field.number, kind, label)
    told = (real.number, real.type, real.label)
    if mine != told:
        return f"{mine} and not {told}"
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    if field.message_type is not None and not is_map:
        word = last_word(field.message_type.full_name)
        return "" if word == last_word(real.type_name) else f"{word} and not {real.type_name}"
    return ""


def test_every_field_is_that_of_the_real_envoy(
    theirs: dict[str, DescriptorProto], figure: Callable[[str, object], None]
) -> None:
    compared, wrong = 0, {}
    for message in our_messages():
        real = theirs[name_of(message)]
        by_name = {field.name: field for field in real.field}
        for field in message.fields:
            compared += 1
            problem = differences(field, by_name.get(field.name), name_of(message))
            if problem:
                wrong[field.full_name] = problem

    assert wrong == {}
    assert compared >= 30
    figure("ext_authz: fields held against the real Envoy's descriptors, all alike", compared)


def test_the_comparison_notices_another_number(theirs: dict[str, DescriptorProto]) -> None:
    field = ours.CheckResponse.DESCRIPTOR.fields_by_name["dynamic_metadata"]
    real = next(f for f in theirs["CheckResponse"].field if f.name == "dynamic_metadata")
    changed = FieldDescriptorProto()
    changed.CopyFrom(real)
    changed.number += 1

    assert differences(field, real, "CheckResponse") == ""
    assert differences(field, changed, "CheckResponse") != ""


def test_the_method_is_the_one_that_envoy_calls() -> None:
    [method] = ours.DESCRIPTOR.services_by_name["Authorization"].methods

    assert method.full_name == "envoy.service.auth.v3.Authorization.Check"
