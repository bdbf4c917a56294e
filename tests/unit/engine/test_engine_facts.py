"""Everything that a request says reaches the conditions, asked for the first time and again."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from programs import NOW_US, Code, FakeView, permit, program, request, rule

import consentry.engine.evaluate as deciding
from consentry.engine.evaluate import evaluate
from consentry.engine.link import link
from consentry.model.decision import Decision, Effect
from consentry.model.program import AttributeSpec, Owner, Party, Program, RuleKind
from consentry.model.request import (
    DataSubject,
    Principal,
    Recipient,
    Request,
    RequestError,
    Resource,
)

PRINCIPAL = Principal(
    id="ana",
    kind="person",
    roles=frozenset({"support", "audit"}),
    controller="acme",
    attributes={"x": "of the principal"},
)
RECIPIENT = Recipient(
    id="ads",
    roles=frozenset({"partner", "broker"}),
    country="US",
    attributes={"x": "of the recipient"},
)
WHOLE = request(
    principal=PRINCIPAL,
    action="contact",
    channel="email",
    recipient=RECIPIENT,
    data_subject=DataSubject(id="ada", attributes={"x": "of the person"}),
    resource=Resource(
        id="r-1",
        collected_at_us=NOW_US - 1,
        collected_for=("marketing",),
        collected_on="consent",
        attributes={"x": "of the record"},
    ),
    context={"x": "of the context"},
    signals={"x": "of the signal"},
)
BARE = request(principal=Principal(id="ana", kind="service"))
OWNERS = [owner for owner in Owner if owner is not Owner.CONTROLLER]
OPTIONAL = [AttributeSpec(owner=o, name="x", type="text", is_optional=True) for o in OWNERS]


def answers(made: Program, asked: Request) -> list[Decision]:
    """The same question four times: what comes again is answered by another way."""
    linked = link(made)
    return [evaluate(linked, asked, FakeView(), NOW_US) for _ in range(4)]


def holds(expression: str, asked: Request, attributes: Sequence[AttributeSpec] = OPTIONAL) -> bool:
    """Whether a permit under `expression` over the facts holds, each time."""
    code = Code()
    rules = [permit(condition=code.add(f"2 if {expression} else 0"))]
    effects = {
        one.effect for one in answers(program(rules, code=code, attributes=attributes), asked)
    }
    assert len(effects) == 1
    return effects == {Effect.PERMIT}


FACTS = [
    ("f.principal_id", "ana", "ana"),
    ("f.principal_kind", "person", "service"),
    ("f.principal_roles", ("audit", "support"), None),
    ("f.principal_controller", "acme", None),
    ("f.principal.get('x')", "of the principal", None),
    ("f.subject_id", "ada", BARE.data_subject and BARE.data_subject.id),
    ("f.subject.get('x')", "of the person", None),
    ("f.recipient_id", "ads", None),
    ("f.recipient_roles", ("broker", "partner"), None),
    ("f.recipient_country", "US", None),
    ("f.recipient.get('x')", "of the recipient", None),
    ("f.resource_id", "r-1", None),
    ("f.collected_at_us", NOW_US - 1, None),
    ("f.collected_for", ("marketing",), None),
    ("f.collected_on", "consent", None),
    ("f.resource.get('x')", "of the record", None),
    ("f.context.get('x')", "of the context", None),
    ("f.signal.get('x')", "of the signal", None),
    ("f.action", "contact", BARE.action),
    ("f.channel", "email", BARE.channel),
    ("f.now_us", NOW_US, NOW_US),
    ("f.purpose.path", "marketing", "marketing"),
    ("f.leaf.path", "customer.email", "customer.email"),
    ("f.basis", "consent", "consent"),
]


@pytest.mark.parametrize(("fact", "said", "unsaid"), FACTS)
def test_condition_sees_what_was_said_and_what_was_not(
    fact: str, said: object, unsaid: object
) -> None:
    assert holds(f"{fact} == {said!r}", WHOLE)
    assert holds(f"{fact} == {unsaid!r}", BARE)
    assert not holds(f"{fact} == 'something else'", WHOLE)


@pytest.mark.parametrize(("fact", "said", "unsaid"), FACTS)
def test_use_that_is_ready_shows_conditions_the_same_facts(
    fact: str, said: object, unsaid: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Decision:
        raise AssertionError("the thorough way was taken")

    for asked, value in ((WHOLE, said), (BARE, unsaid)):
        code = Code()
        rules = [permit(condition=code.add(f"2 if {fact} == {value!r} else 0"))]
        linked = link(program(rules, code=code, attributes=OPTIONAL))
        for _ in range(3):
            assert evaluate(linked, asked, FakeView(), NOW_US).effect is Effect.PERMIT
        with monkeypatch.context() as patch:
            patch.setattr(deciding, "_decide_thoroughly", fail)
            assert evaluate(linked, asked, FakeView(), NOW_US).effect is Effect.PERMIT


@pytest.mark.parametrize(
    ("kinds", "recipient", "is_matched"),
    [
        (["recipient"], Recipient(id="x"), True),
        (["recipient"], Recipient(id="y"), False),
        (["recipient"], Recipient(country="x"), None),
        (["role"], Recipient(roles=frozenset({"x", "y"})), True),
        (["role"], Recipient(roles=frozenset({"y"})), False),
        (["role"], Recipient(id="x"), None),
        (["country"], Recipient(country="x"), True),
        (["country"], Recipient(country="y"), False),
        (["country"], Recipient(id="x"), None),
        (["role", "country"], Recipient(roles=frozenset({"y"}), country="x"), True),
        (["recipient", "country"], Recipient(id="y"), None),
        (["recipient", "role"], Recipient(id="y", roles=frozenset({"y"})), False),
        (["anyone"], Recipient(id="y"), True),
        (["recipient"], None, None),
    ],
)
def test_recipient_matches_is_ruled_out_or_cannot_be_told(
    kinds: list[str], recipient: Recipient | None, is_matched: bool | None
) -> None:
    parties = tuple(Party(kind, "" if kind == "anyone" else "x") for kind in kinds)
    asked = request(action="share", recipient=recipient)
    # A permit takes what is certain, a forbid what is possible.
    permits = answers(program([permit(recipients=parties)]), asked)
    bans = answers(program([permit(), rule(RuleKind.FORBID, recipients=parties)]), asked)
    assert {one.effect is Effect.PERMIT for one in permits} == {is_matched is True}
    assert {one.effect is Effect.DENY for one in bans} == {is_matched is not False}


def test_named_party_without_a_name_is_any_of_its_kind() -> None:
    anybody = (Party("service", ""),)
    asked = request(action="share", recipient=Recipient(id="y"))
    bans = answers(program([permit(), rule(RuleKind.FORBID, recipients=anybody)]), asked)
    assert {one.effect for one in bans} == {Effect.DENY}  # a recipient's kind is not told


def test_messages_name_the_field_and_what_may_stand_in_it() -> None:
    linked = link(program([permit()]))
    asked = request(principal=Principal(id="", kind="robot"), resource=Resource(collected_at_us=-1))
    with pytest.raises(RequestError) as caught:
        evaluate(linked, asked, FakeView(), NOW_US)
    assert [(one.field, one.code, one.message) for one in caught.value.violations] == [
        ("principal.id", "required", "`principal.id` must not be empty"),
        ("principal.type", "unknown_value", "'robot' is none of agent, job, person, service"),
        ("resource.collected_at", "out_of_range", "the time is outside the years 1970 to 9999"),
    ]


@pytest.mark.parametrize("owner", OWNERS)
def test_default_stands_where_nothing_is_said(owner: Owner) -> None:
    spec = AttributeSpec(owner=owner, name="x", type="text", default="usual")
    assert holds(f"f.{owner.value}.get('x') == 'usual'", BARE, [spec])
    assert not holds(f"f.{owner.value}.get('x') == 'usual'", WHOLE, [spec])


FIELDS = {
    Owner.PRINCIPAL: "principal.attributes[x]",
    Owner.SUBJECT: "subject.attributes[x]",
    Owner.RECIPIENT: "recipient.attributes[x]",
    Owner.RESOURCE: "resource.attributes[x]",
    Owner.CONTEXT: "context[x]",
    Owner.SIGNAL: "signals[x]",
}


def refusals(spec: AttributeSpec, asked: Request) -> list[tuple[str, str, str]]:
    linked = link(program([permit()], attributes=[spec]))
    with pytest.raises(RequestError) as caught:
        evaluate(linked, asked, FakeView(), NOW_US)
    return [(one.field, one.code, one.message) for one in caught.value.violations]


@pytest.mark.parametrize("owner", OWNERS)
def test_attribute_of_another_type_is_named_with_what_it_should_be(owner: Owner) -> None:
    spec = AttributeSpec(owner=owner, name="x", type="number", is_optional=True)
    ((field, code, message),) = refusals(spec, WHOLE)
    assert (field, code) == (FIELDS[owner], "wrong_type")
    assert message.endswith("is not a number")


@pytest.mark.parametrize("owner", [o for o in OWNERS if o is not Owner.RECIPIENT])
def test_required_attribute_that_is_not_said_is_named(owner: Owner) -> None:
    spec = AttributeSpec(owner=owner, name="x", type="text")
    assert refusals(spec, BARE) == [
        (FIELDS[owner], "required", "the attribute `x` is required and has no default")
    ]


def test_who_is_not_there_need_not_have_attributes() -> None:
    spec = AttributeSpec(owner=Owner.RECIPIENT, name="x", type="text")
    assert holds("f.recipient.get('x') is None", BARE, [spec])
    nobody = request(data_subject=None)
    spec = AttributeSpec(owner=Owner.SUBJECT, name="x", type="text")
    (answer, *_) = answers(program([permit()], attributes=[spec]), nobody)
    assert answer.findings[0].reason == "subject_unresolved"


def test_recipient_that_is_there_must_have_its_required_attribute() -> None:
    spec = AttributeSpec(owner=Owner.RECIPIENT, name="x", type="text")
    there = request(recipient=Recipient(id="ads"))
    assert [field for field, _, _ in refusals(spec, there)] == [FIELDS[Owner.RECIPIENT]]


@pytest.mark.parametrize(
    ("at_us", "is_fine"), [(0, True), (253_402_300_799_000_000, True), (-1, False)]
)
def test_time_of_collection_lies_within_the_calendar(at_us: int, is_fine: bool) -> None:
    asked = request(resource=Resource(collected_at_us=at_us))
    linked = link(program([permit()]))
    for _ in range(4):
        if is_fine:
            assert evaluate(linked, asked, FakeView(), NOW_US).effect is Effect.PERMIT
        else:
            with pytest.raises(RequestError):
                evaluate(linked, asked, FakeView(), NOW_US)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("word", "'word'"), (True, "True"), (3, "3"), (Decimal("1.5"), "Decimal('1.5')")],
)
def test_wrong_value_is_shown_with_what_it_should_be(value: object, shown: str) -> None:
    spec = AttributeSpec(owner=Owner.CONTEXT, name="x", type="date", is_optional=True)
    ((_, _, message),) = refusals(spec, request(context={"x": value}))
    assert message == f"{shown} is not a date"


@pytest.mark.parametrize(
    ("changes", "asked", "missing"),
    [
        ({"who": (Party("role", "x"),)}, BARE, ("principal.roles",)),
        ({"who": (Party("controller", "x"),)}, BARE, ("principal.controller",)),
        ({"channels": frozenset({"email"})}, request(action="contact"), ("channel",)),
        ({"recipients": (Party("recipient", "x"),)}, request(action="share"), ("recipient",)),
    ],
)
def test_forbid_that_cannot_be_told_names_what_was_left_out(
    changes: dict[str, object], asked: Request, missing: tuple[str, ...]
) -> None:
    ban = rule(RuleKind.FORBID, name="ban", **changes)
    for answer in answers(program([permit(), ban]), asked):
        assert answer.effect is Effect.DENY
        assert answer.findings[0].missing == missing


@pytest.mark.parametrize(
    ("path", "is_missing"),
    [
        ("principal.roles", True),
        ("principal.id", False),
        ("principal.x", True),
        ("subject.x", True),
        ("subject.id", False),
        ("channel", True),
        ("recipient.id", True),
        ("resource.collected_at", True),
        ("resource.collected_for", True),
        ("resource.collected_on", True),
        ("resource.id", True),
        ("context.x", True),
        ("signal.x", True),
    ],
)
def test_condition_that_cannot_be_told_names_what_it_reads(path: str, is_missing: bool) -> None:
    code = Code()
    ban = rule(RuleKind.FORBID, name="ban", condition=code.add("1", reads=(path,)))
    made = program([permit(), ban], code=code, attributes=OPTIONAL)
    for asked, expected in ((BARE, is_missing), (WHOLE, False)):
        for answer in answers(made, asked):
            assert answer.findings[0].missing == ((path,) if expected else ())
