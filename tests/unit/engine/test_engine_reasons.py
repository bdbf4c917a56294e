"""Which reason is told: the nearest miss, the lack of a ground, the ledger, and their order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from programs import (
    EMAIL,
    MARKETING,
    NOW_US,
    PHONE,
    SERVICE,
    Code,
    FakeView,
    decide,
    permit,
    program,
    purposes,
    request,
    rule,
)

from consentry.model.consent import ConsentState, Standing
from consentry.model.decision import REDACT, Effect, Mask
from consentry.model.program import AttributeSpec, Owner, Party, Regime, RuleKind
from consentry.model.request import DataSubject, Principal, Recipient, Resource
from consentry.model.values import MICROS_PER_DAY, Duration

LAW = Regime(index=1, name="law", has_permits=True, bases=frozenset({"consent"}))
GIVEN = Standing(event_id="e", position=1, given_at_us=1)


def ground(code: Code, **changes: object) -> object:
    when = code.add(
        "2 if f.standing is not None and not f.standing.problems else 0",
        if_consented="2",
        at_best="2",
        at_worst="0",
        reads_consent=True,
    )
    values = {"regime": 1, "condition": when, "bases": frozenset({"consent"}), **changes}
    return rule(RuleKind.PERMIT, name="consent_valid", **values)


@pytest.mark.parametrize(
    ("clause", "reason"),
    [
        ({"who": (Party("service", "other"),)}, "actor_purpose_not_authorised"),
        ({"who": (Party("role", "support"),)}, "actor_purpose_not_authorised"),
        ({"data": frozenset({PHONE})}, "data_not_necessary"),
        ({"actions": frozenset({"share"})}, "action_not_permitted"),
        ({"channels": frozenset({"sms"})}, "channel_not_permitted"),
        ({"recipients": (Party("country", "DE"),)}, "recipient_not_permitted"),
        ({"bases": frozenset({"contract"})}, "basis_not_available"),
        ({"until_us": NOW_US}, "condition_not_met"),
        ({"keep": Duration(micros=MICROS_PER_DAY)}, "retention_exceeded"),
    ],
)
def test_nearest_miss_names_the_failing_clause(clause: dict[str, object], reason: str) -> None:
    asked = request(resource=Resource(collected_at_us=NOW_US - MICROS_PER_DAY))

    assert decide(program([permit(**clause)]), asked).reason == reason


def test_nearest_miss_is_the_permit_with_fewest_failing_clauses() -> None:
    far = permit(name="far", who=(Party("service", "x"),), data=frozenset({PHONE}))
    near = permit(name="near", actions=frozenset({"share"}))

    decision = decide(program([far, near]))

    assert (decision.reason, decision.findings[0].rule) == ("action_not_permitted", "near")


def test_nearest_miss_is_the_first_in_order_among_equals() -> None:
    one = permit(name="one", who=(Party("service", "x"),))
    two = permit(name="two", actions=frozenset({"share"}))

    assert decide(program([one, two])).reason == "actor_purpose_not_authorised"
    assert decide(program([two, one])).reason == "action_not_permitted"


def test_no_permit_for_the_purpose_is_its_own_reason() -> None:
    made = program([permit(purposes=frozenset({SERVICE}))])

    assert decide(made).reason == "purpose_not_declared"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"purpose": ""}, "purpose_missing"),
        ({"purpose": "fun"}, "purpose_unknown"),
        ({"data": ("customer.email", "soul")}, "category_unknown"),
        ({"action": "sing"}, "action_unknown"),
        ({"channel": "smoke"}, "channel_unknown"),
        ({"data_subject": None}, "subject_unresolved"),
        ({"data_subject": DataSubject(id="")}, "subject_unresolved"),
    ],
)
def test_unknown_request_is_denied_with_its_own_reason(
    changes: dict[str, object], reason: str
) -> None:
    decision = decide(program([permit()]), request(**changes))

    assert (decision.effect, decision.reason, decision.leaves) == (Effect.DENY, reason, ())


def test_no_regime_that_governs_denies() -> None:
    code = Code()
    regimes = [Regime(index=1, name="law", governs=code.add("0"))]

    assert decide(program([permit()], code=code, regimes=regimes)).reason == "regime_undetermined"


@pytest.mark.parametrize(
    ("basis", "reason"), [(None, "no_lawful_basis"), ("contract", "basis_not_available")]
)
def test_regime_without_a_ground_for_the_basis_denies(basis: str | None, reason: str) -> None:
    code = Code()
    rules = [permit(), ground(code)]
    made = program(rules, code=code, regimes=[LAW], tree=purposes(basis=basis))  # type: ignore[arg-type]  # rules

    assert decide(made).reason == reason


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        (ConsentState(), ["consent_missing"]),
        (ConsentState(absence="consent_withdrawn"), ["consent_withdrawn"]),
        (
            ConsentState(
                standings=(
                    replace(GIVEN, problems=("consent_expired", "consent_scope_channel")),
                    replace(GIVEN, problems=("consent_refused",)),
                )
            ),
            ["consent_expired", "consent_scope_channel"],
        ),
    ],
)
def test_consent_tells_its_own_problem_by_the_newest_standing(
    state: ConsentState, reasons: list[str]
) -> None:
    code = Code()
    made = program([permit(), ground(code)], code=code, regimes=[LAW])  # type: ignore[list-item]  # rules

    decision = decide(made, view=FakeView(state))

    assert [finding.reason for finding in decision.findings] == reasons


def test_one_flawless_consent_among_others_is_enough() -> None:
    code = Code()
    made = program([permit(), ground(code)], code=code, regimes=[LAW])  # type: ignore[list-item]  # rules
    state = ConsentState(standings=(replace(GIVEN, problems=("consent_expired",)), GIVEN))

    assert decide(made, view=FakeView(state)).reason == "consent_valid"


def test_unreadable_ledger_leaves_consent_undecided_and_is_not_cacheable() -> None:
    code = Code()
    made = program([permit(), ground(code)], code=code, regimes=[LAW])  # type: ignore[list-item]  # rules

    decision = decide(made, view=FakeView(is_available=False))

    assert (decision.effect, decision.reason) == (Effect.DENY, "consent_state_unavailable")
    assert not decision.is_cacheable


def test_unreadable_ledger_spares_what_no_consent_could_change() -> None:
    obliged = rule(RuleKind.PERMIT, name="legal", regime=1)
    allowed = program([permit(), obliged], regimes=[replace(LAW, bases=None)])
    banned = program([permit(), obliged, rule(RuleKind.FORBID, name="ban")])

    yes = decide(allowed, view=FakeView(is_available=False))
    no = decide(banned, view=FakeView(is_available=False))

    assert (yes.effect, yes.is_cacheable) == (Effect.PERMIT, False)
    assert (no.reason, no.is_cacheable) == ("ban", False)


def test_undecided_forbid_names_the_missing_attribute_and_its_place() -> None:
    code = Code()
    when = code.add("1", reads=("subject.country",))
    ban = rule(RuleKind.FORBID, name="ban", condition=when, file="a.policy", line=7)
    spec = AttributeSpec(owner=Owner.SUBJECT, name="country", type="text", is_optional=True)

    finding = decide(program([permit(), ban], code=code, attributes=[spec])).findings[0]

    assert (finding.missing, finding.file, finding.line) == (("subject.country",), "a.policy", 7)


@pytest.mark.parametrize(
    ("clause", "changes", "is_denied"),
    [
        ({"who": (Party("role", "x"),)}, {}, True),
        (
            {"who": (Party("role", "x"),)},
            {"principal": Principal(id="m", kind="service", roles=frozenset({"y"}))},
            False,
        ),
        ({"channels": frozenset({"email"})}, {"action": "contact"}, True),
        ({"channels": frozenset({"email"})}, {"action": "read"}, False),
        ({"recipients": (Party("country", "US"),)}, {"action": "share"}, True),
        ({"recipients": (Party("country", "US"),)}, {"action": "read"}, False),
        (
            {"recipients": (Party("country", "US"),)},
            {"action": "share", "recipient": Recipient(country="DE")},
            False,
        ),
    ],
)
def test_what_is_left_out_is_unknown_where_it_matters(
    clause: dict[str, object], changes: dict[str, object], is_denied: bool
) -> None:
    made = program([permit(), rule(RuleKind.FORBID, name="ban", **clause)])

    assert (decide(made, request(**changes)).effect is Effect.DENY) is is_denied


def test_reasons_stand_in_their_declared_order() -> None:
    rules = [
        rule(RuleKind.FORBID, name="own"),
        rule(RuleKind.FORBID, name="law_ban", regime=1, reason="prohibited_by_law"),
    ]

    decision = decide(program(rules))

    assert [finding.reason for finding in decision.findings] == [
        "prohibited_by_law",
        "own",
        "purpose_not_declared",
    ]


def test_masks_of_one_kind_stay_and_different_ones_redact() -> None:
    last = rule(RuleKind.MASK, name="m", mask=Mask("last", 4))
    other = rule(RuleKind.MASK, name="n", mask=Mask("hash"), regime=1)

    assert decide(program([permit(), last, last])).leaves[0].mask == Mask("last", 4)
    assert decide(program([permit(), last, other])).leaves[0].mask == REDACT


def test_duty_comes_with_the_denial_of_its_own_regime_only() -> None:
    ban = rule(RuleKind.FORBID, name="ban", regime=1)
    own = rule(RuleKind.OBLIGE, name="own_duty", regime=1, on=frozenset({"ban"}))
    house = rule(RuleKind.OBLIGE, name="house_duty", on=frozenset({"ban"}))

    decision = decide(program([permit(), ban, own, house]))

    assert [one.name for one in decision.obligations] == ["own_duty"]


@pytest.mark.parametrize(("partial", "effect"), [(False, Effect.DENY), (True, Effect.PERMIT)])
def test_each_leaf_has_its_own_answer(partial: bool, effect: Effect) -> None:
    made = program([permit(data=frozenset({EMAIL}), purposes=frozenset({MARKETING}))])

    decision = decide(made, request(data=("customer.phone", "customer"), partial=partial))

    assert decision.effect is effect
    assert [(leaf.data, leaf.effect) for leaf in decision.leaves] == [
        ("customer.email", Effect.PERMIT),
        ("customer.phone", Effect.DENY),
    ]


def test_retention_end_bounds_the_answer() -> None:
    made = program([permit(keep=Duration(micros=MICROS_PER_DAY))])
    asked = request(resource=Resource(collected_at_us=NOW_US - 1))

    assert decide(made, asked).valid_until_us == NOW_US - 1 + MICROS_PER_DAY


def test_denial_has_a_reason_where_a_consent_below_would_have_done() -> None:
    """A forbid that such a consent would end stands, and is told: nobody asks with it."""
    code = Code()
    unless_given = code.add(
        "0 if f.standing is not None else 2",
        if_consented="0",
        at_best="0",
        at_worst="2",
        reads_consent=True,
    )
    law = Regime(index=1, name="law")
    forbid = rule(RuleKind.FORBID, name="ends_with_consent", regime=1, condition=unless_given)
    below = ConsentState(below=(GIVEN,))

    decision = decide(
        program([permit(), forbid], regimes=[law], code=code), request(), FakeView(below)
    )

    assert decision.effect is Effect.DENY
    assert [finding.rule for finding in decision.findings] == ["ends_with_consent"]
