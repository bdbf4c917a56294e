"""TC and GPP strings written from fields, by the published layouts; readers are held to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def text_of(bits: str) -> str:
    padded = bits + "0" * (-len(bits) % 6)
    return "".join(ALPHABET[int(padded[n : n + 6], 2)] for n in range(0, len(padded), 6))


def number(value: int, width: int) -> str:
    return f"{value:0{width}b}"


def flags(ids: Iterable[int], width: int) -> str:
    chosen = set(ids)
    return "".join("1" if place in chosen else "0" for place in range(1, width + 1))


def letters(two: str) -> str:
    return "".join(number(ord(letter) - ord("A"), 6) for letter in two)


def vendors(ids: Iterable[int], *, as_ranges: bool = False) -> str:
    chosen = sorted(ids)
    greatest = chosen[-1] if chosen else 0
    if not as_ranges:
        return number(greatest, 16) + "0" + flags(chosen, greatest)
    entries = "".join("0" + number(one, 16) for one in chosen)
    return number(greatest, 16) + "1" + number(len(chosen), 12) + entries


@dataclass
class Tc:
    """A TC string's fields."""

    updated_s: int = 1_770_000_000
    consents: tuple[int, ...] = ()
    interests: tuple[int, ...] = ()
    special: tuple[int, ...] = ()
    vendor_consents: tuple[int, ...] = ()
    vendor_interests: tuple[int, ...] = ()
    restrictions: tuple[tuple[int, int, tuple[int, ...]], ...] = ()
    disclosed: tuple[int, ...] | None = ()
    is_service_specific: bool = True
    version: int = 2
    as_ranges: bool = False
    cmp_id: int = 31
    extra: list[str] = field(default_factory=list)

    def text(self) -> str:
        time = number(self.updated_s * 10, 36)
        core = number(self.version, 6) + time + time + number(self.cmp_id, 12)
        core += number(1, 12) + number(0, 6) + letters("EN") + number(90, 12) + number(5, 6)
        core += ("1" if self.is_service_specific else "0") + "0"
        core += flags(self.special, 12) + flags(self.consents, 24) + flags(self.interests, 24)
        core += "0" + letters("DE")
        core += vendors(self.vendor_consents, as_ranges=self.as_ranges)
        core += vendors(self.vendor_interests, as_ranges=self.as_ranges)
        core += number(len(self.restrictions), 12)
        for purpose, kind, ids in self.restrictions:
            core += number(purpose, 6) + number(kind, 2) + number(len(ids), 12)
            core += "".join("0" + number(one, 16) for one in ids)
        parts = [text_of(core)]
        if self.disclosed is not None:
            parts.append(text_of(number(1, 3) + vendors(self.disclosed)))
        return ".".join([*parts, *self.extra])


def fibonacci(value: int) -> str:
    terms = [1, 2]
    while terms[-1] <= value:
        terms.append(terms[-1] + terms[-2])
    bits = ""
    for term in reversed([t for t in terms if t <= value]):
        is_in = term <= value
        value -= term if is_in else 0
        bits = ("1" if is_in else "0") + bits
    return bits + "1"


def header(ids: Iterable[int]) -> str:
    chosen, last = list(ids), 0
    bits = number(3, 6) + number(1, 6) + number(len(chosen), 12)
    for one in chosen:
        bits += "0" + fibonacci(one - last)
        last = one
    return text_of(bits)


def california(
    sale: int = 0, sharing: int = 0, sensitive: tuple[int, ...] = (0,) * 9, gpc: bool | None = None
) -> str:
    fields = (0, 0, 0, sale, sharing, *sensitive, 0, 0, 0, 0, 0, 0)
    return _us(1, fields, gpc)


def national(  # noqa: PLR0917 (the order of the section)
    version: int = 1,
    sale: int = 0,
    sharing: int = 0,
    advertising: int = 0,
    sensitive: tuple[int, ...] = (),
    gpc: bool | None = None,
) -> str:
    count = 12 if version == 1 else 16
    several = (*sensitive, *(0,) * (count - len(sensitive)))
    rest = (0,) * (6 if version == 1 else 7)
    return _us(version, (0, 0, 0, 0, 0, 0, sale, sharing, advertising, *several, *rest), gpc)


def _us(version: int, fields: tuple[int, ...], gpc: bool | None) -> str:
    core = text_of(number(version, 6) + "".join(number(value, 2) for value in fields))
    return core if gpc is None else f"{core}.{text_of(number(1, 2) + ('1' if gpc else '0'))}"
