"""The combining rule, exhaustively: abstract rules that are true, false or unknown."""

from __future__ import annotations

from itertools import product

import pytest
from programs import Code, decide, permit, program, rule

from consentry.model.decision import Effect
from consentry.model.program import Condition, Regime, RuleKind
from consentry.model.tri import FALSE, TRUE, UNKNOWN

VALUES = (FALSE, UNKNOWN, TRUE)


@pytest.mark.parametrize("values", list(product(VALUES, repeat=5)), ids=str)
def test_permit_needs_true_permits_and_false_forbids(values: tuple[int, ...]) -> None:
    house_permit, house_forbid, ground, other_ground, law_forbid = values
    code = Code()

    def when(value: int) -> Condition:
        return code.add(str(value))

    rules = [
        permit(condition=when(house_permit)),
        rule(RuleKind.FORBID, name="house_ban", condition=when(house_forbid)),
        rule(RuleKind.PERMIT, name="ground", regime=1, condition=when(ground)),
        rule(RuleKind.PERMIT, name="other", regime=1, condition=when(other_ground)),
        rule(RuleKind.FORBID, name="law_ban", regime=1, condition=when(law_forbid)),
    ]

    decision = decide(
        program(rules, code=code, regimes=[Regime(index=1, name="law", has_permits=True)])
    )

    is_allowed = (
        house_permit == TRUE
        and house_forbid == FALSE
        and TRUE in (ground, other_ground)
        and law_forbid == FALSE
    )
    assert (decision.effect is Effect.PERMIT) is is_allowed
    reasons = {finding.reason for finding in decision.findings}
    if is_allowed:
        assert reasons == {"ground" if ground == TRUE else "other"}
    else:
        assert ("house_ban" in reasons) is (house_forbid != FALSE)
        assert ("law_ban" in reasons) is (law_forbid != FALSE)
        has_failing_permit = house_permit != TRUE or TRUE not in (ground, other_ground)
        assert ("condition_not_met" in reasons) is has_failing_permit


@pytest.mark.parametrize("governs", VALUES)
@pytest.mark.parametrize("forbids", VALUES)
def test_regime_speaks_when_it_may_govern(governs: int, forbids: int) -> None:
    code = Code()
    regimes = [
        Regime(index=1, name="law", governs=code.add(str(governs))),
        Regime(index=2, name="rest", is_fallback=True),
    ]
    rules = [
        permit(),
        rule(RuleKind.FORBID, name="ban", regime=1, condition=code.add(str(forbids))),
    ]

    decision = decide(program(rules, code=code, regimes=regimes))

    assert (decision.effect is Effect.DENY) is (FALSE not in (governs, forbids))


@pytest.mark.parametrize("lifts", VALUES)
@pytest.mark.parametrize("forbids", VALUES)
def test_exception_lifts_only_where_it_is_true(lifts: int, forbids: int) -> None:
    code = Code()
    rules = [
        permit(),
        rule(RuleKind.FORBID, name="ban", condition=code.add(str(forbids)), lifted_by=(0,)),
    ]
    exceptions = [rule(RuleKind.PERMIT, name="lift", condition=code.add(str(lifts)))]

    decision = decide(program(rules, code=code, exceptions=exceptions))

    assert (decision.effect is Effect.DENY) is (forbids != FALSE and lifts != TRUE)
