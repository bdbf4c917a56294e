"""What may be used of a record: fields that were not granted go, masked ones are changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, TypeVar, cast, overload

from google.protobuf.message import Message

from consentry.client.decision import Decision, FieldDecision
from consentry.client.masks import REDACTED, mask_value

__all__ = ["REDACTED", "apply", "mask_value"]

_Record = TypeVar("_Record")
_DROPPED: Final = object()


@overload
def apply(decision: Decision, record: Mapping[str, object]) -> dict[str, object]: ...
@overload
def apply(decision: Decision, record: _Record) -> _Record: ...
def apply(decision: Decision, record: Any) -> Any:
    """The part of `record` that may be used, with its masks; a copy, the record stays as it is.

    | record                          | what becomes of a field that may not be used |
    | ------------------------------- | -------------------------------------------- |
    | a mapping, gives a dict         | it is left out                               |
    | a dataclass, gives its like     | it is None                                   |
    | a protobuf message, gives its like | it is cleared                             |
    | a row of pandas (a Series)      | it is left out                               |

    Names are data paths (`customer.contact.email`) or the end of one (`contact.email`, `email`); a
    record in a record, or a list of records, is gone through. What the decision does not speak of,
    or what could mean two fields of which one was denied, goes. Of a denial nothing may be used,
    not even what was granted on the way: ask with `partial` for that.

    Raises:
        TypeError: it is none of these kinds.
    """
    fields = decision.fields if decision.is_permitted else ()
    usable = _apply(fields, record, "")
    if usable is _DROPPED:
        raise TypeError(f"a record of type {type(record).__name__} cannot be masked")
    return usable


def _apply(fields: tuple[FieldDecision, ...], record: Any, path: str) -> Any:
    """What may be used of a record at `path`; `_DROPPED` where it is no record."""
    if isinstance(record, Mapping):
        items = ((key, _value(fields, value, _join(path, key))) for key, value in record.items())
        return {key: value for key, value in items if value is not _DROPPED}
    if isinstance(record, Message):
        return _apply_message(fields, record, path)
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return _apply_dataclass(fields, record, path)
    if type(record).__module__.partition(".")[0] == "pandas" and hasattr(record, "index"):
        usable = _apply(fields, dict(record.items()), path)
        # Of objects, since a mask may change the type of a value.
        return type(record)(usable, name=record.name, dtype=object)
    return _DROPPED


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _find_meant(fields: tuple[FieldDecision, ...], path: str) -> list[FieldDecision]:
    exact = [f for f in fields if f.data == path]
    return exact or [f for f in fields if f.data.endswith("." + path)]


def _value(fields: tuple[FieldDecision, ...], value: Any, path: str) -> Any:
    """What may be used of one value; `_DROPPED` where nothing may."""
    meant = _find_meant(fields, path)
    if not meant:
        return _parts(fields, value, path)
    if not all(f.is_permitted for f in meant):
        return _DROPPED
    masks = {f.mask for f in meant if f.mask is not None}
    if not masks or value is None:
        return value
    # Two different masks on one value: nothing of it is shown.
    return mask_value(value, masks.pop()) if len(masks) == 1 else REDACTED


def _parts(fields: tuple[FieldDecision, ...], value: Any, path: str) -> Any:
    """The usable parts of a value that no field speaks of as a whole."""
    if isinstance(value, (list, tuple)):
        parts = [_apply(fields, part, path) for part in value]
        parts = [part for part in parts if part is not _DROPPED and not _is_empty(part)]
        return parts or _DROPPED
    part = _apply(fields, value, path)
    return _DROPPED if part is _DROPPED or _is_empty(part) else part


def _is_empty(record: Any) -> bool:
    if isinstance(record, Mapping):
        return not record
    if isinstance(record, Message):
        return not record.ListFields()
    if dataclasses.is_dataclass(record):
        return all(getattr(record, f.name) is None for f in dataclasses.fields(record))
    return False


def _apply_dataclass(fields: tuple[FieldDecision, ...], record: Any, path: str) -> Any:
    changes = {}
    for part in dataclasses.fields(record):
        if part.init:
            value = _value(fields, getattr(record, part.name), _join(path, part.name))
            changes[part.name] = None if value is _DROPPED else value
    return dataclasses.replace(record, **changes)


def _apply_message(fields: tuple[FieldDecision, ...], record: Message, path: str) -> Message:
    usable = type(record)()
    for descriptor, value in record.ListFields():
        name = descriptor.name
        kept = _value(fields, _plain(value), _join(path, name))
        if kept is not _DROPPED and kept is not None:
            _set_field(usable, name, kept)
    return usable


def _plain(value: Any) -> Any:
    if _is_repeated(value):
        return list(value)
    if hasattr(value, "items"):
        return dict(value.items())
    return value


def _is_repeated(value: Any) -> bool:
    return hasattr(value, "append") or hasattr(value, "add")


def _set_field(message: Message, name: str, value: Any) -> None:
    """Sets a field; a value that a mask made unfit for it stays unset."""
    target = getattr(message, name)
    try:
        if isinstance(value, Message):
            target.CopyFrom(value)
        elif isinstance(value, list):
            target.extend(value)
        elif isinstance(value, dict):
            for key, entry in value.items():
                if isinstance(entry, Message):
                    target[key].CopyFrom(entry)
                else:
                    target[key] = entry
        else:
            setattr(message, name, value)
    except (TypeError, ValueError, AttributeError):
        message.ClearField(cast("Any", name))
