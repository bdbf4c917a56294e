"""What a request must say, and how its attributes become the declared types."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from ipaddress import ip_address

import pytest
from programs import Code, decide, permit, program, request

from consentry.engine.bind import check_shape
from consentry.engine.link import link
from consentry.model.decision import Effect
from consentry.model.program import AttributeSpec, Owner
from consentry.model.request import DataSubject, Principal, RequestError, Resource
from consentry.model.values import Duration


def refused(*attributes: AttributeSpec, **changes: object) -> list[tuple[str, str]]:
    with pytest.raises(RequestError) as caught:
        decide(program([permit()], attributes=attributes), request(**changes))
    return [(violation.field, violation.code) for violation in caught.value.violations]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"principal": Principal(id="", kind="service")}, "principal.id"),
        ({"principal": Principal(id="m", kind="")}, "principal.type"),
        ({"action": ""}, "action"),
        ({"data": ()}, "data"),
    ],
)
def test_what_is_required_is_named(changes: dict[str, object], field: str) -> None:
    assert refused(**changes) == [(field, "required")]


def test_unknown_kind_of_principal_is_refused_without_repeating_much_of_it() -> None:
    with pytest.raises(RequestError) as caught:
        decide(program([permit()]), request(principal=Principal(id="m", kind="\n" * 500)))

    assert caught.value.violations[0].code == "unknown_value"
    assert len(caught.value.violations[0].message) < 150


def test_all_faults_are_told_at_once() -> None:
    spec = AttributeSpec(owner=Owner.SUBJECT, name="country", type="text")

    assert refused(spec, action="", data=()) == [
        ("action", "required"),
        ("data", "required"),
        ("subject.attributes[country]", "required"),
    ]


def test_time_outside_the_calendar_is_refused() -> None:
    assert refused(resource=Resource(collected_at_us=-1)) == [
        ("resource.collected_at", "out_of_range")
    ]


@pytest.mark.parametrize(
    ("type_name", "sent", "bound"),
    [
        ("text", "a", "a"),
        ("number", 3, 3),
        ("number", Decimal("1.5"), Decimal("1.5")),
        ("flag", False, False),
        ("date", "2026-02-28", date(2026, 2, 28)),
        ("date", date(2026, 2, 28), date(2026, 2, 28)),
        ("time", 5, 5),
        ("duration", Duration(micros=5), Duration(micros=5)),
        ("ip", "::ffff:10.0.0.1", ip_address("10.0.0.1")),
        ("ip", ip_address("::ffff:10.0.0.1"), ip_address("10.0.0.1")),
        ("ip", "2001:db8::1", ip_address("2001:db8::1")),
        ("list of date", ("2026-02-28",), (date(2026, 2, 28),)),
        ("list of text", (), ()),
    ],
)
def test_value_becomes_its_declared_type(type_name: str, sent: object, bound: object) -> None:
    spec = AttributeSpec(owner=Owner.CONTEXT, name="x", type=type_name)
    linked = link(program([permit()], attributes=[spec]))

    value = check_shape(linked, request(context={"x": sent})).context["x"]

    assert value == bound
    assert type(value) is type(bound)


@pytest.mark.parametrize(
    ("type_name", "sent"),
    [
        ("text", 1),
        ("number", True),
        ("number", "1"),
        ("number", 1.5),
        ("number", float("inf")),
        ("number", Decimal("NaN")),
        ("number", Decimal("Infinity")),
        ("flag", 1),
        ("date", "2026-02-30"),
        ("date", "20260228"),
        ("date", datetime(2026, 1, 1)),  # noqa: DTZ001 - no zone is part of what is wrong
        ("time", -1),
        ("duration", Duration(months=1)),
        ("ip", "10.0.0.1/8"),
        ("list of text", ("a", 1)),
        ("list of text", "a"),
    ],
)
def test_value_of_another_type_is_refused(type_name: str, sent: object) -> None:
    spec = AttributeSpec(owner=Owner.CONTEXT, name="x", type=type_name)

    assert refused(spec, context={"x": sent}) == [("context[x]", "wrong_type")]


def test_undeclared_attribute_is_ignored() -> None:
    asked = request(context={"strange": object()})

    assert decide(program([permit()]), asked).effect is Effect.PERMIT


def test_default_stands_in_for_what_is_absent() -> None:
    code = Code()
    spec = AttributeSpec(owner=Owner.CONTEXT, name="x", type="number", default=5)
    made = program(
        [permit(condition=code.add("2 if f.context.get('x') == 5 else 0"))],
        code=code,
        attributes=[spec],
    )

    assert decide(made).effect is Effect.PERMIT


def test_optional_attribute_may_be_absent() -> None:
    spec = AttributeSpec(owner=Owner.SUBJECT, name="x", type="text", is_optional=True)
    made = program([permit()], attributes=[spec])

    assert decide(made, request(data_subject=DataSubject(id="a"))).effect is Effect.PERMIT
