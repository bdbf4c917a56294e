"""What can go wrong with the ledger. Plain classes, one base; no text of them goes to a caller."""

from __future__ import annotations


class LedgerError(Exception):
    """Anything of the ledger."""


class LedgerUnavailableError(LedgerError):
    """The ledger cannot be used now: disk full, I/O error, closed. Nothing was acknowledged.

    An event whose recording ended with this error may be in the ledger or not; recording it again
    with the same idempotency key settles it.
    """


class LedgerBusyError(LedgerUnavailableError):
    """Another process owns the ledger's file."""


class LedgerCorruptError(LedgerError):
    """The file is not what was written: not a database, a broken page, or a broken hash chain."""


class LedgerSchemaError(LedgerError):
    """The file belongs to something else, or to a newer version of this program."""


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
