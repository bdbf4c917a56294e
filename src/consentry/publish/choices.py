"""What a person may choose for each purpose, and what a consent given on our page speaks of.

Nothing is preselected: what is offered follows from what the person said before and from the lawful
basis of the purpose alone. Who said yes is offered the way back with the same single press.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consentry.model import vocabulary
from consentry.model.consent import EventKind, RecipientScope, Track
from consentry.model.program import Party, Program
from consentry.model.trees import PurposeNode
from consentry.publish.contents import data_roots, purpose_facts

GIVEN: Final = "consent_given"
_SAID_NO: Final = frozenset({vocabulary.CONSENT_WITHDRAWN, vocabulary.CONSENT_REFUSED})
_OBJECTABLE: Final = frozenset({"legitimate_interest", "public_task"})
_OPT_OUT_TAGS: Final = frozenset({"sale", "sharing", "targeted_advertising"})
_SEPARATE: Final = "separate_consent"
_CONSENT: Final = "consent"
_RECIPIENTS: Final = {"recipient": "id", "role": "role", "country": "country"}
MAX_NAMED: Final = 64
"""Most entries that an event may list."""


class Choice(StrEnum):
    """One thing that a person may do about a purpose."""

    GIVE = "give"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    OBJECT = "object"
    LIFT_OBJECTION = "lift_objection"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"


EVENT_KINDS: Final = {
    Choice.GIVE: EventKind.GIVEN,
    Choice.REFUSE: EventKind.REFUSED,
    Choice.WITHDRAW: EventKind.WITHDRAWN,
    Choice.OBJECT: EventKind.OBJECTED,
    Choice.LIFT_OBJECTION: EventKind.OBJECTION_LIFTED,
    Choice.OPT_OUT: EventKind.OPTED_OUT,
    Choice.OPT_IN: EventKind.OPTED_IN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeState:
    """What the ledger says about one purpose: `consent_given` or a reason code, and rights."""

    state: str = vocabulary.CONSENT_MISSING
    rights: frozenset[str] = frozenset()
    given_at_us: int | None = None
    expires_at_us: int | None = None


class Stand(StrEnum):
    """How a purpose stands with a person, in a word."""

    YES = "yes"
    NO = "no"
    OPEN = "open"
    """Nothing that counts was said: it is not done."""
    USED = "used"
    """It is done unless the person says no."""
    FIXED = "fixed"
    """There is nothing to choose."""


def bases_of(node: PurposeNode) -> frozenset[str]:
    """Every lawful basis that the purpose has under some law."""
    return frozenset(
        basis for basis in (node.basis, *(b for _, b in node.basis_under)) if basis is not None
    )


def is_by_consent(node: PurposeNode) -> bool:
    """Whether somebody has to agree under some law."""
    return _CONSENT in bases_of(node)


def choices_for(node: PurposeNode, said: PurposeState) -> tuple[Choice, ...]:
    """What to offer now."""
    offered: list[Choice] = []
    by_consent = is_by_consent(node)
    if by_consent:
        if said.state == GIVEN:
            offered.append(Choice.WITHDRAW)
        elif said.state in _SAID_NO:
            offered.append(Choice.GIVE)
        else:
            offered += [Choice.GIVE, Choice.REFUSE]
    if Track.OBJECTED.value in said.rights:
        offered.append(Choice.LIFT_OBJECTION)
    elif _may_object(node):
        offered.append(Choice.OBJECT)
    if Track.OPTED_OUT.value in said.rights:
        offered.append(Choice.OPT_IN)
    elif not by_consent and node.tags & _OPT_OUT_TAGS:
        offered.append(Choice.OPT_OUT)
    return tuple(offered)


def stand_of(node: PurposeNode, said: PurposeState) -> Stand:
    """How the purpose stands."""
    if said.rights & {Track.OBJECTED.value, Track.OPTED_OUT.value}:
        return Stand.NO
    if is_by_consent(node):
        if said.state == GIVEN:
            return Stand.YES
        return Stand.NO if said.state in _SAID_NO else Stand.OPEN
    return Stand.USED if choices_for(node, said) else Stand.FIXED


def _may_object(node: PurposeNode) -> bool:
    if bases_of(node) & _OBJECTABLE:
        return True
    return "direct_marketing" in node.tags and not is_by_consent(node)


def covered_by(program: Program, node: PurposeNode) -> tuple[PurposeNode, ...]:
    """Purposes below that a consent to `node` is for, too, since the page names them there."""
    return tuple(
        other
        for other in program.purposes
        if other.index != node.index
        and node.index in other.lineage
        and is_by_consent(other)
        and _SEPARATE not in other.tags
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the page tells of a purpose, and so what a consent given there speaks of.

    `listed` are purposes below it. `data` are fields; where they are more than `MAX_NAMED`, the
    groups that hold nothing else, and the first of those alone. Empty where nothing narrows.
    """

    listed: tuple[str, ...]
    data: tuple[str, ...]
    recipients: tuple[RecipientScope, ...]


def told_of(program: Program, node: PurposeNode) -> Told:
    """What a consent to `node` names: what the house's rules do for it now, and no more than that.

    What is added to the policies later was not told, and the consent does not cover it.
    """
    below = covered_by(program, node)
    leaves: set[int] = set()
    parties: dict[Party, None] = {}
    for each in (node, *below):
        facts = purpose_facts(program, each)
        leaves |= facts.leaves
        parties |= dict.fromkeys(facts.recipients)
    return Told(
        listed=tuple(other.path for other in below),
        data=_names(program, frozenset(leaves)),
        recipients=tuple(
            RecipientScope(**{_RECIPIENTS[party.kind]: party.name})
            for party in parties
            if party.kind in _RECIPIENTS and party.name
        ),
    )


def _names(program: Program, leaves: frozenset[int]) -> tuple[str, ...]:
    fields = tuple(program.data[index].path for index in sorted(leaves))
    if len(fields) <= MAX_NAMED:
        return fields
    # None at all would mean everything: of what is too much to name, the rest is not agreed to.
    return tuple(root.path for root in data_roots(program, leaves))[:MAX_NAMED]


def is_sensible(node: PurposeNode, choice: Choice) -> bool:
    """Whether the choice is ever offered for the purpose, whatever was said before."""
    rights = frozenset({Track.OBJECTED.value, Track.OPTED_OUT.value})
    said = (
        PurposeState(),
        PurposeState(state=GIVEN),
        PurposeState(state=vocabulary.CONSENT_WITHDRAWN, rights=rights),
    )
    return any(choice in choices_for(node, state) for state in said)
