"""Claims about uses made ready: when they answer, when they do not, and that they are bounded."""

from __future__ import annotations

import pytest
from programs import NOW_US, PHONE, Code, FakeView, permit, program, request, rule

import consentry.engine.evaluate as deciding
from consentry.engine import use as uses
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram, link
from consentry.model.decision import Decision, Effect
from consentry.model.program import AttributeSpec, Owner, RuleKind
from consentry.model.request import DataSubject, Principal, RequestError, Resource

MAILER = Principal(id="mailer", kind="service")
MINOR = [AttributeSpec(owner=Owner.SUBJECT, name="minor", type="flag", is_optional=True)]


def ask(linked: LinkedProgram, **changes: object) -> Decision:
    asked = request(**{"principal": MAILER, **changes})
    return evaluate(linked, asked, FakeView(), NOW_US)


@pytest.fixture
def linked() -> LinkedProgram:
    code = Code()
    is_minor = code.add("2 if f.subject.get('minor') else 0", reads=("subject.minor",))
    minors = rule(RuleKind.FORBID, name="no_minors", condition=is_minor)
    return link(program([permit(), minors], code=code, attributes=MINOR))


@pytest.fixture
def ready(linked: LinkedProgram, monkeypatch: pytest.MonkeyPatch) -> LinkedProgram:
    """A program whose use came twice, and which has no thorough way any more."""
    for _ in range(3):
        assert ask(linked).effect is Effect.PERMIT

    def fail(*_: object, **__: object) -> Decision:
        raise AssertionError("the thorough way was taken")

    monkeypatch.setattr(deciding, "_decide_thoroughly", fail)
    return linked


def test_use_that_came_twice_answers_for_other_persons_and_records(ready: LinkedProgram) -> None:
    other = DataSubject(id="bob", attributes={"minor": False})

    answer = ask(ready, data_subject=other, resource=Resource(id="r2"))

    assert answer.effect is Effect.PERMIT


@pytest.mark.parametrize(
    "changes",
    [
        {"data_subject": DataSubject(id="bob", attributes={"minor": True})},
        {"data_subject": DataSubject(id="bob", attributes={"minor": "yes"})},
        {"data_subject": None},
        {"resource": Resource(collected_at_us=-1)},
        {"principal": Principal(id="mailer", kind="service")},
        {"channel": "email"},
        {"action": "contact"},
        {"data": ("customer",)},
        {"purpose": "service"},
    ],
)
def test_thorough_way_answers_what_the_use_cannot(
    ready: LinkedProgram, changes: dict[str, object]
) -> None:
    with pytest.raises(AssertionError, match="thorough"):
        ask(ready, **changes)


def test_use_never_answers_where_the_ledger_cannot_be_read(ready: LinkedProgram) -> None:
    asked = request(principal=MAILER)

    with pytest.raises(AssertionError, match="thorough"):
        evaluate(ready, asked, FakeView(is_available=False), NOW_US)


def test_wrong_attribute_is_told_of_a_use_that_is_ready(linked: LinkedProgram) -> None:
    for _ in range(3):
        ask(linked)

    with pytest.raises(RequestError, match="minor"):
        ask(linked, data_subject=DataSubject(id="bob", attributes={"minor": "yes"}))


def test_use_holds_nothing_of_a_person(linked: LinkedProgram) -> None:
    for _ in range(3):
        ask(linked, data_subject=DataSubject(id="ada", attributes={"minor": False}))

    (use,) = linked.uses.values()

    assert use is not None
    assert not hasattr(use._facts, "subject_id")
    assert not use._facts.subject
    assert not hasattr(use._facts, "view")


def test_uses_are_bounded(linked: LinkedProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses, "MAX_USES", 3)
    principals = [Principal(id=f"mailer-{number}", kind="service") for number in range(10)]

    for principal in principals:
        ask(linked, principal=principal)
        assert len(linked.uses) <= 3


def test_use_that_is_ready_is_not_made_again_by_what_the_thorough_way_answers() -> None:
    phones = rule(RuleKind.FORBID, name="no_phones", data=frozenset({PHONE}))
    linked = link(program([permit(), phones]))
    whole = request(principal=MAILER, data=("customer",), partial=True)
    mail = request(principal=MAILER)
    for asked in (whole, mail) * 3:
        assert evaluate(linked, asked, FakeView(), NOW_US).effect is Effect.PERMIT
    ready = dict(linked.uses)
    assert all(use is not None for use in ready.values())

    for view in (FakeView(), FakeView(is_available=False)):
        for asked in (whole, mail):
            assert evaluate(linked, asked, view, NOW_US).effect is Effect.PERMIT

    assert all(linked.uses[key] is use for key, use in ready.items())


def test_denied_use_is_not_made_ready(linked: LinkedProgram) -> None:
    for _ in range(3):
        ask(linked, data_subject=DataSubject(id="bob", attributes={"minor": True}))

    assert not linked.uses
