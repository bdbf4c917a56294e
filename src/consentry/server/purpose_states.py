"""What a person's consent comes to for one purpose, for its own sake.

The ledger's view is asked as for a request, with nothing said about field, channel or recipient;
what a consent would lack only for those does not count.
"""

from __future__ import annotations

from typing import Final

from consentry.model import vocabulary
from consentry.model.consent import ConsentQuery, ConsentView, Track
from consentry.model.program import Program
from consentry.model.trees import DataNode, PurposeNode
from consentry.server.wire_values import timestamp_of
from consentry.v1 import consent_pb2 as wire

CONSENT_GIVEN: Final = "consent_given"
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


def purpose_state(
    program: Program, purpose: PurposeNode, view: ConsentView, now_us: int
) -> wire.PurposeConsent:
    """The state of `purpose` and the rights in force for it."""
    query = ConsentQuery(
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
    state = view.consent(query)
    answer = wire.PurposeConsent(
        purpose=purpose.path,
        state=state.absence,
        rights=[track.value for track in Track if view.right(track, query).is_active],
    )
    best: tuple[str, ...] | None = None
    for standing in state.standings:
        problems = tuple(p for p in standing.problems if p not in _OF_A_REQUEST)
        answer.event_ids.append(standing.event_id)
        # The newest flawless consent tells the state; without one, the newest of all.
        if best is None or (best and not problems):
            best = problems
            answer.state = problems[0] if problems else CONSENT_GIVEN
            answer.given_at.CopyFrom(timestamp_of(standing.given_at_us))
            answer.ClearField("expires_at")
            if standing.expires_at_us is not None:
                answer.expires_at.CopyFrom(timestamp_of(standing.expires_at_us))
    return answer
