"""The port to a ledger that others write, too: what a follower asks of it.

Two implement it: PostgreSQL itself (`consent.postgres`), and a node of ours that owns a ledger
(`server.upstream`). None of the calls waits for ever: each has a limit of its own, after which it
raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from consentry.consent.erasure import Erased
from consentry.consent.feed import Frame, Place
from consentry.consent.ledger import Recorded
from consentry.consent.recent import Page
from consentry.model.consent import ConsentEvent


@dataclass(frozen=True, slots=True)
class Reading:
    """All events of one person, oldest first, and the ledger's position at that very reading."""

    events: tuple[ConsentEvent, ...]
    position: int


class Session(Protocol):
    """One following of the source from a place on."""

    def frames(self) -> Iterator[Frame]:
        """Frames as they come: the first at once, then at each change and each heartbeat.

        Raises:
            LedgerUnavailableError: the session is over.
            LedgerDivergedError: the source does not hold what the place says it held.
        """
        ...

    def close(self) -> None:
        """Ends it now, from any thread, whatever it is waiting for; may be called twice."""
        ...


class Source(Protocol):
    """A ledger that others write, too; may be used from any thread."""

    def follow(self, place: Place | None) -> Session:
        """A session from `place` on; None: from wherever the source is. Does not wait."""
        ...

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """Stores all events durably, or none; as `Ledger.record`."""
        ...

    def read_person(self, data_subject_id: str, at_least: int) -> Reading:
        """All events of a person, as of a position no less than `at_least`.

        Raises:
            LedgerUnavailableError: it could not be read, or the source is not there yet.
        """
        ...

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> tuple[ConsentEvent, ...]:
        """As `Ledger.list_events`."""
        ...

    def data_subjects(self, after: str, limit: int) -> tuple[str, ...]:
        """Those of whom it holds an event, by id from beyond `after` on, at most `limit`.

        Raises:
            LedgerUnavailableError: it could not be read, or does not tell.
        """
        ...

    def read_after(self, position: int, limit: int) -> Page:
        """Everybody's entries after a position, oldest first.

        Raises:
            LedgerUnavailableError: it could not be read.
        """
        ...

    def digest_at(self, position: int) -> bytes | None:
        """The chain's digest at a position; None where the source holds no such event.

        Raises:
            LedgerUnavailableError: it could not be read.
        """
        ...

    def erase(self, data_subject_id: str, *, with_rights: bool = False) -> Erased:
        """Forgets a person, durably; see `consent.erasure`.

        Raises:
            RightsStandError: an objection or the like stands, and `with_rights` is not said.
            LedgerError: it could not be written.
        """
        ...

    def close(self) -> None:
        """Gives everything back; sessions end."""
        ...
