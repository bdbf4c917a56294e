"""Folds consent events by hand, one step of the decision semantics after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from consentry.model.consent import ConsentEvent, RecipientScope
from consentry.model.values import Duration, midnight_us
from tests.reference.world import Field, Purpose, within

NARROWING = {
    "requested", "refused", "withdrawn", "objected", "override_lifted", "opted_out", "limited",
    "restricted", "erased", "hold_lifted",
}  # fmt: skip
# The event that starts a right, the one that ends it, and which of them wins a tie.
RIGHTS = {
    "objected": ("objected", "objection_lifted", True),
    "overridden": ("objection_overridden", "override_lifted", False),
    "opted_out": ("opted_out", "opted_in", True),
    "opted_in": ("opted_in", "opted_out", False),
    "limited": ("limited", "limit_lifted", True),
    "restricted": ("restricted", "restriction_lifted", True),
    "erased": ("erased", "erasure_lifted", True),
    "held": ("held", "hold_lifted", False),
}


@dataclass(frozen=True)
class Use:
    """What the ledger is asked about: a use of one field for one purpose under one law."""

    purpose: Purpose
    leaf: Field
    regime: str
    controller: str | None
    channel: str | None
    recipient_id: str | None
    recipient_roles: frozenset[str]
    recipient_country: str | None
    is_contact: bool
    is_disclosure: bool
    now_us: int
    action_tags: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()


@dataclass
class Consent:
    """A consent that stands, and what is wrong with it."""

    event: ConsentEvent
    problems: list[str]
    jointly: bool = False


@dataclass
class State:
    """What the events come to for one use."""

    standing: list[Consent] = field(default_factory=list)
    absence: str = "consent_missing"
    said_no: bool = False
    below: list[Consent] = field(default_factory=list)


def time_of(event: ConsentEvent) -> int:
    if event.kind.value in NARROWING:
        return min(event.happened_at_us, event.received_at_us)
    return event.happened_at_us


def fold(events: Sequence[ConsentEvent], use: Use) -> State:
    """Steps 1 to 5 of "Consent: what the ledger says"."""
    visible = [event for event in events if event.received_at_us <= use.now_us]
    concerning = [event for event in visible if _reaches(event, use)]
    negatives = [
        event
        for event in concerning
        if event.kind.value in ("refused", "withdrawn") and touches(event, use)
    ]
    given = [e for e in visible if e.kind.value == "given" and e.happened_at_us <= use.now_us]
    left = [
        event
        for event in given
        if event in concerning and all(event.happened_at_us > time_of(no) for no in negatives)
    ]
    chosen = left
    if not left:
        chosen = [e for e in given if _lies_below(e, use) and not _is_cut_below(e, visible, use)]
        chosen = [
            event for event in chosen if all(event.happened_at_us > time_of(no) for no in negatives)
        ]
    chosen = sorted(chosen, key=lambda event: event.happened_at_us, reverse=True)
    consents = [Consent(event, problems(event, use)) for event in chosen]
    flawless_by = {consent.event.by.value for consent in consents if not consent.problems}
    for consent in consents:
        by = consent.event.by.value
        other = {"data_subject": "guardian", "guardian": "data_subject"}.get(by)
        consent.jointly = by == "joint" or other in flawless_by
    # What was agreed to further down tells the reason; it never brings a yes.
    state = State(consents) if left else State(below=consents)
    if negatives:
        newest = max(time_of(no) for no in negatives)
        kinds = {no.kind.value for no in negatives if time_of(no) == newest}
        state.absence = "consent_withdrawn" if "withdrawn" in kinds else "consent_refused"
        state.said_no = not any(
            all(not problem.startswith("consent_scope_") for problem in problems(event, use))
            for event in left
        )
    elif any(event.kind.value == "requested" for event in concerning):
        state.absence = "consent_pending"
    return state


def problems(event: ConsentEvent, use: Use) -> list[str]:
    """What keeps a consent that stands from being given for this use."""
    scope = event.scope
    found = []
    ends = [end for end in (event.expires_at_us, _end_by_purpose(event, use)) if end is not None]
    if any(end <= use.now_us for end in ends):
        found.append("consent_expired")
    if not event.proof.method:
        found.append("consent_unproven")
    since = use.purpose.material_since
    if since is not None and (not event.notice or version(event.notice) < version(since)):
        found.append("consent_superseded")
    if scope.controller and scope.controller != use.controller:
        found.append("consent_scope_controller")
    if not _names_purpose(event, use):
        found.append("consent_scope_purpose")
    if scope.data and not _names_field(scope.data, use.leaf):
        found.append("consent_scope_category")
    says_channel = use.is_contact or use.channel is not None
    if says_channel and scope.channels and use.channel not in scope.channels:
        found.append("consent_scope_channel")
    named = any(_is_recipient(entry, use) for entry in scope.recipients)
    says_recipient = use.is_disclosure or bool(
        use.recipient_id or use.recipient_roles or use.recipient_country
    )
    if says_recipient and scope.recipients and not named:
        found.append("consent_scope_recipient")
    return found


NEVER = -(1 << 62)
"""The time of a right that is not in force: before every other."""


def right_since(events: Sequence[ConsentEvent], right: str, use: Use) -> int:
    """Since when the newest event of the right's two kinds has turned it on; else `NEVER`."""
    start, end, start_wins_tie = RIGHTS[right]
    starts, ends = (
        [
            time_of(event)
            for event in events
            if event.kind.value == kind
            and event.received_at_us <= use.now_us
            and time_of(event) <= use.now_us
            and _reaches(event, use)
            and (touches(event, use) if kind in NARROWING else _covers(event, use))
        ]
        for kind in (start, end)
    )
    if not starts:
        return NEVER
    newest = max(starts + ends)
    is_on = newest in starts if start_wins_tie or not ends else newest not in ends
    return max(starts) if is_on else NEVER


def touches(event: ConsentEvent, use: Use) -> bool:
    """Whether an event that narrows may speak of the use; what is not said may be meant."""
    scope = event.scope
    if scope.controller and use.controller is not None and use.controller != scope.controller:
        return False
    if scope.channels and use.channel is not None and use.channel not in scope.channels:
        return False
    if scope.data and not any(
        entry in use.leaf.lineage()
        or any(within(key, entry) or within(entry, key) for key in use.leaf.categories)
        for entry in scope.data
    ):
        return False
    return not scope.recipients or any(
        use.recipient_id in (None, entry.id)
        if entry.id
        else not use.recipient_roles or entry.role in use.recipient_roles
        if entry.role
        else use.recipient_country in (None, entry.country)
        for entry in scope.recipients
    )


def _covers(event: ConsentEvent, use: Use) -> bool:
    """Whether an event that widens speaks of the use for certain."""
    scope = event.scope
    return (
        (not scope.controller or scope.controller == use.controller)
        and (not scope.channels or use.channel in scope.channels)
        and (not scope.data or _names_field(scope.data, use.leaf))
        and (not scope.recipients or any(_is_recipient(entry, use) for entry in scope.recipients))
    )


def _reaches(event: ConsentEvent, use: Use) -> bool:
    scope = event.scope
    if scope.regime not in ("", use.regime):
        return False
    if scope.purpose:
        if scope.purpose in use.purpose.lineage():
            return True
        if event.kind.value not in NARROWING and scope.purpose in use.declared:
            return False  # a consent to a purpose of the author's is not one to a standard key
        return any(within(key, scope.purpose) for key in use.purpose.uses)
    if scope.tag and event.kind.value in NARROWING and scope.tag in use.action_tags:
        return True  # who wants no sale is not sold by an action that sells
    return scope.tag in use.purpose.tags if scope.tag else True


def _lies_below(event: ConsentEvent, use: Use) -> bool:
    return event.scope.regime in ("", use.regime) and event.scope.purpose.startswith(
        use.purpose.path + "."
    )


def _is_cut_below(given: ConsentEvent, visible: Sequence[ConsentEvent], use: Use) -> bool:
    """Whether a consent to a purpose further down was taken back there."""
    return any(
        no.kind.value in ("refused", "withdrawn")
        and no.scope.purpose
        and within(given.scope.purpose, no.scope.purpose)
        and no.scope.regime in ("", use.regime)
        and touches(no, use)
        and time_of(no) >= given.happened_at_us
        for no in visible
    )


def _names_purpose(event: ConsentEvent, use: Use) -> bool:
    scope, purpose = event.scope, use.purpose
    # A purpose without a parent has not inherited its standard keys: a key of it is itself.
    is_key_of_it = purpose.parent is None and scope.purpose in purpose.uses
    if scope.purpose == purpose.path or is_key_of_it:
        return True
    if _lies_below(event, use) or "separate_consent" in purpose.tags:
        return False
    if not event.listed:
        return True
    above = [path for path in purpose.lineage() if not within(scope.purpose, path)]
    return any(
        entry in above
        or (not within(scope.purpose, entry) and any(within(key, entry) for key in purpose.uses))
        for entry in event.listed
    )


def _names_field(entries: Sequence[str], leaf: Field) -> bool:
    if any(entry in leaf.lineage() for entry in entries):
        return True
    held = [any(within(key, entry) for entry in entries) for key in leaf.categories]
    return bool(held) and all(held)


def _is_recipient(entry: RecipientScope, use: Use) -> bool:
    if entry.id:
        return entry.id == use.recipient_id
    if entry.role:
        return entry.role in use.recipient_roles
    return bool(entry.country) and entry.country == use.recipient_country


def _end_by_purpose(event: ConsentEvent, use: Use) -> int | None:
    return None if use.purpose.lasts is None else moved(event.happened_at_us, use.purpose.lasts)


def moved(at_us: int, length: Duration) -> int:
    """A time moved on by a length: calendar months first, then the exact part."""
    days, rest = divmod(at_us, 86_400_000_000)
    start = date(1970, 1, 1) + timedelta(days=days)
    months = start.year * 12 + start.month - 1 + length.months
    year, month = months // 12, months % 12 + 1
    try:
        end = date(year, month, start.day)
    except ValueError:  # past the month's end: the first of the next
        end = date(year + month // 12, month % 12 + 1, 1)
    return midnight_us(end) + rest + length.micros


def version(text: str) -> list[tuple[int, int, str]]:
    """A notice's version, so that parts compare as numbers where they are numbers."""
    parts = text.replace("-", ".").replace("_", ".").split(".")
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
