"""Is an event well formed? Whether its names exist in a policy set is the caller's question.

Codes are those of the doors (`too_long`, `control_character`, …), so that a caller finds the same
word wherever a text is refused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from consentry.consent.errors import EventRefusedError
from consentry.model.consent import Author, ConsentEvent, EventKind
from consentry.model.values import MICROS_PER_SECOND

MAX_BATCH: Final = 1_000
MAX_SUBJECT_BYTES: Final = 256
MAX_NAME_BYTES: Final = 128
MAX_REFERENCE_BYTES: Final = 4_096
MAX_LIST_ENTRIES: Final = 64
MAX_AHEAD_US: Final = 5 * 60 * MICROS_PER_SECOND
UNSET_TIME: Final = 0
"""As `happened_at_us`: at the time of receipt. A retry without a time is then the same content."""

_END_OF_2200_US: Final = 7_289_654_400 * MICROS_PER_SECOND
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Other, control; Other, surrogate; separators of lines and paragraphs.
_REFUSED_CATEGORIES: Final = {
    "Cc": "control_character",
    "Cs": "lone_surrogate",
    "Zl": "control_character",
    "Zp": "control_character",
}
# Kinds that are about consent itself: they name what was agreed to.
_CONSENT_KINDS: Final = frozenset(
    {EventKind.REQUESTED, EventKind.GIVEN, EventKind.REFUSED, EventKind.WITHDRAWN}
)
_SENTENCES: Final = {
    "required": "must be given",
    "too_long": "is longer than the limit",
    "too_many": "has more entries than the limit",
    "control_character": "must not contain control characters",
    "lone_surrogate": "must be valid Unicode",
    "bidi_control": "must not contain bidirectional control characters",
    "edge_whitespace": "must not begin or end with white space",
    "empty_entry": "must not contain an empty entry",
    "unknown_value": "has a value that is not one of those defined",
    "bad_time": "must be a time in the years 1970 to 2200",
    "in_future": "must not be more than five minutes ahead",
    "not_after_start": "must be after the time of the consent",
    "only_for_given": "is only for a consent that was given",
    "purpose_or_tag": "takes a purpose or a tag, not both",
    "one_of": "takes exactly one of id, role and country",
}


@dataclass(frozen=True, slots=True)
class ScopeName:
    """A name that an event uses: where, which kind of thing it should be, and the name."""

    field: str
    kind: str
    name: str


def scope_names(event: ConsentEvent) -> tuple[ScopeName, ...]:
    """Names to be looked up in a policy set; kinds: purpose, tag, data, channel, regime."""
    scope = event.scope
    return tuple(
        ScopeName(field, kind, name)
        for field, kind, names in (
            ("scope.purpose", "purpose", (scope.purpose,)),
            ("scope.tag", "tag", (scope.tag,)),
            ("scope.data", "data", scope.data),
            ("scope.channels", "channel", scope.channels),
            ("scope.regime", "regime", (scope.regime,)),
            ("listed", "purpose", event.listed),
        )
        for name in names
        if name
    )


def check_events(events: Sequence[ConsentEvent], now_us: int) -> None:
    """Refuses a batch for the first thing wrong with it.

    Raises:
        EventRefusedError: with the event's index, the field and a stable code.
    """
    if len(events) > MAX_BATCH:
        raise EventRefusedError(MAX_BATCH, "", "too_many", "a batch has at most 1,000 events")
    for index, event in enumerate(events):
        for field, code in _faults(event, now_us):
            raise EventRefusedError(index, field, code, _SENTENCES[code])


def _faults(event: ConsentEvent, now_us: int) -> Iterator[tuple[str, str]]:
    # Values may come from a decoder that does not check; a StrEnum field may then hold plain text.
    if not isinstance(event.kind, EventKind):
        yield "kind", "unknown_value"
    if not isinstance(event.by, Author):
        yield "by", "unknown_value"
    if not _are_texts_plain(event):
        for field, text, limit in _texts(event):
            if text and (code := find_text_fault(text, limit)):
                yield field, code
    for field, entries in _lists(event):
        if len(entries) > MAX_LIST_ENTRIES:
            yield field, "too_many"
        if "" in entries:
            yield field, "empty_entry"
    if not event.data_subject_id:
        yield "subject", "required"
    if not event.idempotency_key:
        yield "idempotency_key", "required"
    yield from _scope_faults(event)
    yield from _time_faults(event, now_us)


def _scope_faults(event: ConsentEvent) -> Iterator[tuple[str, str]]:
    scope = event.scope
    if scope.purpose and scope.tag:
        yield "scope", "purpose_or_tag"
    if event.kind in _CONSENT_KINDS and not (scope.purpose or scope.tag):
        yield "scope.purpose", "required"
    if len(scope.recipients) > MAX_LIST_ENTRIES:
        yield "scope.recipients", "too_many"
    for entry in scope.recipients:
        if sum(map(bool, (entry.id, entry.role, entry.country))) != 1:
            yield "scope.recipients", "one_of"


def _time_faults(event: ConsentEvent, now_us: int) -> Iterator[tuple[str, str]]:
    happened_at_us = event.happened_at_us
    if not 0 <= happened_at_us < _END_OF_2200_US:
        yield "happened_at", "bad_time"
    elif happened_at_us > now_us + MAX_AHEAD_US:
        yield "happened_at", "in_future"
    if event.expires_at_us is None:
        return
    if event.kind is not EventKind.GIVEN:
        yield "expires_at", "only_for_given"
    elif not 0 <= event.expires_at_us < _END_OF_2200_US:
        yield "expires_at", "bad_time"
    elif event.expires_at_us <= (happened_at_us or now_us):
        yield "expires_at", "not_after_start"


def _are_texts_plain(event: ConsentEvent) -> bool:
    """Whether every text is short printable ASCII without a space at an edge, which breaks no rule.

    PERF: said of all of them together, since nearly every event's are; one by one they took longer
    than all else that is checked.
    """
    scope, proof = event.scope, event.proof
    texts = (
        "", event.data_subject_id, event.idempotency_key, event.notice, proof.reference,
        scope.purpose, scope.tag, scope.controller, scope.regime, proof.method, proof.source,
        proof.channel, proof.recorded_by, *scope.data, *scope.channels, *event.qualities,
        *event.listed, "",
    )  # fmt: skip
    joined = "|".join(texts)
    return (
        not scope.recipients
        and joined.isascii()
        and joined.isprintable()
        and "| " not in joined
        and " |" not in joined
        and max(map(len, texts)) <= MAX_NAME_BYTES
    )


def _texts(event: ConsentEvent) -> Iterator[tuple[str, str, int]]:
    scope, proof = event.scope, event.proof
    yield "subject", event.data_subject_id, MAX_SUBJECT_BYTES
    yield "idempotency_key", event.idempotency_key, MAX_NAME_BYTES
    yield "proof.reference", proof.reference, MAX_REFERENCE_BYTES
    for field, text in (
        ("scope.purpose", scope.purpose),
        ("scope.tag", scope.tag),
        ("scope.controller", scope.controller),
        ("scope.regime", scope.regime),
        ("notice", event.notice),
        ("proof.method", proof.method),
        ("proof.source", proof.source),
        ("proof.channel", proof.channel),
        ("proof.recorded_by", proof.recorded_by),
    ):
        yield field, text, MAX_NAME_BYTES
    for field, entries in _lists(event):
        for text in entries:
            yield field, text, MAX_NAME_BYTES
    for entry in scope.recipients:
        for text in (entry.id, entry.role, entry.country):
            yield "scope.recipients", text, MAX_NAME_BYTES


def _lists(event: ConsentEvent) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (
        ("scope.data", event.scope.data),
        ("scope.channels", event.scope.channels),
        ("qualities", tuple(sorted(event.qualities))),
        ("listed", event.listed),
    )


def find_text_fault(text: str, max_bytes: int) -> str | None:
    """The code of the first rule that `text` breaks, None if it breaks none; empty text is fine."""
    # PERF: nearly every text is short printable ASCII.
    if not (text.isascii() and text.isprintable()):
        for character in text:
            if character in _BIDI:
                return "bidi_control"
            if code := _REFUSED_CATEGORIES.get(unicodedata.category(character)):
                return code
    if len(text.encode()) > max_bytes:
        return "too_long"
    return "edge_whitespace" if text != text.strip() else None
