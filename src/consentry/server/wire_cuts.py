"""Where fields end that bear their size, so that messages can be cut without being parsed.

Nothing here says that a message is well formed: who cuts must make sure of each piece.

Source: Protocol Buffers encoding, "Message structure".
"""

from __future__ import annotations

from typing import Final

LONG: Final = 0x80
"""From here on a size takes more than one byte."""


class UnusualError(Exception):
    """These bytes are for protobuf itself: wrong, long, or spelt in an unusual way."""


def tag_of(number: int) -> int:
    """How a field with a size begins, if its number is below 16."""
    return 8 * number + 2


def long_field(raw: bytes, at: int) -> int:
    """Bytes of the field that begins at `at`, whose size takes two bytes.

    Raises:
        UnusualError: it takes more of them, or fewer would do.
        IndexError: the bytes break off.
    """
    high = raw[at + 2]
    if not 0 < high < LONG:
        raise UnusualError
    return raw[at + 1] - LONG + high * LONG + 3


def lone_field(raw: bytes, tag: int) -> bytes | None:
    """What is inside the field that is all there is; None where there is more, or nothing."""
    try:
        if raw[0] != tag:
            return None
        size = raw[1]
        if size < LONG:
            return raw[2:] if size + 2 == len(raw) else None
        return raw[3:] if long_field(raw, 0) == len(raw) else None
    except (IndexError, UnusualError):
        return None
