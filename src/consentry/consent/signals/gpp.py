"""The GPP string of IAB Tech Lab: its header, and the sections of the US: national, California.

Source: IAB Tech Lab, "Global Privacy Platform String" 1.0 (header, Fibonacci ranges); "MSPA US
National Section" versions 1 and 2 (section 7) and "California Privacy" version 1 (section 8):
fields in their order, all of two bits after a version of six.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from consentry.consent.signals.bits import Bits, SignalError

US_NATIONAL: Final = 7
US_CALIFORNIA: Final = 8
_HEADER_TYPE: Final = 3
_GPC_TYPE: Final = 1

NOT_APPLICABLE: Final = 0
OPTED_OUT: Final = 1
DID_NOT_OPT_OUT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class UsSection:
    """What a US section says; 0 not applicable, 1 opted out or no consent, 2 did not or consent.

    `sensitive` has one value for each category of the section, in its order. `gpc` is None where
    the section has no such part.
    """

    section: int
    version: int
    sale: int = NOT_APPLICABLE
    sharing: int = NOT_APPLICABLE
    targeted_advertising: int = NOT_APPLICABLE
    sensitive: tuple[int, ...] = ()
    gpc: bool | None = None


@dataclass(frozen=True, slots=True)
class GppString:
    """The sections of a string: all their numbers, and those that are read here."""

    section_ids: tuple[int, ...]
    us: tuple[UsSection, ...] = field(default=())


def read_gpp_string(text: str) -> GppString:
    """What a GPP string says.

    Raises:
        SignalError: it is none, or a section that is read here is not as specified.
    """
    header, *sections = text.strip().split("~")
    ids = _section_ids(Bits(header))
    if len(ids) != len(sections):
        raise SignalError("section_count")
    readers = {US_NATIONAL: _national, US_CALIFORNIA: _california}
    found = tuple(
        readers[number](section)
        for number, section in zip(ids, sections, strict=True)
        if number in readers
    )
    return GppString(ids, found)


def _section_ids(bits: Bits) -> tuple[int, ...]:
    if bits.number(6) != _HEADER_TYPE:
        raise SignalError("no_header")
    if bits.number(6) != 1:
        raise SignalError("unknown_version")
    ids: list[int] = []
    last = 0
    for _ in range(bits.number(12)):
        is_range = bits.flag()
        start = last + bits.fibonacci()
        last = start + bits.fibonacci() if is_range else start
        # Before they are listed: a few letters can say a range of billions.
        if last > 4_096:
            raise SignalError("bad_range")
        ids.extend(range(start, last + 1))
    return tuple(ids)


def _national(text: str) -> UsSection:
    core, *others = text.split(".")
    bits = Bits(core)
    version = bits.number(6)
    if version not in (1, 2):
        raise SignalError("unknown_version")
    bits.several(2, 6)  # which notices were given
    sale, sharing, advertising = bits.several(2, 3)
    sensitive = bits.several(2, 12 if version == 1 else 16)
    return UsSection(
        section=US_NATIONAL,
        version=version,
        sale=_checked(sale),
        sharing=_checked(sharing),
        targeted_advertising=_checked(advertising),
        sensitive=tuple(map(_checked, sensitive)),
        gpc=_gpc(others),
    )


def _california(text: str) -> UsSection:
    core, *others = text.split(".")
    bits = Bits(core)
    version = bits.number(6)
    if version != 1:
        raise SignalError("unknown_version")
    bits.several(2, 3)  # which notices were given
    sale, sharing = bits.several(2, 2)
    sensitive = bits.several(2, 9)
    return UsSection(
        section=US_CALIFORNIA,
        version=version,
        sale=_checked(sale),
        sharing=_checked(sharing),
        sensitive=tuple(map(_checked, sensitive)),
        gpc=_gpc(others),
    )


def _gpc(segments: list[str]) -> bool | None:
    for segment in segments:
        bits = Bits(segment)
        if bits.number(2) == _GPC_TYPE:
            return bits.flag()
    return None


def _checked(value: int) -> int:
    if value > DID_NOT_OPT_OUT:
        raise SignalError("unknown_value")
    return value


def read_gpc(value: str) -> bool:
    """Whether a `Sec-GPC` header asks not to sell or share: exactly `1`, anything else does not.

    Source: Global Privacy Control, W3C; several headers come joined by commas.
    """
    return "1" in (part.strip() for part in value.split(","))
