"""The sidecar's metrics by name, without their prefix, and what an operator does about each."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "consentry"
MAX_SERIES: Final = 2_000

# A hit takes about 2 us, a miss about 10, a read of an unseen person about 100.
DECISION_BOUNDS_S: Final = (
    2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 0.1, 1.0,
)  # fmt: skip
CALL_BOUNDS_S: Final = (
    1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip

COMMIT_BOUNDS_S: Final = (
    1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1.0,
)  # fmt: skip

CACHE_RESULTS: Final = ("hit", "miss", "stale", "bypass")
"""hit: answered from memory; miss: unknown question; stale: known, but a version moved or its time
was up; bypass: the cache is off or the question is not one to keep."""

COUNTERS: Final[dict[str, str]] = {
    "decisions": "Answers given. Watch for a jump in deny; the reason says where to look first.",
    "cache_requests": (
        "Checks by what the answer cache had. A falling share of hits means more CPU a check:"
        " look for reloads, for a busy ledger, or for callers that put changing facts in requests."
    ),
    "cache_mismatch": (
        "Cached answers that differed from a fresh one in compare mode. Anything above 0 is a bug:"
        " switch the cache off and report it."
    ),
    "cache_evicted": (
        "Answers forgotten to make room. Growing while hits fall: raise the bounds of the cache."
    ),
    "policy_load": (
        "Attempts to load the policy set. Failed means that the last good set still decides:"
        " read the log event policy_refused."
    ),
    "evaluation_errors": (
        "Checks that failed inside the sidecar and were answered with an error, which callers read"
        " as deny. Anything above 0 is a bug: report it with the log event evaluation_failed."
    ),
    "audit_records": "Decision log records stored; compare with consentry_decisions.",
    "audit_sampled_out": (
        "Decision log records left out by sampling, as the settings say. Decisions = records +"
        " sampled out + dropped + waiting."
    ),
    "audit_withheld": (
        "Calls that had no answer because their record could not be made durable (strict mode)."
        " Callers read it as deny: look at the disk under the decision log."
    ),
    "audit_dropped": (
        "Decision log records lost because the sink was slow or failing. Alert on any increase:"
        " check the disk under the decision log."
    ),
    "refused": (
        "Calls refused at the door, by class. A steady rate means that the limits are too small"
        " for the load: add sidecars or raise them."
    ),
    "callers_refused": (
        "Callers refused, by cause: who they are was not proven, or they may not do this. A jump"
        " after a rollout is a missing right; a steady trickle is somebody trying doors."
    ),
    "proxy_requests": (
        "Requests that a proxy asked about, by outcome. Unmapped or invalid: a route that a mapping"
        " lacks, or a client that plays tricks with paths. Unavailable: not decided, so refused."
    ),
    "http_calls": (
        "Calls over HTTP that asked or recorded, by method and status. 5xx: not ready, or a bug"
        " with an id in the log; 429: more at once than the pools take."
    ),
    "consent_events": (
        "Consent events recorded, by kind. No withdrawals for long while grants arrive is a sign"
        " of a broken form."
    ),
}

GAUGES: Final[dict[str, str]] = {
    "cache_entries": "Answers held in memory. At its bound while hits fall: raise the bound.",
    "cache_bytes": "Memory that answers are reckoned to take; at its bound, others are forgotten.",
    "certificate_expiry_timestamp_seconds": (
        "When the certificate that ports show ends. Alert a week before: a new one was not issued,"
        " or cannot be used (see the log event certificate_refused)."
    ),
    "consent_age_seconds": (
        "Age of the consent data that answers use. Alert when it nears the freshness bound."
    ),
    "feed_connected": (
        "1 while the shared ledger is heard. At 0 for longer than the freshness bound, what needs"
        " consent is denied: look at the ledger's server and at the network to it."
    ),
    "feed_lag_seconds": (
        "How long the newest consent event was under way from its recording to this sidecar, by two"
        " machines' clocks. Growing: the ledger's server or the network is slow."
    ),
    "ledger_position": (
        "Position of the newest consent event this sidecar has seen. Sidecars that differ for"
        " longer than the bound are cut off."
    ),
    "ledger_verified_position": (
        "Everything up to here was verified since the start. At rest below the ledger's position:"
        " the walk was stopped, see the log."
    ),
    "ledger_damaged": (
        "1 where the ledger was found damaged or changed; nothing is served from it then. Page."
    ),
    "ledger_space_short": (
        "1 where the disk is full and only withdrawals and the like are recorded. Page."
    ),
    "watchers": (
        "Caches at the callers' side that follow this sidecar. At 0 while callers keep answers,"
        " they ask for every one."
    ),
    "audit_queue_depth": "Decision log records waiting to be written; growing means a slow sink.",
    "audit_failing": (
        "1 while the decision log's sink refuses or hangs. In buffered mode records are lost once"
        " the buffer is full; in strict mode nothing is answered until it is well."
    ),
    "policy_loaded_timestamp_seconds": (
        "When the active policy set was loaded. Compare with your last rollout."
    ),
    "policy_confirmed_timestamp_seconds": (
        "When the active policy set was last seen to agree with its source. Old means that a newer"
        " set is being refused or the source cannot be read."
    ),
}
