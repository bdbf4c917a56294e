"""Masks on every kind of record: mappings, dataclasses, protobuf messages, rows of pandas."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd
import pytest

from consentry.client import Decision, FieldDecision, Mask, apply
from consentry.v1 import consent_pb2, decision_pb2


def decided(*fields: FieldDecision, is_permitted: bool = True) -> Decision:
    return Decision(is_permitted=is_permitted, reason="", fields=fields)


def granted(data: str, mask: Mask | None = None) -> FieldDecision:
    return FieldDecision(data, is_permitted=True, reason="", mask=mask)


def refused(data: str) -> FieldDecision:
    return FieldDecision(data, is_permitted=False, reason="consent_missing")


DECIDED = decided(
    granted("customer.contact.email"),
    granted("customer.payment.iban", Mask("last", 4)),
    refused("customer.profile.name"),
)


@dataclasses.dataclass(frozen=True)
class Contact:
    email: str | None
    phone: str | None = None


@dataclasses.dataclass(frozen=True)
class Customer:
    contact: Contact
    iban: str | None
    name: str | None


def test_mapping_loses_what_was_not_granted_and_stays_as_it_was() -> None:
    record = {"email": "a@b.c", "iban": "DE001234", "name": "Ada", "shoe_size": 38}

    assert apply(DECIDED, record) == {"email": "a@b.c", "iban": "••••1234"}
    assert record["iban"] == "DE001234"


def test_records_in_records_are_gone_through() -> None:
    record = {
        "contact": {"email": "a@b.c", "phone": "1"},
        "payment": [{"iban": "DE001234", "name": "Ada"}, {"name": "Eve"}],
        "profile": {"name": "Ada"},
        "other": {"email": "x@y.z"},
    }

    assert apply(DECIDED, record) == {
        "contact": {"email": "a@b.c"},
        "payment": [{"iban": "••••1234"}],
    }


def test_dataclass_gives_its_like_with_none_for_what_may_not_be_used() -> None:
    record = Customer(Contact("a@b.c", "1"), "DE001234", "Ada")

    usable = apply(DECIDED, record)

    assert usable == Customer(Contact("a@b.c", None), "••••1234", None)


def test_message_gives_its_like_with_cleared_fields() -> None:
    record = consent_pb2.ConsentEvent(
        subject="ada", notice="n-1", idempotency_key="DE001234",
        scope=consent_pb2.ConsentScope(purpose="p", data=["d", "e"]), qualities=["a"],
    )  # fmt: skip
    decision = decided(
        granted("event.subject"),
        granted("event.idempotency_key", Mask("last", 4)),
        granted("event.scope.data"),
        refused("event.notice"),
    )

    usable = apply(decision, record)

    assert usable == consent_pb2.ConsentEvent(
        subject="ada", idempotency_key="••••1234", scope=consent_pb2.ConsentScope(data=["d", "e"])
    )
    assert record.notice == "n-1"


def test_mask_that_does_not_fit_the_field_clears_it() -> None:
    record = decision_pb2.Value(number=1234)
    decision = decided(granted("value.number", Mask("last", 2)))

    assert apply(decision, record) == decision_pb2.Value()


def test_unknown_fields_of_a_message_go() -> None:
    raw = decision_pb2.Mask(argument=7).SerializeToString() + b"\x7a\x03abc"
    record = decision_pb2.Mask.FromString(raw)

    usable = apply(decided(granted("mask.argument")), record)

    assert usable.SerializeToString() == decision_pb2.Mask(argument=7).SerializeToString()


def test_row_of_pandas_gives_its_like() -> None:
    frame = pd.DataFrame([{"email": "a@b.c", "iban": "DE001234", "name": "Ada"}])

    usable: Any = apply(DECIDED, frame.iloc[0])
    rows = frame.apply(lambda row: apply(DECIDED, row), axis=1)

    assert isinstance(usable, pd.Series)
    assert usable.to_dict() == {"email": "a@b.c", "iban": "••••1234"}
    assert rows.to_dict("records") == [{"email": "a@b.c", "iban": "••••1234"}]


@pytest.mark.parametrize(
    ("record", "nothing"),
    [
        ({"email": "a"}, {}),
        (Contact("a"), Contact(None)),
        (decision_pb2.Mask(argument=1), decision_pb2.Mask()),
    ],
)
def test_of_a_denial_nothing_may_be_used(record: Any, nothing: Any) -> None:
    denial = decided(granted("x.email"), granted("mask.argument"), is_permitted=False)

    assert apply(denial, record) == nothing


@pytest.mark.parametrize("record", ["text", 5, None, Contact])
def test_what_is_no_record_is_refused(record: Any) -> None:
    with pytest.raises(TypeError, match="cannot be masked"):
        apply(DECIDED, record)
