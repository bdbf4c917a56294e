"""Signals as consent events: what a person said by them, in the words of a policy set.

A signal knows no purposes of ours: a map says which of its numbers stand for which of our names,
and what is not in the map makes no event. In doubt the narrower reading: a positive counts from
when it was said and ends after 13 months, a negative from when it was last seen; GPP and Sec-GPC
only ever narrow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from consentry.consent.signals.bits import SignalError
from consentry.consent.signals.gpp import OPTED_OUT, UsSection, read_gpc, read_gpp_string
from consentry.consent.signals.tcf import TcString, read_tc_string
from consentry.consent.validate import MAX_REFERENCE_BYTES
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from consentry.model.values import Duration, shift_us

TCF_LASTS: Final = Duration(months=13)
_FORBIDDEN: Final = 0
_ONLY_INTEREST: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalMap:
    """Which numbers of a signal stand for which names of ours.

    `vendor` is the number of whoever is going to use the data in the vendor list; None: the
    publisher itself, for whom only purposes count. `sensitive` maps categories of a US section, by
    their place, to data of ours. `regime` confines all events to one law.
    """

    vendor: int | None = None
    purposes: Mapping[int, str] = field(default_factory=dict)
    interests: Mapping[int, str] = field(default_factory=dict)
    special_features: Mapping[int, str] = field(default_factory=dict)
    sale_tag: str = "sale"
    sharing_tag: str = "sharing"
    advertising_tag: str = "targeted_advertising"
    sensitive: Mapping[int, str] = field(default_factory=dict)
    regime: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A signal as it came: whose, the text, and when it was seen (0: not known)."""

    data_subject_id: str
    text: str
    seen_at_us: int = 0
    source: str = ""


SignalReader: TypeAlias = "Callable[[Signal, SignalMap], tuple[ConsentEvent, ...]]"


def tcf_events(signal: Signal, names: SignalMap) -> tuple[ConsentEvent, ...]:
    """Consents, refusals and objections of a TC string.

    Raises:
        SignalError: it cannot be read, is not of one service, or does not say that the vendor was
            disclosed, as 2.3 demands.
    """
    said = read_tc_string(signal.text)
    if not said.is_service_specific:
        raise SignalError("not_service_specific")
    if names.vendor is not None:
        if said.disclosed_vendors is None:
            raise SignalError("disclosed_vendors_missing")
        if names.vendor not in said.disclosed_vendors:
            raise SignalError("vendor_not_disclosed")
    return tuple(_tcf(signal, said, names))


def _tcf(signal: Signal, said: TcString, names: SignalMap) -> Iterator[ConsentEvent]:
    vendor = names.vendor
    for number, purpose in names.purposes.items():
        is_given = number in said.purpose_consents
        if vendor is not None:
            restriction = said.restriction_of(number, vendor)
            is_given = is_given and vendor in said.vendor_consents
            is_given = is_given and restriction not in (_FORBIDDEN, _ONLY_INTEREST)
        yield _consent(signal, said, names, purpose, is_given=is_given)
    for number, purpose in names.special_features.items():
        yield _consent(signal, said, names, purpose, is_given=number in said.special_features)
    for number, purpose in names.interests.items():
        is_open = number in said.purpose_interests
        is_open = is_open and (vendor is None or vendor in said.vendor_interests)
        if not is_open:
            yield _event(
                signal, EventKind.OBJECTED, Scope(purpose=purpose, regime=names.regime),
                "iab_tcf_string", _seen(signal, said.updated_us), f"cmp {said.cmp_id}",
            )  # fmt: skip


def _consent(
    signal: Signal, said: TcString, names: SignalMap, purpose: str, *, is_given: bool
) -> ConsentEvent:
    at_us = said.updated_us if is_given else _seen(signal, said.updated_us)
    return _event(
        signal,
        EventKind.GIVEN if is_given else EventKind.REFUSED,
        Scope(purpose=purpose, regime=names.regime),
        "iab_tcf_string",
        at_us,
        f"cmp {said.cmp_id}",
        expires_at_us=shift_us(said.updated_us, TCF_LASTS) if is_given else None,
    )


def gpp_events(signal: Signal, names: SignalMap) -> tuple[ConsentEvent, ...]:
    """Opt-outs and limits of the US sections of a GPP string.

    Raises:
        SignalError: it cannot be read, or has none of the sections that are read.
    """
    said = read_gpp_string(signal.text)
    if not said.us:
        raise SignalError("no_known_section")
    return tuple(event for section in said.us for event in _us(signal, section, names))


def _us(signal: Signal, said: UsSection, names: SignalMap) -> Iterator[ConsentEvent]:
    outs = (
        (said.sale == OPTED_OUT or said.gpc is True, names.sale_tag),
        (said.sharing == OPTED_OUT or said.gpc is True, names.sharing_tag),
        (said.targeted_advertising == OPTED_OUT, names.advertising_tag),
    )
    source = f"gpp section {said.section}"
    for is_out, tag in outs:
        if is_out and tag:
            scope = Scope(tag=tag, regime=names.regime)
            yield _event(
                signal, EventKind.OPTED_OUT, scope, "iab_gpp_string", _seen(signal, 0), source
            )
    for place, data in names.sensitive.items():
        if place <= len(said.sensitive) and said.sensitive[place - 1] == OPTED_OUT:
            scope = Scope(data=(data,), regime=names.regime)
            yield _event(
                signal, EventKind.LIMITED, scope, "iab_gpp_string", _seen(signal, 0), source
            )


def gpc_events(signal: Signal, names: SignalMap) -> tuple[ConsentEvent, ...]:
    """The opt-out of sale and sharing that `Sec-GPC: 1` is; nothing for any other value."""
    if not read_gpc(signal.text):
        return ()
    return tuple(
        _event(
            signal, EventKind.OPTED_OUT, Scope(tag=tag, regime=names.regime), "sec_gpc_header",
            _seen(signal, 0), "Sec-GPC",
        )
        for tag in (names.sale_tag, names.sharing_tag)
        if tag
    )  # fmt: skip


SIGNALS: Final[Mapping[str, SignalReader]] = {
    "tcf": tcf_events,
    "gpp": gpp_events,
    "gpc": gpc_events,
}
"""What rows can hold signals of, by the name that it has in commands and calls."""


def _event(  # noqa: PLR0917 (all of them, each time, in this order)
    signal: Signal,
    kind: EventKind,
    scope: Scope,
    method: str,
    at_us: int,
    source: str,
    expires_at_us: int | None = None,
) -> ConsentEvent:
    whole = "\n".join((method, signal.data_subject_id, signal.text, kind, repr(scope), str(at_us)))
    raw = signal.text.encode()
    reference = signal.text if len(raw) <= MAX_REFERENCE_BYTES else hashlib.sha256(raw).hexdigest()
    return ConsentEvent(
        kind=kind,
        data_subject_id=signal.data_subject_id,
        scope=scope,
        happened_at_us=at_us,
        expires_at_us=expires_at_us,
        proof=Proof(method=method, source=signal.source or source, reference=reference),
        idempotency_key=f"signal-{hashlib.sha256(whole.encode()).hexdigest()[:40]}",
    )


def _seen(signal: Signal, otherwise_us: int) -> int:
    return max(signal.seen_at_us, otherwise_us)
