"""What the decision log is told of an answer."""

from __future__ import annotations

from sys import intern
from typing import Final

from consentry.model.consent import ConsentView
from consentry.model.decision import Decision, Effect
from consentry.model.request import Request
from consentry.pdp.snapshot import Snapshot
from consentry.telemetry.audit.record import AuditFields

# PERF: a look-up by an enum's member, or its value, runs Python code of `enum`.
EFFECT_NAMES: Final = (Effect.DENY.value, Effect.PERMIT.value)


NOT_AUDITED: Final = AuditFields(
    digest="", effect="", reason="", rule="", purpose="", action="", principal_id="",
    data_subject_id="",
)  # fmt: skip
"""Of answers where no record is written."""


def audit_fields(
    snapshot: Snapshot, request: Request, decision: Decision, view: ConsentView, raw: bytes
) -> AuditFields:
    """What the records of this answer have in common, however often it is given.

    Few words stand in many questions: kept answers share them, which spares a sixth of their
    memory.
    """
    person = request.data_subject
    is_permit = decision.effect is Effect.PERMIT
    return AuditFields(
        digest=snapshot.digest,
        effect=EFFECT_NAMES[is_permit],
        reason=decision.reason,
        rule=decision.findings[0].rule,
        purpose=intern(request.purpose),
        action=intern(request.action),
        principal_id=intern(request.principal.id),
        data_subject_id=person.id if person is not None else "",
        data=tuple(map(intern, request.data)),
        granted=_granted(decision) if is_permit and request.partial else None,
        revision=view.revision,
        is_consent_known=view.is_available,
        question=raw,
    )


def _granted(decision: Decision) -> tuple[str, ...] | None:
    given = tuple(leaf.data for leaf in decision.leaves if leaf.effect is Effect.PERMIT)
    return None if len(given) == len(decision.leaves) else given
