"""Words that the engine itself knows. Everything else is vocabulary of policy files.

The order of all reasons is that of their declaration in the `core` pack and the author's files;
these constants only name the codes that no rule gives.
"""

from __future__ import annotations

from typing import Final

# The request (decision semantics, order 1).
PURPOSE_MISSING: Final = "purpose_missing"
PURPOSE_UNKNOWN: Final = "purpose_unknown"
CATEGORY_UNKNOWN: Final = "category_unknown"
ACTION_UNKNOWN: Final = "action_unknown"
CHANNEL_UNKNOWN: Final = "channel_unknown"
SUBJECT_UNRESOLVED: Final = "subject_unresolved"
REGIME_UNDETERMINED: Final = "regime_undetermined"

# The nearest miss among the house's permits (order 3), by the clause that failed.
PURPOSE_NOT_DECLARED: Final = "purpose_not_declared"
MISS_REASONS: Final[dict[str, str]] = {
    "who": "actor_purpose_not_authorised",
    "data": "data_not_necessary",
    "may": "action_not_permitted",
    "via": "channel_not_permitted",
    "to": "recipient_not_permitted",
    "basis": "basis_not_available",
    "when": "condition_not_met",
}
CONDITION_NOT_MET: Final = "condition_not_met"
RETENTION_EXCEEDED: Final = "retention_exceeded"

# A regime without a ground (order 4).
NO_LAWFUL_BASIS: Final = "no_lawful_basis"
BASIS_NOT_AVAILABLE: Final = "basis_not_available"
CONSENT_STATE_UNAVAILABLE: Final = "consent_state_unavailable"
PROHIBITED_BY_POLICY: Final = "prohibited_by_policy"
PERMITTED_BY_POLICY: Final = "permitted_by_policy"

# The state of consent, as the resolver names it.
CONSENT_MISSING: Final = "consent_missing"
CONSENT_PENDING: Final = "consent_pending"
CONSENT_REFUSED: Final = "consent_refused"
CONSENT_WITHDRAWN: Final = "consent_withdrawn"
CONSENT_EXPIRED: Final = "consent_expired"
CONSENT_UNPROVEN: Final = "consent_unproven"
CONSENT_SUPERSEDED: Final = "consent_superseded"
CONSENT_SCOPE_CONTROLLER: Final = "consent_scope_controller"
CONSENT_SCOPE_PURPOSE: Final = "consent_scope_purpose"
CONSENT_SCOPE_CATEGORY: Final = "consent_scope_category"
CONSENT_SCOPE_CHANNEL: Final = "consent_scope_channel"
CONSENT_SCOPE_RECIPIENT: Final = "consent_scope_recipient"

# Tags that the engine reads.
TAG_CONTACTING: Final = "contacting"
"""Of an action: it reaches the person over a channel, so an unsaid channel is unknown."""
TAG_DISCLOSURE: Final = "disclosure"
"""Of an action: it gives data to a recipient, so an unsaid recipient is unknown."""
TAG_SEPARATE_CONSENT: Final = "separate_consent"
"""Of a purpose: a consent to its parent does not reach it."""

PRINCIPAL_KINDS: Final = frozenset({"service", "person", "agent", "job"})
MASK_FUNCTIONS: Final[dict[str, bool]] = {
    "redact": False,
    "last": True,
    "first": True,
    "initials": False,
    "hash": False,
    "year": False,
    "round": True,
    "null": False,
}
"""Mask functions, and whether they take a whole number."""
