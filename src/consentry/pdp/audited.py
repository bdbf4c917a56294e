"""What the decision log is told of an answer."""

from __future__ import annotations

from functools import lru_cache
from sys import intern
from typing import Final

from consentry.model.consent import ConsentView
from consentry.model.decision import Decision, Effect
from consentry.model.request import Request
from consentry.pdp.cache import SubjectCell
from consentry.pdp.snapshot import Snapshot
from consentry.telemetry.audit.record import AuditFields, AuditKind

# PERF: a look-up by an enum's member, or its value, runs Python code of `enum`.
EFFECT_NAMES: Final = (Effect.DENY.value, Effect.PERMIT.value)

NOT_AUDITED: Final = AuditFields(AuditKind("", "", "", "", "", ""), "", "")
"""Of answers where no record is written."""

_MAX_KINDS: Final = 2_048
_MAX_DATA: Final = 16
"""Questions for more, which are rare, share nothing: what is remembered is to stay small."""

_known_kind: Final = lru_cache(maxsize=_MAX_KINDS)(AuditKind)


def audit_fields(  # noqa: PLR0917 - a hot call: positional is what is cheap
    snapshot: Snapshot,
    request: Request,
    decision: Decision,
    cell: SubjectCell | None,
    view: ConsentView,
    raw: bytes,
) -> AuditFields:
    """What the records of this answer have in common, however often it is given.

    Kept answers share what they can: their kind, the id of who asks, and the person's id, which is
    that of the `cell` where there is one.
    """
    person, data = request.data_subject, request.data
    is_permit = decision.effect is Effect.PERMIT
    # PERF: positional, in the order of the members.
    kind = (_known_kind if len(data) <= _MAX_DATA else AuditKind)(
        snapshot.digest,
        EFFECT_NAMES[is_permit],
        decision.reason,
        decision.findings[0].rule,
        request.purpose,
        request.action,
        data,
        _granted(decision) if is_permit and request.partial else None,
        view.is_available,
    )
    if cell is not None:
        data_subject_id = cell.data_subject_id
    else:
        data_subject_id = "" if person is None else person.id
    return AuditFields(kind, intern(request.principal.id), data_subject_id, view.revision, raw)


def _granted(decision: Decision) -> tuple[str, ...] | None:
    given = tuple(leaf.data for leaf in decision.leaves if leaf.effect is Effect.PERMIT)
    return None if len(given) == len(decision.leaves) else given
