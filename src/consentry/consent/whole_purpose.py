"""What a person's consent comes to for one purpose, for its own sake.

The ledger's view is asked as for a request, with nothing said about field, channel or recipient;
what a consent would lack only for those does not count.
"""

from __future__ import annotations

from typing import Final

from consentry.model import vocabulary
from consentry.model.consent import ConsentQuery, ConsentState, Standing
from consentry.model.program import Program
from consentry.model.trees import DataNode, PurposeNode

_OF_A_REQUEST: Final = frozenset(
    {
        vocabulary.CONSENT_SCOPE_CATEGORY,
        vocabulary.CONSENT_SCOPE_CHANNEL,
        vocabulary.CONSENT_SCOPE_RECIPIENT,
        vocabulary.CONSENT_SCOPE_CONTROLLER,
    }
)
# No event's scope names this field: only events that do not narrow by field touch it.
_NO_FIELD: Final = DataNode(index=0, path="", lineage=("",), leaves=(0,))


def whole_purpose(program: Program, purpose: PurposeNode, now_us: int) -> ConsentQuery:
    """The question for `purpose` alone."""
    return ConsentQuery(
        purpose=purpose,
        purpose_lineage=tuple(program.purposes[index].path for index in purpose.lineage),
        leaf=_NO_FIELD,
        regime="",
        controller=None,
        channel=None,
        recipient_id=None,
        recipient_roles=frozenset(),
        recipient_country=None,
        is_contact=False,
        is_disclosure=False,
        now_us=now_us,
        declared=program.purpose_names,
    )


def problems_of(standing: Standing) -> tuple[str, ...]:
    """What is wrong with a consent, whatever is asked."""
    return tuple(problem for problem in standing.problems if problem not in _OF_A_REQUEST)


def find_flawless(state: ConsentState) -> Standing | None:
    """The newest consent with nothing wrong; None where there is none."""
    return next((each for each in state.standings if not problems_of(each)), None)
