"""Claims about what kept answers share of what the decision log is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pdp_fakes import FakeCodec, FakeIds, World, question

from consentry.pdp.codec import DecodedCheck
from consentry.pdp.decision_point import DecisionPoint
from consentry.telemetry.audit.record import AuditFields
from consentry.telemetry.metrics import Metrics


def told(world: World, *asked: bytes) -> list[AuditFields]:
    """What a trace is told of answers, each made anew."""
    found: list[AuditFields] = []

    def note(_decision_id: str, _result: str, fields: AuditFields) -> str:
        found.append(fields)
        return ""

    point = DecisionPoint(
        policies=world.policies,
        ledger=world.ledger,
        codec=world.codec,
        clock=world.clock,
        ids=FakeIds(),
        metrics=Metrics(),
        trace=note,
    )
    for raw in asked:
        point.check_bytes(raw)
    return found


@pytest.fixture
def world() -> World:
    made = World()
    made.give()
    return made


def test_answers_of_one_kind_share_it_and_keep_what_is_their_own(world: World) -> None:
    world.give("bob")
    first, again, other, cold = told(
        world,
        question(nonce="1"),
        question(nonce="2"),
        question(person="bob"),
        question(principal="post"),
    )

    assert first.kind is again.kind is other.kind
    assert first.principal_id is again.principal_id
    assert (first.principal_id, cold.principal_id) == ("mailer", "post")
    assert first.data_subject_id is again.data_subject_id
    assert [f.data_subject_id for f in (first, other)] == ["ada", "bob"]
    assert [f.revision for f in (first, other)] == [1, 2]
    assert first.question != again.question


@pytest.mark.parametrize(
    "asked",
    [
        {"action": "contact"},
        {"data": "customer.contact.phone"},
        {"purpose": "unknown"},
        {"person": "nobody"},
    ],
)
def test_what_differs_has_a_kind_of_its_own(world: World, asked: dict[str, str]) -> None:
    plain, other = told(world, question(), question(**asked))

    assert plain.kind is not other.kind
    assert other.principal_id == "mailer"
    assert other.kind.action == asked.get("action", "read")
    assert other.kind.data == (asked.get("data", "customer.contact.email"),)
    assert other.kind.purpose == asked.get("purpose", "marketing")
    assert other.data_subject_id == asked.get("person", "ada")


def test_question_about_nobody_has_no_person(world: World) -> None:
    (fields,) = told(world, question(person=""))

    assert fields.data_subject_id == ""
    assert fields.revision == 0


def test_wide_questions_are_told_alike_and_remembered_nowhere(world: World) -> None:
    class Wide(FakeCodec):
        def decode_check(self, raw: bytes) -> DecodedCheck:
            request = super().decode_check(raw).request
            return DecodedCheck(replace(request, data=request.data * 17))

    world.codec = Wide()
    one, two = told(world, question(), question(nonce="2"))

    assert one.kind is not two.kind
    assert one.kind.data == two.kind.data == ("customer.contact.email",) * 17
    assert one.kind.reason == two.kind.reason
