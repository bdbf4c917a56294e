"""What the doors need of the rooms behind them."""

# ruff: noqa: D102  # each port's docstring speaks for its members

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from consentry.consent.entries import Entry
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.model.consent import ConsentEvent, ConsentView
from consentry.model.program import Program


class Decider(Protocol):
    """Answers checks, bytes to bytes; the decision point."""

    def check_bytes(
        self, raw: bytes, *, correlation_id: str = "", at_least: int = 0, caller: str = ""
    ) -> bytes: ...

    def check_batch(
        self, items: Sequence[tuple[bytes, str]], *, at_least: int = 0, caller: str = ""
    ) -> list[bytes | Exception]: ...


class RecordedEvent(Protocol):
    """What became of one event."""

    @property
    def event_id(self) -> str: ...
    @property
    def position(self) -> int: ...
    @property
    def received_at_us(self) -> int: ...
    @property
    def is_replay(self) -> bool: ...


class LedgerLease(Protocol):
    """How long what a ledger shows may be used."""

    @property
    def bound_us(self) -> int: ...

    def age_us(self) -> int: ...


class ConsentLedger(Protocol):
    """Records events and tells what they come to."""

    def record(self, events: Sequence[ConsentEvent]) -> Sequence[RecordedEvent]: ...

    def view(self, data_subject_id: str) -> ConsentView: ...

    def position(self) -> int: ...

    @property
    def lease(self) -> LedgerLease | None: ...

    def on_change(self, listener: Callable[[Collection[str] | None, int], None]) -> None: ...

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> Sequence[ConsentEvent]: ...


class FeedPlace(Protocol):
    """A position, and the chain's digest there; empty where it is not known."""

    @property
    def position(self) -> int: ...
    @property
    def digest(self) -> bytes: ...


class FeedPage(Protocol):
    """Entries in order, the place after them, and whether there are no more."""

    @property
    def entries(self) -> Sequence[Entry]: ...
    @property
    def place(self) -> FeedPlace: ...
    @property
    def is_last(self) -> bool: ...


class LedgerFeed(Protocol):
    """What followers of a ledger are told."""

    @property
    def lease(self) -> LedgerLease | None: ...

    def place(self) -> FeedPlace | None: ...

    def read_after(self, position: int, limit: int) -> FeedPage: ...

    def digest_at(self, position: int) -> bytes | None: ...

    def wait_beyond(self, position: int, timeout_s: float) -> bool: ...


class ErasedPerson(Protocol):
    """What an erasure did."""

    @property
    def count(self) -> int: ...


class Eraser(Protocol):
    """Forgets a person; a ledger."""

    def erase(self, data_subject_id: str, *, with_rights: bool = False) -> ErasedPerson: ...


class LedgerFault(Protocol):
    """What is wrong with the ledger, and where."""

    @property
    def position(self) -> int | None: ...
    @property
    def code(self) -> str: ...


class Verified(Protocol):
    """How far the ledger's chain has been verified."""

    @property
    def position(self) -> int: ...
    @property
    def digest(self) -> bytes: ...
    @property
    def erased_count(self) -> int: ...
    @property
    def is_done(self) -> bool: ...
    @property
    def fault(self) -> LedgerFault | None: ...
    @property
    def started_at_us(self) -> int: ...
    @property
    def ended_at_us(self) -> int: ...


class LedgerVerifier(Protocol):
    """Verifies the ledger behind everything else."""

    @property
    def progress(self) -> Verified: ...

    def again(self) -> None: ...


class ActivePolicies(Protocol):
    """The active policy set, as `pdp.snapshot` publishes it."""

    @property
    def program(self) -> Program: ...
    @property
    def digest(self) -> str: ...
    @property
    def loaded_at_us(self) -> int: ...
    @property
    def sources(self) -> Sequence[Source]: ...


class Loaded(Protocol):
    """What a reload did; `digest` is that of the set active now."""

    @property
    def is_reloaded(self) -> bool: ...
    @property
    def digest(self) -> str: ...
    @property
    def diagnostics(self) -> Sequence[Diagnostic]: ...
    @property
    def sources(self) -> Sequence[Source]: ...


class Validated(Protocol):
    """What compiling gave; `program` is None where there was an error."""

    @property
    def program(self) -> Program | None: ...
    @property
    def diagnostics(self) -> Sequence[Diagnostic]: ...


class Policies(Protocol):
    """Where the active policy set stands, and how it changes."""

    @property
    def current(self) -> ActivePolicies | None: ...

    def is_fresh(self) -> bool: ...

    def on_change(self, listener: Callable[[Any], None]) -> None: ...

    def reload(self) -> Loaded: ...

    def validate(self, sources: Sequence[Source]) -> Validated: ...
