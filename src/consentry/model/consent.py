"""Consent and rights as facts: events as recorded, and what they come to at one moment.

Two halves. `ConsentEvent` is what a person (or someone for them) did; the ledger keeps it for ever.
`ConsentState`, `Standing` and `RightState` are what the resolver makes of all visible events for
one question; the engine and the law packs judge those and never see an event.

PERF: what is made anew for each question is a dataclass that is not frozen, because a frozen one
costs ten times as much to make. `Final` keeps its members from being set again all the same.

Source: decision semantics, "Consent: what the ledger says".
"""

from __future__ import annotations

from collections.abc import Container, Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from consentry.model.trees import DataNode, PurposeNode


class EventKind(StrEnum):
    """Every kind of event there is. The value is the name on disk and on the wire."""

    REQUESTED = "requested"
    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    OBJECTION_LIFTED = "objection_lifted"
    OBJECTION_OVERRIDDEN = "objection_overridden"
    OVERRIDE_LIFTED = "override_lifted"
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
    LIMITED = "limited"
    LIMIT_LIFTED = "limit_lifted"
    RESTRICTED = "restricted"
    RESTRICTION_LIFTED = "restriction_lifted"
    ERASED = "erased"
    ERASURE_LIFTED = "erasure_lifted"
    HELD = "held"
    HOLD_LIFTED = "hold_lifted"


class Track(StrEnum):
    """A right as `rights.<track>` names it in the language."""

    OBJECTED = "objected"
    OVERRIDDEN = "overridden"
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
    LIMITED = "limited"
    RESTRICTED = "restricted"
    ERASED = "erased"
    HELD = "held"


# Which event turns a track on and which turns it off. The newest of the two kinds whose scope
# touches the request decides; the one that narrows what may be done wins a tie.
TRACK_EVENTS: Final[dict[Track, tuple[EventKind, EventKind]]] = {
    Track.OBJECTED: (EventKind.OBJECTED, EventKind.OBJECTION_LIFTED),
    Track.OVERRIDDEN: (EventKind.OBJECTION_OVERRIDDEN, EventKind.OVERRIDE_LIFTED),
    Track.OPTED_OUT: (EventKind.OPTED_OUT, EventKind.OPTED_IN),
    Track.OPTED_IN: (EventKind.OPTED_IN, EventKind.OPTED_OUT),
    Track.LIMITED: (EventKind.LIMITED, EventKind.LIMIT_LIFTED),
    Track.RESTRICTED: (EventKind.RESTRICTED, EventKind.RESTRICTION_LIFTED),
    Track.ERASED: (EventKind.ERASED, EventKind.ERASURE_LIFTED),
    Track.HELD: (EventKind.HELD, EventKind.HOLD_LIFTED),
}

# Tracks that widen what may be done; all others narrow.
WIDENING_TRACKS: Final = frozenset({Track.OVERRIDDEN, Track.OPTED_IN, Track.HELD})

# Kinds that widen count from their own time on only; all others from the earlier of their two
# times ("a negative event never waits").
WIDENING_KINDS: Final = frozenset(
    {
        EventKind.GIVEN,
        EventKind.OBJECTION_LIFTED,
        EventKind.OBJECTION_OVERRIDDEN,
        EventKind.OPTED_IN,
        EventKind.LIMIT_LIFTED,
        EventKind.RESTRICTION_LIFTED,
        EventKind.ERASURE_LIFTED,
        EventKind.HELD,
    }
)

# Kinds that narrow what may be done: where space is short, the last of it is theirs.
NARROWING_KINDS: Final = frozenset(EventKind) - WIDENING_KINDS - {EventKind.REQUESTED}


PROBE_PREFIX: Final = "consentry-probe-"
"""Ids of made-up persons begin so: theirs are no person's acts and are counted apart."""


class Author(StrEnum):
    """Who performed an event."""

    DATA_SUBJECT = "data_subject"
    GUARDIAN = "guardian"
    JOINT = "joint"
    AGENT = "agent"
    CONTROLLER = "controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientScope:
    """Recipients an event speaks of: by id, by role or by country; exactly one is set."""

    id: str = ""
    role: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an event speaks of. An empty part means that the event does not narrow by it.

    Exactly one of `purpose` (a path, or a standard data-use key) and `tag` is set, or neither,
    which means every purpose and is for rights tracks only. `data` holds paths of the data tree or
    standard category keys; `regime` confines the event to one law.
    """

    purpose: str = ""
    tag: str = ""
    data: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    recipients: tuple[RecipientScope, ...] = ()
    controller: str = ""
    regime: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How it is known that the event took place.

    An event without a `method` is *unproven*: it stands, with the problem `consent_unproven`.
    """

    method: str = ""
    source: str = ""
    channel: str = ""
    recorded_by: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEvent:
    """One act, as recorded. Times are microseconds since the epoch, UTC.

    `event_id`, `position` and `received_at_us` are given by the ledger; 0 and empty before.
    `listed` are the child purposes that the notice named. `qualities` are words such as `explicit`;
    `by` says who acted. `expires_at_us` is the end stated when consent was given, exclusive.
    """

    kind: EventKind
    data_subject_id: str
    scope: Scope
    happened_at_us: int
    received_at_us: int = 0
    position: int = 0
    event_id: str = ""
    idempotency_key: str = ""
    qualities: frozenset[str] = frozenset()
    notice: str = ""
    listed: tuple[str, ...] = ()
    by: Author = Author.DATA_SUBJECT
    expires_at_us: int | None = None
    proof: Proof = Proof()

    @property
    def counts_from_us(self) -> int:
        """The time at which the event takes its place in the order of events."""
        if self.kind in WIDENING_KINDS:
            return self.happened_at_us
        return min(self.happened_at_us, self.received_at_us)


@dataclass(slots=True, unsafe_hash=True)
class ConsentQuery:
    """For which use of which field the ledger is asked.

    `recipient_*` describe the recipient where there is one; `is_disclosure` says that the action
    gives data to a recipient, `is_contact` that it reaches the person over a channel.
    `declared` holds the paths of the author's purposes: a consent that names one means it, and not
    a standard key that reads the same. `action_tags` are those of the action: who opted out of sale
    is not sold by an action that sells either, whatever the purpose is called.

    `key`, where there is one, stands for all the rest but `now_us`: two queries with the same key
    differ in nothing else, so that what a view remembers is found by it.
    """

    purpose: Final[PurposeNode]
    purpose_lineage: Final[tuple[str, ...]]
    leaf: Final[DataNode]
    regime: Final[str]
    controller: Final[str | None]
    channel: Final[str | None]
    recipient_id: Final[str | None]
    recipient_roles: Final[frozenset[str]]
    recipient_country: Final[str | None]
    is_contact: Final[bool]
    is_disclosure: Final[bool]
    now_us: Final[int]
    action_tags: Final[frozenset[str]] = frozenset()
    declared: Final[Container[str]] = field(default=(), compare=False, repr=False)
    key: Final[Hashable] = field(default=None, compare=False, repr=False)


@dataclass(slots=True, unsafe_hash=True)
class Standing:
    """One consent that stands, with whatever is wrong with it.

    `problems` are reason codes (`consent_expired`, `consent_scope_channel`, …) in declared order;
    empty means `consent.given`. `jointly` says that the person and a guardian both gave it.
    """

    event_id: Final[str]
    position: Final[int]
    given_at_us: Final[int]
    expires_at_us: Final[int | None] = None
    notice: Final[str] = ""
    by: Final[Author] = Author.DATA_SUBJECT
    qualities: Final[frozenset[str]] = frozenset()
    data: Final[tuple[str, ...]] = ()
    recipients: Final[tuple[RecipientScope, ...]] = ()
    jointly: Final[bool] = False
    problems: Final[tuple[str, ...]] = ()

    @property
    def is_given(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.problems


@dataclass(slots=True, unsafe_hash=True)
class ConsentState:
    """All consents that stand for one query, newest first, and what to say if none does.

    `absence` is the reason code for the asking without a consent: `consent_withdrawn`,
    `consent_refused`, `consent_pending` or `consent_missing`. `said_no` is true when the newest
    expression of the person is a negative one. `changes_at_us` is the earliest future instant at
    which any of this changes by time alone. `below` are consents to purposes below the one asked
    about, where nothing else stands: they tell the reason, and no regime is asked with them, for a
    withdrawal that leaves only them must not bring a yes (ADR 2).
    """

    standings: Final[tuple[Standing, ...]] = ()
    absence: Final[str] = "consent_missing"
    said_no: Final[bool] = False
    changes_at_us: Final[int | None] = None
    below: Final[tuple[Standing, ...]] = ()


@dataclass(slots=True, unsafe_hash=True)
class RightState:
    """Whether a right is in force for one query, since when, and when time alone changes that."""

    is_active: Final[bool] = False
    since_us: Final[int | None] = None
    changes_at_us: Final[int | None] = None


class ConsentView(Protocol):
    """What the ledger says about one person, at one position: a frozen reading.

    The answers are pure functions of the events read and the query. `is_available` is false when
    the state could not be read freshly enough; the other members then hold no information and are
    not asked. `revision` is the position of the newest event of this person (0: none), from the
    one counter of the whole ledger. `position` is the ledger's position at the reading and
    `read_at_us` its time.
    """

    @property
    def is_available(self) -> bool:
        """Whether the state could be read freshly enough."""
        ...

    @property
    def has_rights(self) -> bool:
        """Whether there is an event of a right at all; where not, none is in force."""
        ...

    @property
    def revision(self) -> int:
        """Position of the newest event of this person; 0 when there is none."""
        ...

    @property
    def position(self) -> int:
        """Position of the ledger at the reading."""
        ...

    @property
    def read_at_us(self) -> int:
        """Time of the reading."""
        ...

    def find_consent(self, key: Hashable, now_us: int) -> ConsentState | None:
        """What `consent` gives for the query with this key and time, if that is known already."""
        ...

    def consent(self, query: ConsentQuery) -> ConsentState:
        """The consents that stand for `query`."""
        ...

    def right(self, track: Track, query: ConsentQuery) -> RightState:
        """Whether the right is in force for `query`."""
        ...
