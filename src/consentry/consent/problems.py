"""What is wrong with a consent that stands, for one question.

Source: decision semantics, "Consent: what the ledger says", step 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from consentry.consent.scope import covers_data, covers_recipient, has_recipient, lies_below
from consentry.model.consent import Author, ConsentEvent, ConsentQuery, Standing
from consentry.model.operators import notice_order
from consentry.model.trees import PurposeNode, is_within
from consentry.model.values import shift_us
from consentry.model.vocabulary import (
    CONSENT_EXPIRED,
    CONSENT_SCOPE_CATEGORY,
    CONSENT_SCOPE_CHANNEL,
    CONSENT_SCOPE_CONTROLLER,
    CONSENT_SCOPE_PURPOSE,
    CONSENT_SCOPE_RECIPIENT,
    CONSENT_SUPERSEDED,
    CONSENT_UNPROVEN,
    TAG_SEPARATE_CONSENT,
)

_SCOPE_PROBLEMS: Final = frozenset(
    {
        CONSENT_SCOPE_CATEGORY,
        CONSENT_SCOPE_CHANNEL,
        CONSENT_SCOPE_CONTROLLER,
        CONSENT_SCOPE_PURPOSE,
        CONSENT_SCOPE_RECIPIENT,
    }
)
_COUNTERPART: Final = {
    Author.DATA_SUBJECT: Author.GUARDIAN,
    Author.GUARDIAN: Author.DATA_SUBJECT,
}


def standings_of(events: Sequence[ConsentEvent], query: ConsentQuery) -> tuple[Standing, ...]:
    """The consents with their problems, in the given order."""
    found = []
    flawless = set()
    for event in events:
        end = end_of(event, query.purpose)
        problems = _problems(event, query, end)
        found.append((event, end, problems))
        if not problems:
            flawless.add(event.by)
    # PERF: positional, in the order of the members; by name this costs three times as much.
    return tuple(
        [
            Standing(
                event.event_id,
                event.position,
                event.happened_at_us,
                end,
                event.notice,
                event.by,
                event.qualities,
                event.scope.data,
                event.scope.recipients,
                event.by is Author.JOINT or _COUNTERPART.get(event.by) in flawless,
                problems,
            )
            for event, end, problems in found
        ]
    )


def _problems(event: ConsentEvent, query: ConsentQuery, ends_us: int | None) -> tuple[str, ...]:
    """What is wrong with a consent for this query, in declared order; empty when nothing is."""
    scope = event.scope
    found = []
    if ends_us is not None and ends_us <= query.now_us:
        found.append(CONSENT_EXPIRED)
    if not event.proof.method:
        found.append(CONSENT_UNPROVEN)
    if is_superseded(event.notice, query.purpose):
        found.append(CONSENT_SUPERSEDED)
    if scope.controller and scope.controller != query.controller:
        found.append(CONSENT_SCOPE_CONTROLLER)
    if not names_purpose(event, query):
        found.append(CONSENT_SCOPE_PURPOSE)
    if scope.data and not covers_data(scope, query.leaf):
        found.append(CONSENT_SCOPE_CATEGORY)
    # Where nobody is contacted a channel need not be said; one that is said must be covered. So it
    # is with recipients.
    says_channel = query.is_contact or query.channel is not None
    if scope.channels and says_channel and query.channel not in scope.channels:
        found.append(CONSENT_SCOPE_CHANNEL)
    says_recipient = query.is_disclosure or has_recipient(query)
    if scope.recipients and says_recipient and not covers_recipient(scope, query):
        found.append(CONSENT_SCOPE_RECIPIENT)
    return tuple(found)


def is_in_scope(standing: Standing) -> bool:
    """Whether the consent speaks of the request, be it expired, unproven or superseded."""
    return _SCOPE_PROBLEMS.isdisjoint(standing.problems)


def end_of(event: ConsentEvent, purpose: PurposeNode) -> int | None:
    """The earlier of the stated end and the end by the purpose's `consent lasts`; None: no end."""
    if purpose.consent_lasts is None:
        return event.expires_at_us
    try:
        by_purpose = shift_us(event.happened_at_us, purpose.consent_lasts)
    except (ValueError, OverflowError):  # past the last year that a calendar has
        return event.expires_at_us
    return by_purpose if event.expires_at_us is None else min(by_purpose, event.expires_at_us)


def is_superseded(notice: str, purpose: PurposeNode) -> bool:
    """Whether the notice is older than the last material change, or is not known."""
    since = purpose.notice_material_since
    if since is None or notice == since:
        return False
    order = notice_order(notice or None, since)
    return order is None or order < 0


def names_purpose(event: ConsentEvent, query: ConsentQuery) -> bool:
    """Whether a consent that reaches the purpose was also given for it.

    A consent to something above the purpose was, when `listed` is empty or names the purpose, a
    purpose between, or a standard key of it; never where the purpose is `separate_consent`.
    """
    lineage, uses = query.purpose_lineage, query.purpose.uses
    asked = event.scope.purpose
    # A purpose without a parent has not inherited its standard keys, so a key of it is itself.
    if asked == query.purpose.path or (len(lineage) == 1 and asked in uses):
        return True
    if lies_below(event.scope, query) or TAG_SEPARATE_CONSENT in query.purpose.tags:
        return False
    if not event.listed:
        return True
    between = lineage[: lineage.index(asked)] if asked in lineage else lineage
    return any(
        entry in between
        or (not is_within(asked, entry) and any(is_within(use, entry) for use in uses))
        for entry in event.listed
    )


def is_cut(given: ConsentEvent, negatives: Iterable[ConsentEvent], query: ConsentQuery) -> bool:
    """Whether a negative about the purpose of `given`, or about one above it, is not older."""
    return any(
        bool(event.scope.purpose)
        and is_within(given.scope.purpose, event.scope.purpose)
        and event.scope.regime in ("", query.regime)
        and event.counts_from_us >= given.happened_at_us
        for event in negatives
    )
