"""What can go wrong with the ledger. Plain classes, one base; no text of them goes to a caller."""

from __future__ import annotations


class LedgerError(Exception):
    """Anything of the ledger."""


class LedgerUnavailableError(LedgerError):
    """The ledger cannot be used now: disk full, I/O error, closed. Nothing was acknowledged.

    An event whose recording ended with this error may be in the ledger or not; recording it again
    with the same idempotency key settles it.
    """


class ReadTooLateError(LedgerUnavailableError):
    """A person was not read in the time that a check waits; the reading goes on."""


class LedgerBusyError(LedgerUnavailableError):
    """Another process owns the ledger's file."""


class LedgerFullError(LedgerUnavailableError):
    """There is no space left for what was to be written."""


class LedgerReadOnlyError(LedgerUnavailableError):
    """The store can be read and not written."""


class LedgerCorruptError(LedgerError):
    """What is stored is not what was written: no database, a broken page, or a broken hash chain.

    `position` is the first that does not hold, None where it is not one of the chain; `code` says
    what is wrong with it: `position_missing`, `chain_broken`, `personal_changed`,
    `personal_missing`, `row_changed`, `erasure_changed`, `unreadable`, `rolled_back` or `damaged`.
    """

    def __init__(self, message: str, position: int | None = None, code: str = "damaged") -> None:
        super().__init__(message)
        self.position = position
        self.code = code


class LedgerSchemaError(LedgerError):
    """The file belongs to something else, or to a newer version of this program."""


class LedgerDivergedError(LedgerError):
    """A shared ledger no longer holds events that were taken from it, or holds others there.

    Of the events that are gone some may have been withdrawals, so nothing that it says is used.
    """


class EventRefusedError(LedgerError):
    """The caller's fault: an event is malformed. `index` is its place in the batch; nothing of the
    batch was stored. `field` is its path within the event, empty for the event as a whole.
    """

    def __init__(self, index: int, field: str, code: str, message: str) -> None:
        super().__init__(index, field, code, message)
        self.index = index
        self.field = field
        self.code = code
        self.message = message


class IdempotencyConflictError(LedgerError):
    """A key was used before with other content. `index` is the event's place in the batch."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class RightsStandError(LedgerError):
    """Forgetting the person would forget objections too; `kinds` are those that stand."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        super().__init__(kinds)
        self.kinds = kinds
