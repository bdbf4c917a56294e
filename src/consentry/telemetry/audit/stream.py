"""The decision log on a stream, as a rule standard output, for whoever collects it there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final

ATOMIC_BYTES: Final = 4_096
"""What a pipe takes whole or not at all on Linux (PIPE_BUF)."""


class StreamSink:
    """Writes whole lines to a file descriptor that others may write to as well.

    A pipe that is full makes the writing thread wait, and nobody else.
    """

    def __init__(self, descriptor: int, *, tidy: Callable[[], object] = lambda: None) -> None:
        """`tidy` is called once in a while: keys may have had their time."""
        self._descriptor: Final = descriptor
        self._tidy = tidy

    def use_key(self, name: str) -> None:
        """Nothing: each record names its key."""

    def write(self, lines: Sequence[bytes], stored: Callable[[int], None]) -> None:
        """Write all lines; those of a piece that a pipe takes whole are told together."""
        for piece in pieces_of(lines, ATOMIC_BYTES):
            write_all(self._descriptor, b"".join(piece))
            stored(len(piece))

    def tend(self, now_us: int) -> None:  # noqa: ARG002 - as of any sink
        """Only the keys."""
        self._tidy()

    def close(self) -> None:
        """Nothing: the stream is not ours."""


def pieces_of(lines: Sequence[bytes], max_bytes: int) -> Iterator[Sequence[bytes]]:
    """Lines in order, in pieces of at most `max_bytes`; a longer line alone."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > max_bytes:
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield piece


def write_all(descriptor: int, raw: bytes) -> None:
    """Write all bytes, waiting as long as it takes.

    Raises:
        OSError: nobody reads any more.
    """
    left = memoryview(raw)
    while left:
        left = left[os.write(descriptor, left) :]
