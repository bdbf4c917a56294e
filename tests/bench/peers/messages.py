"""Messages of another's protocol, described by name and number, and waiting for its server."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

from tests.bench.peers.install import PeerMissingError

_FIELD: Final = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    "string": _FIELD.TYPE_STRING,
    "int32": _FIELD.TYPE_INT32,
    "bool": _FIELD.TYPE_BOOL,
}

Shapes = Mapping[str, Sequence[tuple[str, int, str, bool]]]
"""Fields by message: name, number, type (with dots where it is not of these), is a list."""


def message_classes(name: str, shapes: Shapes) -> dict[str, Any]:
    """Message classes by name; a map on the wire is a list of its entries."""
    package = f"bench.{name}"
    file = descriptor_pb2.FileDescriptorProto(
        name=f"bench/{name}.proto", package=package, syntax="proto3",
        dependency=["google/protobuf/struct.proto"],
    )  # fmt: skip
    for shape, fields in shapes.items():
        message = file.message_type.add(name=shape)
        for field_name, number, kind, is_list in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = _FIELD.LABEL_REPEATED if is_list else _FIELD.LABEL_OPTIONAL
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
            else:
                field.type = _FIELD.TYPE_MESSAGE
                field.type_name = f".{kind}" if "." in kind else f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    shared = descriptor_pb2.FileDescriptorProto()
    struct_pb2.DESCRIPTOR.CopyToProto(shared)
    pool.Add(shared)
    pool.Add(file)
    return {
        shape: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{shape}"))
        for shape in shapes
    }


def wait_for_http(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until the server answers there.

    Raises:
        PeerMissingError: it left, or did not answer within a minute.
    """
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise PeerMissingError("its server did not start")
