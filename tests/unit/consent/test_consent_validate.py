"""Malformed events are refused with the place and a stable code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.consent.errors import EventRefusedError
from consentry.consent.validate import (
    MAX_BATCH,
    ScopeName,
    check_events,
    find_text_fault,
    scope_names,
)
from consentry.model.consent import EventKind, Proof, RecipientScope, Scope
from tests.support.consent_events import day, event, gave

NOW = day(100)


@pytest.mark.parametrize(
    ("members", "field", "code"),
    [
        ({"data_subject_id": ""}, "subject", "required"),
        ({"data_subject_id": "é" * 129}, "subject", "too_long"),
        ({"data_subject_id": "a\0b"}, "subject", "control_character"),
        ({"data_subject_id": "a\u202eb"}, "subject", "bidi_control"),
        ({"data_subject_id": "a\ud800"}, "subject", "lone_surrogate"),
        ({"data_subject_id": " a"}, "subject", "edge_whitespace"),
        ({"data_subject_id": "a\u00a0"}, "subject", "edge_whitespace"),
        ({"data_subject_id": "a\u2028b"}, "subject", "control_character"),
        ({"idempotency_key": ""}, "idempotency_key", "required"),
        ({"idempotency_key": "k" * 129}, "idempotency_key", "too_long"),
        ({"proof": Proof(reference="r" * 4_097)}, "proof.reference", "too_long"),
        ({"proof": Proof(method="a\nb")}, "proof.method", "control_character"),
        ({"notice": "n" * 129}, "notice", "too_long"),
        ({"listed": ("x",) * 65}, "listed", "too_many"),
        ({"listed": ("",)}, "listed", "empty_entry"),
        ({"qualities": frozenset({"\x07"})}, "qualities", "control_character"),
        ({"scope": Scope()}, "scope.purpose", "required"),
        ({"scope": Scope(purpose="a", tag="b")}, "scope", "purpose_or_tag"),
        ({"scope": Scope(tag="b", data=("d",) * 65)}, "scope.data", "too_many"),
        (
            {"scope": Scope(tag="b", recipients=(RecipientScope(),))},
            "scope.recipients",
            "one_of",
        ),
        (
            {"scope": Scope(tag="b", recipients=(RecipientScope(id="a", role="b"),))},
            "scope.recipients",
            "one_of",
        ),
        ({"happened_at_us": -1}, "happened_at", "bad_time"),
        ({"happened_at_us": 1 << 63}, "happened_at", "bad_time"),
        ({"happened_at_us": NOW + 300_000_001}, "happened_at", "in_future"),
        ({"expires_at_us": day(1)}, "expires_at", "not_after_start"),
        ({"expires_at_us": 1 << 62}, "expires_at", "bad_time"),
        ({"kind": EventKind.WITHDRAWN, "expires_at_us": day(9)}, "expires_at", "only_for_given"),
        ({"kind": cast("EventKind", "made_up")}, "kind", "unknown_value"),
        ({"by": "someone"}, "by", "unknown_value"),
    ],
)
def test_malformed_event_is_refused(members: dict[str, object], field: str, code: str) -> None:
    with pytest.raises(EventRefusedError) as refused:
        check_events([gave(1), replace(gave(1), **members)], NOW)  # type: ignore[arg-type]  # parts of an event

    assert (refused.value.index, refused.value.field, refused.value.code) == (1, field, code)
    assert refused.value.message


TEXTS: dict[str, tuple[int, Callable[[str], dict[str, Any]]]] = {
    "scope.purpose": (128, lambda text: {"scope": Scope(purpose=text, data=("d",))}),
    "scope.data": (128, lambda text: {"scope": Scope(purpose="p", data=("d", text))}),
    "proof.reference": (4_096, lambda text: {"proof": Proof(reference=text)}),
    "notice": (128, lambda text: {"notice": text}),
    "listed": (128, lambda text: {"listed": (text, "x")}),
    "qualities": (128, lambda text: {"qualities": frozenset({"explicit", text})}),
}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(TEXTS)),
    st.text("a| ", min_size=1, max_size=4)
    | st.text("a| \t\n\0é\u2028\u202e\ud800", min_size=1, max_size=6)
    | st.integers(120, 260).map(lambda length: "x" * length),
)
def test_text_is_refused_wherever_it_stands_for_what_it_would_be_alone(
    field: str, text: str
) -> None:
    limit, members = TEXTS[field]
    expected = find_text_fault(text, limit)
    events = [replace(gave(1), **members(text))]

    if expected is None:
        check_events(events, NOW)
        return
    with pytest.raises(EventRefusedError) as refused:
        check_events(events, NOW)
    assert (refused.value.field, refused.value.code) == (field, expected)


def test_events_at_the_bounds_are_taken() -> None:
    check_events(
        [
            gave(1, data_subject_id="s" * 256, idempotency_key="k" * 128),
            gave(1, proof=Proof(method="form", reference="r" * 4_096)),
            gave(1, listed=("x",) * 64, happened_at_us=NOW + 300_000_000),
            gave(1, expires_at_us=day(1) + 1),
            gave(1, happened_at_us=0, expires_at_us=NOW + 1),
            gave(1, data_subject_id="e\u0301"),
            event(EventKind.OBJECTED, 1, scope=Scope()),
        ],
        NOW,
    )


def test_batch_over_the_limit_is_refused() -> None:
    check_events([gave(1)] * MAX_BATCH, NOW)

    with pytest.raises(EventRefusedError) as refused:
        check_events([gave(1)] * (MAX_BATCH + 1), NOW)
    assert refused.value.code == "too_many"


def test_names_to_look_up_come_with_their_kind() -> None:
    named = gave(
        1,
        scope=Scope(purpose="p", data=("d",), channels=("c",), regime="gdpr"),
        listed=("p.child",),
    )

    assert scope_names(named) == (
        ScopeName("scope.purpose", "purpose", "p"),
        ScopeName("scope.data", "data", "d"),
        ScopeName("scope.channels", "channel", "c"),
        ScopeName("scope.regime", "regime", "gdpr"),
        ScopeName("listed", "purpose", "p.child"),
    )
