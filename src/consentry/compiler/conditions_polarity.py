"""Consent polarity: which facts of the ledger may stand where.

A further consent can only widen and a withdrawal only narrow. What a condition says about the very
consent it is asked with is free, because a regime is asked once per consent and once for none. All
else has a sense: `consent.said_no` and the narrowing rights may only make a forbid fire or a permit
fail; `consent.jointly`, `consented(…)` and the widening rights only the reverse.

Source: language reference, "Consent polarity".
"""

from __future__ import annotations

from typing import Final

from consentry.compiler.conditions_ir import OPPOSITE, Atom, Logic, Sense, Touch, find_readings
from consentry.compiler.conditions_names import ConditionRole
from consentry.compiler.conditions_problems import Problems
from consentry.diagnostics.span import Span
from consentry.model.consent import WIDENING_TRACKS

# What the whole condition's being true does.
ROLE_SENSE: Final = {
    ConditionRole.PERMIT: Sense.WIDENS,
    ConditionRole.EXCEPTION: Sense.WIDENS,
    ConditionRole.FORBID: Sense.NARROWS,
    ConditionRole.MASK: Sense.NARROWS,
    ConditionRole.NEVER: Sense.NARROWS,
    ConditionRole.OBLIGE: Sense.FREE,
    ConditionRole.GOVERNS: Sense.FREE,
}
_TEXTS: Final = {
    Touch.SAID_NO: "a refusal",
    Touch.RIGHT: "this right",
    Touch.JOINT: "a joint consent",
    Touch.CONSENTED: "another consent",
    Touch.CONSENT: "a consent",
    Touch.NOTHING: "this",
}


def check_polarity(
    logic: Logic, role: ConditionRole, span: Span, problems: Problems, *, is_positive: bool
) -> bool:
    """Whether an atom may stand in a position; reports the one at `span` that may not."""
    wanted = ROLE_SENSE[role]
    if not isinstance(logic, Atom) or logic.sense is Sense.FREE or wanted is Sense.FREE:
        return True
    allowed = wanted if is_positive else OPPOSITE[wanted]
    if logic.sense is allowed:
        return True
    if logic.sense is Sense.NEITHER:
        problems.error(
            "C453",
            "this comparison could let a refusal permit more",
            span,
            "true for one time and false for an earlier and a later one",
            "compare with `<` or `>` only, with the right's time on one side",
        )
        return False
    # A fact that narrows stands where it would widen, or the reverse. Which of the two it is does
    # not show in the sense of a comparison, which has sides.
    is_widening = logic.touch in (Touch.JOINT, Touch.CONSENTED)
    if logic.touch is Touch.RIGHT:
        is_widening = bool(find_readings(logic)[1] & WIDENING_TRACKS)
    if is_widening:
        problems.error(
            "C451",
            f"{_TEXTS[logic.touch]} must never permit less",
            span,
            f"here it could make the `{role.value}` {_fails(wanted, is_permitting=False)}",
            "it may make a `permit` hold or a `forbid` fail: turn the condition round",
        )
    else:
        problems.error(
            "C450",
            f"{_TEXTS[logic.touch]} must never permit more",
            span,
            f"here it could make the `{role.value}` {_fails(wanted, is_permitting=True)}",
            "it may make a `forbid` fire or a `permit` fail: turn the condition round",
        )
    return False


def _fails(role_sense: Sense, *, is_permitting: bool) -> str:
    """What the fact would do to the rule, in a word."""
    if role_sense is Sense.WIDENS:
        return "hold" if is_permitting else "fail"
    return "fail" if is_permitting else "fire"
