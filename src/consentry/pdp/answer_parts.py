"""A compiler's result as bytes that can be taken in bit by bit.

To unpickle a large program is one call during which no other thread of the sidecar runs: 90 ms at
ten thousand rules. So each long row or table of it comes as pickles of a few entries, one after
another, in one stream that shares what they have in common; the rest comes first.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from itertools import chain, islice
from typing import Any, Final

from consentry.compiler.compile import CompileResult
from consentry.model.program import Program

ENTRIES: Final = 16
"""Rules, purposes, names, … in one part."""

_NEIGHBOURS: Final = 16
"""Parts that share what they have in common, and what it takes to know that."""


def write_parts(result: CompileResult) -> bytes:
    """The result, without what only authors' tools read: trees, symbols, rules with their trees."""
    result = replace(result, modules=(), symbols=None, book=None, notes=())
    out = io.BytesIO()
    program = result.program
    rows = {} if program is None else _long_fields(program)
    if program is not None:
        result = replace(
            result, program=replace(program, **{name: type(row)() for name, row in rows.items()})
        )
    first = (result, {name: len(row) for name, row in rows.items()})
    parts = chain([first], *map(_cut, rows.values()))
    while neighbours := tuple(islice(parts, _NEIGHBOURS)):
        pickler = pickle.Pickler(out, pickle.HIGHEST_PROTOCOL)
        for part in neighbours:
            pickler.dump(part)
    return out.getvalue()


def read_parts(answer: bytes, step: Callable[[], None]) -> CompileResult:
    """What `write_parts` was given; `step` is called after each part.

    Raises:
        Exception: of many kinds, where the bytes are not such an answer.
    """
    parts = _read_all(io.BytesIO(answer))
    result, lengths = next(parts)
    if not isinstance(result, CompileResult):
        raise TypeError("not a result")
    if result.program is None:
        return result
    rows: dict[str, Any] = {}
    for name, length in lengths.items():
        is_table = isinstance(getattr(result.program, name), dict)
        entries: Any = {} if is_table else []
        while len(entries) < length:
            part = next(parts)
            entries.update(part) if is_table else entries.extend(part)
            step()
        rows[name] = entries if is_table else tuple(entries)
    return replace(result, program=replace(result.program, **rows))


def _read_all(answer: io.BytesIO) -> Iterator[Any]:
    while True:
        unpickler = pickle.Unpickler(answer)  # noqa: S301 - see `compile_child`
        for _ in range(_NEIGHBOURS):
            yield unpickler.load()


def _long_fields(program: Program) -> dict[str, Any]:
    """The tuples and dicts among a program's fields that are longer than one part."""
    values = {field.name: getattr(program, field.name) for field in fields(program)}
    return {
        name: value
        for name, value in values.items()
        if type(value) in {tuple, dict} and len(value) > ENTRIES
    }


def _cut(row: Any) -> Iterator[tuple[Any, ...]]:
    entries = iter(row.items() if isinstance(row, dict) else row)
    while part := tuple(islice(entries, ENTRIES)):
        yield part
