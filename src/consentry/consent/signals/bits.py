"""Bit fields in base64url text, as the two IAB strings have them."""

from __future__ import annotations

from typing import Final

MAX_CHARACTERS: Final = 64 * 1024
MAX_LISTED: Final = 4 * 2**16
"""Most ids that the ranges of one string may list; a real one has a few thousand."""
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_EPOCH_DECIS_US: Final = 100_000


class SignalError(Exception):
    """The text is not such a string; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Bits:
    """Reads fields from the left; each character is six bits, and what follows is padding."""

    def __init__(self, text: str) -> None:
        """Raises SignalError: a character is none of base64url's, or there are too many."""
        if not text or len(text) > MAX_CHARACTERS:
            raise SignalError("bad_length")
        try:
            self._bits = "".join(f"{_VALUES[character]:06b}" for character in text)
        except KeyError:
            raise SignalError("bad_character") from None
        self._at = 0
        self._listed_count = 0

    def number(self, width: int) -> int:
        """A whole number.

        Raises:
            SignalError: the text ends before it.
        """
        field = self._bits[self._at : self._at + width]
        if len(field) < width:
            raise SignalError("too_short")
        self._at += width
        return int(field, 2)

    def flag(self) -> bool:
        """One bit."""
        return self.number(1) == 1

    def numbers_of(self, width: int) -> frozenset[int]:
        """Numbers, from 1, of the bits that are set in a field of flags."""
        field = f"{self.number(width):0{width}b}"
        return frozenset(place for place, bit in enumerate(field, 1) if bit == "1")

    def several(self, width: int, count: int) -> tuple[int, ...]:
        """Numbers of one width, one after another."""
        return tuple(self.number(width) for _ in range(count))

    def letters(self) -> str:
        """Two letters of six bits each, such as a language."""
        return "".join(chr(ord("A") + self.number(6)) for _ in range(2))

    def time_us(self) -> int:
        """A time in tenths of a second, as microseconds since the epoch."""
        return self.number(36) * _EPOCH_DECIS_US

    def fibonacci(self) -> int:
        """A number in Fibonacci coding: sums up to the first two set bits in a row."""
        total, last, before, was_set = 0, 1, 1, False
        for _ in range(64):
            is_set = self.flag()
            if is_set and was_set:
                return total
            total += last if is_set else 0
            before, last, was_set = last, before + last, is_set
        raise SignalError("bad_number")

    def ids(self, max_width: int = 16) -> frozenset[int]:
        """Ids as flags up to a greatest one, or as ranges: how TC strings tell of vendors."""
        greatest = self.number(max_width)
        if not self.flag():
            return self.numbers_of(greatest) if greatest else frozenset()
        return self.ranges()

    def ranges(self) -> frozenset[int]:
        """Ids as single ones and ranges of ones, both ends included."""
        found: set[int] = set()
        for _ in range(self.number(12)):
            is_range = self.flag()
            start = self.number(16)
            end = self.number(16) if is_range else start
            if end < start:
                raise SignalError("bad_range")
            # A few letters can say a range of thousands, again and again.
            self._listed_count += end + 1 - start
            if self._listed_count > MAX_LISTED:
                raise SignalError("too_many")
            found.update(range(start, end + 1))
        return frozenset(found)
