"""The TC string of IAB Europe's Transparency and Consent Framework, version 2.3.

Source: IAB Tech Lab, "Transparency and Consent String with Global Vendor & CMP List Formats", v2:
fields and widths of the core segment, segment types. 2.3 changes no field; it makes the segment of
disclosed vendors mandatory. Reading it here asks no vendor list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from consentry.consent.signals.bits import Bits, SignalError

VERSION: Final = 2
_DISCLOSED: Final = 1


@dataclass(frozen=True, slots=True)
class Restriction:
    """What the publisher does not allow: 0 not at all, 1 only by consent, 2 only by interest."""

    purpose: int
    kind: int
    vendors: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TcString:
    """One TC string; times are microseconds since the epoch, numbers those of the framework.

    `disclosed_vendors` is None where the string does not say, which 2.3 no longer allows.
    """

    created_us: int
    updated_us: int
    cmp_id: int
    language: str
    vendor_list: int
    policy: int
    is_service_specific: bool
    special_features: frozenset[int]
    purpose_consents: frozenset[int]
    purpose_interests: frozenset[int]
    publisher_country: str
    vendor_consents: frozenset[int]
    vendor_interests: frozenset[int]
    restrictions: tuple[Restriction, ...] = ()
    disclosed_vendors: frozenset[int] | None = field(default=None)

    def restriction_of(self, purpose: int, vendor: int) -> int | None:
        """The strictest kind that the publisher sets for a vendor; 0 is stricter than all."""
        kinds = [r.kind for r in self.restrictions if r.purpose == purpose and vendor in r.vendors]
        return min(kinds, default=None)


def read_tc_string(text: str) -> TcString:
    """What a TC string says.

    Raises:
        SignalError: it is none of version 2, or it ends too early.
    """
    core, *others = text.strip().split(".")
    bits = Bits(core)
    if bits.number(6) != VERSION:
        raise SignalError("unknown_version")
    created_us, updated_us = bits.time_us(), bits.time_us()
    cmp_id = bits.number(12)
    bits.number(12 + 6)  # version of the CMP, its screen
    language, vendor_list, policy = bits.letters(), bits.number(12), bits.number(6)
    is_service_specific = bits.flag()
    bits.flag()  # whether texts of its own were used
    special, consents, interests = (
        bits.numbers_of(12),
        bits.numbers_of(24),
        bits.numbers_of(24),
    )
    bits.flag()  # whether purpose 1 was not disclosed at all
    country = bits.letters()
    vendor_consents, vendor_interests = bits.ids(), bits.ids()
    restrictions = tuple(
        Restriction(bits.number(6), bits.number(2), bits.ranges()) for _ in range(bits.number(12))
    )
    return TcString(
        created_us=created_us,
        updated_us=updated_us,
        cmp_id=cmp_id,
        language=language,
        vendor_list=vendor_list,
        policy=policy,
        is_service_specific=is_service_specific,
        special_features=special,
        purpose_consents=consents,
        purpose_interests=interests,
        publisher_country=country,
        vendor_consents=vendor_consents,
        vendor_interests=vendor_interests,
        restrictions=restrictions,
        disclosed_vendors=_disclosed(others),
    )


def _disclosed(segments: list[str]) -> frozenset[int] | None:
    for segment in segments:
        bits = Bits(segment)
        if bits.number(3) == _DISCLOSED:
            return bits.ids()
    return None
