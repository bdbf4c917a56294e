"""What a person's consent comes to for one purpose, on the wire."""

from __future__ import annotations

from typing import Final

from consentry.consent.whole_purpose import problems_of, whole_purpose
from consentry.model.consent import ConsentView, Track
from consentry.model.program import Program
from consentry.model.trees import PurposeNode
from consentry.server.wire_values import timestamp_of
from consentry.v1 import consent_pb2 as wire

CONSENT_GIVEN: Final = "consent_given"


def purpose_state(
    program: Program, purpose: PurposeNode, view: ConsentView, now_us: int
) -> wire.PurposeConsent:
    """The state of `purpose` and the rights in force for it."""
    query = whole_purpose(program, purpose, now_us)
    state = view.consent(query)
    answer = wire.PurposeConsent(
        purpose=purpose.path,
        state=state.absence,
        rights=[track.value for track in Track if view.right(track, query).is_active],
    )
    best: tuple[str, ...] | None = None
    for standing in state.standings:
        problems = problems_of(standing)
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
