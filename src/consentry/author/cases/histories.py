"""What the ledger may hold about a person, as far as the rules of a case can tell.

Nothing; a good consent, in every mixture of the qualities, authors and notices that rules name; the
same unproven, where rules look closer than whether it is given; a withdrawn one, where a refusal is
read; an expired, superseded or wider one, where two sets differ in when a consent is good; where
several regimes ask for consent, each two good ones at once. Beside that each mixture of the rights
that are read, and of consents to other purposes. Times of events are counted back from the instant
that is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Final, NamedTuple

from consentry.author.cases.endless import EndlessError
from consentry.author.cases.reads import Reads
from consentry.author.cases.values import subsets
from consentry.author.scenario import DATA_SUBJECT_ID
from consentry.consent.resolver import SubjectView
from consentry.model.consent import (
    TRACK_EVENTS,
    Author,
    ConsentEvent,
    EventKind,
    Proof,
    Scope,
    Track,
)
from consentry.model.trees import DataNode, PurposeNode, is_within
from consentry.model.values import MICROS_PER_DAY, Duration, shift_us
from consentry.model.vocabulary import TAG_SEPARATE_CONSENT

_PROVEN: Final = Proof(method="policy test", source="policy test")
_DAY: Final = Duration(micros=MICROS_PER_DAY)
_HOUR: Final = Duration(micros=MICROS_PER_DAY // 24)
_SETTLED: Final = frozenset({"is_given", "said_no", "right_active", "right_at"})
"""Parts of conditions to which a faulty consent is none."""
MAX_KINDS: Final = 5
"""Most kinds of consent of which every mixture is tried."""
_STATED: Final = 2 * MICROS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event, `ago` before the instant looked at, and `micros` after that.

    `ends` is the end of a consent in microseconds from the instant looked at; None: open.
    """

    kind: EventKind
    purpose: str
    ago: Duration = _DAY
    micros: int = 0
    qualities: frozenset[str] = frozenset()
    by: Author = Author.DATA_SUBJECT
    data: tuple[str, ...] = ()
    notice: str = ""
    ends: int | None = None
    is_proven: bool = True

    def event(self, now_us: int) -> ConsentEvent:
        """The event as a ledger would hold it at an instant; without its numbers."""
        at_us = max(shift_us(now_us, self.ago, -1) + self.micros, 0)
        return ConsentEvent(
            kind=self.kind,
            data_subject_id=DATA_SUBJECT_ID,
            scope=Scope(purpose=self.purpose, data=self.data),
            happened_at_us=at_us,
            received_at_us=at_us,
            qualities=self.qualities,
            notice=self.notice,
            by=self.by,
            expires_at_us=None if self.ends is None else now_us + self.ends,
            proof=_PROVEN if self.is_proven else Proof(),
        )


@dataclass(frozen=True, slots=True)
class History:
    """What happened, in no order."""

    happenings: tuple[Happening, ...] = ()

    def events(self, now_us: int) -> tuple[ConsentEvent, ...]:
        """The events with the ledger's numbers, in the order of their receipt."""
        events = sorted((h.event(now_us) for h in self.happenings), key=_received)
        return tuple(
            replace(event, position=n, event_id=f"event-{n}", idempotency_key=f"event-{n}")
            for n, event in enumerate(events, start=1)
        )

    def view(self, now_us: int) -> SubjectView:
        """The reading of the ledger at an instant."""
        events = self.events(now_us)
        count = len(events)
        return SubjectView(events, revision=count, position=count, read_at_us=now_us)


NOTHING: Final = History()


def _received(event: ConsentEvent) -> int:
    return event.received_at_us


class Other(NamedTuple):
    """The consent to another purpose that a condition asks about, as it must be to be flawless."""

    purpose: str
    qualities: tuple[str, ...]
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the rules of a case can tell apart about the ledger.

    `purposes` are the nodes of the purpose, one for each policy set that declares it; `others` are
    the consents that `consented(…)` asks about. `consulting` are the regimes whose
    rules look at the consent: where there are several, two consents may be wanted at once.
    """

    reads: Reads
    purposes: tuple[PurposeNode, ...]
    others: tuple[Other, ...]
    consulting: frozenset[str]
    leaves: tuple[DataNode, ...] = ()


def histories_of(question: Question) -> list[History]:
    """Every history to try, the plain ones first.

    Raises:
        EndlessError: too much is told apart.
    """
    reads, purposes = question.reads, question.purposes
    states: list[tuple[Happening, ...]] = [()]
    if question.consulting:
        states = _consents(question)
    rights = _rights(reads, purposes[0].path)
    elsewhere = _elsewhere(question.others)
    return [History((*s, *r, *e)) for e in elsewhere for r in rights for s in states]


def telling_histories(question: Question, told: Reads) -> list[History]:
    """The histories that are enough to look for a yes where one rule reads only what is `told`.

    Of the rest the ledger holds what permits most: every consent there can be, no right that
    narrows and each that widens. Consents only widen and other rights only narrow (ADR 2), so that
    nothing else could bring a yes that this does not.

    Raises:
        EndlessError: too much is told apart.
    """
    reads, purposes = question.reads, question.purposes
    consents: list[tuple[Happening, ...]] = [tuple(_flawless(question))]
    if told.reads_consent:
        consents = _told_apart(question, told)
    others = [tuple(_given(other) for other in question.others)]
    if told.consented:
        others = _elsewhere(question.others)
    widening = (Track.OVERRIDDEN, Track.HELD)
    fixed = tuple(
        Happening(kind=TRACK_EVENTS[track][0], purpose=purposes[0].path, ago=_HOUR)
        for track in widening
        if track in reads.tracks - told.tracks
    )
    rights = _rights(told, purposes[0].path)
    return [History((*c, *fixed, *r, *o)) for o in others for r in rights for c in consents]


def every_consent(question: Question) -> History:
    """Every consent that rules tell apart, the good ones and the same unproven, all at once."""
    flawless = _flawless(question)
    return History((*flawless, *(replace(one, is_proven=False) for one in flawless)))


def _told_apart(question: Question, told: Reads) -> list[tuple[Happening, ...]]:
    """For each set of kinds of consent that one rule tells apart: all consents of these kinds.

    A rule that says no says it for every consent that stands, each by itself. So where it says no
    to some consents it does to all of the same kinds, and those permit most.
    """
    kinds: dict[object, list[Happening]] = {}
    for one in every_consent(question).happenings:
        kinds.setdefault(_kind(one, told), []).append(one)
    if len(kinds) > MAX_KINDS:
        raise EndlessError(f"{len(kinds)} kinds of consent are told apart")
    states = [
        tuple(one for kind in chosen for one in kind)
        for size in range(len(kinds) + 1)
        for chosen in combinations(kinds.values(), size)
    ]
    if "said_no" in told.consent_parts:
        first = _flawless(question)[0]
        states.append((first, replace(first, kind=EventKind.WITHDRAWN, ago=_HOUR)))
    return states


def _kind(one: Happening, told: Reads) -> object:
    """What a rule that reads what is `told` can see of a consent."""
    parts = told.consent_parts
    return (
        one.is_proven if "is_given" in parts else None,
        one.qualities & told.qualities,
        one.by if parts & {"given_by", "is_joint"} else None,
        one.notice if "notice_of" in parts else None,
        (one.ago, one.micros) if "given_at" in parts else None,
        one.ends if "expires_at" in parts else None,
        one.data if "names_data" in parts else None,
    )


def _given(other: Other) -> Happening:
    return Happening(
        kind=EventKind.GIVEN,
        purpose=other.purpose,
        qualities=frozenset(other.qualities),
        notice=other.notice,
        ago=Duration(micros=_STATED),
    )


def _flawless(question: Question) -> list[Happening]:
    """Consents that nothing is wrong with, one for each way in which rules tell them apart."""
    reads, purposes = question.reads, question.purposes
    notices = list(dict.fromkeys(node.notice or "" for node in purposes))
    if "notice_of" in reads.consent_parts:
        notices = list(
            dict.fromkeys([*notices, *(c for c in reads.constants if isinstance(c, str)), ""])
        )
    authors = [Author.DATA_SUBJECT]
    if "given_by" in reads.consent_parts:
        authors = list(Author)
    elif "is_joint" in reads.consent_parts:
        authors = [Author.DATA_SUBJECT, Author.JOINT]
    times = [(_DAY, 0)]
    if "given_at" in reads.consent_parts:
        lengths = sorted(reads.lengths, key=lambda one: (one.months, one.micros))
        times += [(length, step) for length in lengths for step in (-1, 0, 1)]
    ends: list[int | None] = [None]
    if "expires_at" in reads.consent_parts:
        exact = [length.micros for length in reads.lengths if not length.months]
        ends += [1, *(micros + step for micros in exact for step in (-1, 0, 1))]
    base = Happening(kind=EventKind.GIVEN, purpose=purposes[0].path)
    return [
        replace(
            base,
            qualities=frozenset(chosen),
            notice=str(notice),
            by=author,
            ago=ago,
            micros=micros,
            ends=end,
            data=data,
        )
        for notice, author, (ago, micros), end, data in product(
            notices, authors, times, ends, _named_data(question)
        )
        for chosen in subsets(sorted(reads.qualities), "qualities of consents")
    ]


def _named_data(question: Question) -> list[tuple[str, ...]]:
    """The data that a consent names: none, and each name of the field that a rule asks for."""
    names = {
        name
        for leaf in question.leaves
        for name in question.reads.data_names
        if name in leaf.lineage or any(is_within(key, name) for key in leaf.categories)
    }
    return [(), *((name,) for name in sorted(names))]


def _consents(question: Question) -> list[tuple[Happening, ...]]:
    """States of the consent. What is wrong with one matters only to rules that look closer."""
    reads, purposes = question.reads, question.purposes
    flawless = _flawless(question)
    first, best = flawless[0], flawless[-1]
    states: list[tuple[Happening, ...]] = [(), *((one,) for one in flawless)]
    if "said_no" in reads.consent_parts:
        states.append((first, replace(first, kind=EventKind.WITHDRAWN, ago=_HOUR)))
    if reads.qualities or reads.consent_parts - _SETTLED:
        states += [(replace(one, is_proven=False),) for one in flawless]
    if len({_terms(node) for node in purposes}) > 1:
        states += [(faulty,) for faulty in _faulty(best, purposes)]
    if len(question.consulting) > 1 or "is_joint" in reads.consent_parts:
        states += combinations(flawless, 2)
    return states


def _terms(node: PurposeNode) -> tuple[object, ...]:
    """What decides whether a consent to a purpose is a good one."""
    is_separate = TAG_SEPARATE_CONSENT in node.tags
    return (node.notice_material_since, node.consent_lasts, is_separate)


def _faulty(best: Happening, purposes: Sequence[PurposeNode]) -> Iterator[Happening]:
    if any(node.notice_material_since is not None for node in purposes):
        yield replace(best, notice="0")
    node = purposes[0]
    parent = node.path.rpartition(".")[0]
    if parent and any(TAG_SEPARATE_CONSENT in one.tags for one in purposes):
        yield replace(best, purpose=parent)
    lasting = [one.consent_lasts for one in purposes if one.consent_lasts is not None]
    for length in dict.fromkeys(lasting):
        yield replace(best, ago=length)
        yield replace(best, ago=length, micros=1)


def mixtures_of_rights(tracks: set[str], purpose: str) -> list[History]:
    """Every mixture of rights in force."""
    return [History(one) for one in _rights(Reads(tracks=tracks), purpose)]


def _rights(reads: Reads, purpose: str) -> list[tuple[Happening, ...]]:
    tracks = sorted(reads.tracks - {Track.OPTED_IN.value})
    if Track.OPTED_IN.value in reads.tracks:
        tracks = sorted({*tracks, Track.OPTED_OUT.value})
    if len(tracks) > 6:
        raise EndlessError(f"{len(tracks)} rights are told apart, whose every mixture counts")
    choices: list[list[tuple[Happening, ...]]] = []
    for name in tracks:
        on, off = TRACK_EVENTS[Track(name)]
        since = [_HOUR]
        if reads.has_times_of_rights:
            since = [_HOUR, Duration(micros=_STATED), *sorted(reads.lengths, key=_length)]
        ways: list[tuple[Happening, ...]] = [()]
        ways += [(Happening(kind=on, purpose=purpose, ago=ago),) for ago in since]
        if name == Track.OPTED_OUT and Track.OPTED_IN.value in reads.tracks:
            ways.append((Happening(kind=off, purpose=purpose, ago=_HOUR),))
        choices.append(ways)
    return [tuple(h for way in chosen for h in way) for chosen in product(*choices)]


def _length(length: Duration) -> tuple[int, int]:
    return (length.months, length.micros)


def _elsewhere(others: Sequence[Other]) -> list[tuple[Happening, ...]]:
    if len(others) > 4:
        raise EndlessError(f"{len(others)} consents to other purposes are told apart")
    choices = [[(), (_given(other),)] for other in others]
    return [tuple(h for way in chosen for h in way) for chosen in product(*choices)]
