"""What a program remembers of earlier answers never shows in a later one."""

from __future__ import annotations

import pytest
from programs import EMAIL, MARKETING, NOW_US, Code, FakeView, permit, program, request, rule

from consentry.engine import groups
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram, link
from consentry.engine.outcome import MAX_KEPT
from consentry.model.decision import Decision, Mask
from consentry.model.program import AttributeSpec, Owner, Regime, Rule, RuleKind

DUTIES = 9
BITS = [AttributeSpec(owner=Owner.CONTEXT, name="bits", type="number")]


def ask(linked: LinkedProgram, **changes: object) -> Decision:
    return evaluate(linked, request(**changes), FakeView(), NOW_US)


def a_rule_for_each_bit(code: Code, kind: RuleKind, **changes: object) -> list[Rule]:
    return [
        rule(
            kind,
            name=f"{kind.value}_{bit}",
            condition=code.add(f"2 if (f.context.get('bits') or 0) >> {bit} & 1 else 0"),
            **changes,
        )
        for bit in range(DUTIES)
    ]


def test_each_answer_has_its_own_duties_when_more_are_met_than_are_kept() -> None:
    code = Code()
    duties = a_rule_for_each_bit(code, RuleKind.OBLIGE)
    linked = link(program([permit(), *duties], code=code, attributes=BITS))
    assert 1 << DUTIES > MAX_KEPT

    for bits in [*range(1 << DUTIES), *range(1 << DUTIES)]:
        decision = ask(linked, context={"bits": bits})

        expected = [f"oblige_{bit}" for bit in range(DUTIES) if bits >> bit & 1]
        assert [one.name for one in decision.obligations] == expected
        assert [one.name for one in decision.leaves[0].obligations] == expected
    group = linked.group("read", MARKETING, EMAIL)
    assert len(group.outcomes) <= MAX_KEPT


@pytest.mark.parametrize("order", [(1, 2, 3, 0), (0, 3, 2, 1)])
def test_mask_of_an_earlier_request_does_not_stay(order: tuple[int, ...]) -> None:
    code = Code()
    rules = a_rule_for_each_bit(code, RuleKind.MASK, mask=Mask("hash"))[:1]
    rules += a_rule_for_each_bit(code, RuleKind.MASK, mask=Mask("year"))[1:2]
    linked = link(program([permit(), *rules], code=code, attributes=BITS))

    told = {bits: ask(linked, context={"bits": bits}).leaves[0].mask for bits in order}

    assert told == {0: None, 1: Mask("hash"), 2: Mask("year"), 3: Mask("redact")}


def test_leaves_of_one_group_are_told_by_their_own_names() -> None:
    linked = link(program([permit()]))

    for name in ("customer.email", "customer.phone", "customer.email"):
        assert [leaf.data for leaf in ask(linked, data=(name,)).leaves] == [name]


def test_ground_of_an_earlier_request_does_not_stay() -> None:
    code = Code()
    laws = [Regime(index=1, name="law", has_permits=True)]
    grounds = a_rule_for_each_bit(code, RuleKind.PERMIT, regime=1)
    linked = link(program([permit(), *grounds], code=code, attributes=BITS, regimes=laws))

    for bit in (3, 1, 3, 0):
        assert ask(linked, context={"bits": 1 << bit}).reason == f"permit_{bit}"


def test_denial_names_what_its_own_request_left_out() -> None:
    code = Code()
    attributes = [
        AttributeSpec(owner=Owner.CONTEXT, name=name, type="number", is_optional=True)
        for name in ("a", "b")
    ]
    when = code.add(
        "2 if f.context.get('a') and f.context.get('b') else 1",
        reads=("context.a", "context.b"),
    )
    linked = link(program([permit(condition=when)], code=code, attributes=attributes))

    for sent, missing in (("a", "b"), ("b", "a"), ("a", "b")):
        denial = ask(linked, context={sent: 1})

        assert denial.findings[0].missing == (f"context.{missing}",)


def test_regime_whose_answers_are_all_kept_forgets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_KEPT", 2)
    code = Code()
    duties = a_rule_for_each_bit(code, RuleKind.OBLIGE)
    linked = link(program([permit(), *duties], code=code, attributes=BITS))

    for bits in (1, 2, 4, 1, 8):
        assert len(ask(linked, context={"bits": bits}).obligations) == 1
