"""Opening a ledger file: settings that are read back, ownership, migrations in order."""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final

import apsw

from consentry.consent.errors import (
    LedgerBusyError,
    LedgerCorruptError,
    LedgerError,
    LedgerFullError,
    LedgerReadOnlyError,
    LedgerSchemaError,
    LedgerUnavailableError,
)
from consentry.consent.schema_steps import steps_in

APPLICATION_ID: Final = int.from_bytes(b"Csnt", "big")
_BUSY_MS: Final = 2_000
# In this order: the journal's mode is kept in the file, the rest belongs to the connection.
_SETTINGS: Final = (
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),
    ("foreign_keys", "ON", 1),
    ("trusted_schema", "OFF", 0),
    # What is erased is overwritten, not only unlinked.
    ("secure_delete", "ON", 1),
)


class FileLock:
    """Ownership of a ledger file by one process, held until `release` or the process's end.

    A lock file beside the ledger is locked, not the ledger itself, whose locks are SQLite's own. It
    is left in place: removing it would let two owners lock two files of one name.
    """

    def __init__(self, path: Path) -> None:
        name = path.with_name(path.name + ".lock")
        try:
            self._descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            if problem.errno in (errno.EROFS, errno.EACCES):
                raise LedgerReadOnlyError("the ledger's folder cannot be written") from problem
            if problem.errno == errno.ENOSPC:
                raise LedgerFullError("no space left beside the ledger") from problem
            raise LedgerUnavailableError("the lock file cannot be opened") from problem
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            os.close(self._descriptor)
            raise LedgerBusyError("another process owns this ledger") from problem

    @property
    def descriptor(self) -> int:
        """For processes that are to own the file together with this one: it is theirs too for as
        long as one that inherited this lives.
        """
        return self._descriptor

    def release(self) -> None:
        """Gives the file up; once."""
        os.close(self._descriptor)


class _LedgerErrors:
    """PERF: no generator, since every recording and every reading passes through it."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: object, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if problem is not None and (error := _ledger_error(problem)) is not None:
            raise error from problem


_LEDGER_ERRORS: Final = _LedgerErrors()


def ledger_errors() -> AbstractContextManager[None]:
    """Turns SQLite's errors into the ledger's."""
    return _LEDGER_ERRORS


def _ledger_error(problem: BaseException) -> LedgerError | None:
    if isinstance(problem, apsw.CorruptError | apsw.NotADBError):
        return LedgerCorruptError("the ledger file is damaged")
    if isinstance(problem, UnicodeDecodeError):
        return LedgerCorruptError("a text in the ledger file is damaged")
    if isinstance(problem, apsw.FullError):
        return LedgerFullError("no space left for the ledger")
    if isinstance(problem, apsw.ReadOnlyError | apsw.PermissionsError):
        return LedgerReadOnlyError("the ledger file cannot be written")
    if isinstance(problem, apsw.Error):
        return LedgerUnavailableError(f"the ledger failed: {type(problem).__name__}")
    return None


def open_writer(path: Path) -> apsw.Connection:
    """A connection that may write, its settings read back, its schema current.

    Raises:
        LedgerError: the file cannot be opened, is damaged, or is not one of ours.
    """
    with ledger_errors():
        try:
            # Made here, so that the consent of people is never readable to others. One that is
            # there is not opened: closing it again would take SQLite's own locks away, which belong
            # to the process and the file (fcntl(2)), from the readers that hold them.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            pass
        except OSError as problem:
            raise LedgerUnavailableError("the ledger file cannot be opened") from problem
        connection = apsw.Connection(str(path))
        try:
            _claim(connection)
            _apply_settings(connection)
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def check_kind(connection: apsw.Connection) -> None:
    """Refuses, without changing anything, what is not a ledger of a schema that is known.

    Raises:
        LedgerSchemaError: it is something else, or of a newer version.
    """
    if connection.pragma("application_id") != APPLICATION_ID:
        raise LedgerSchemaError("this file is not a ledger")
    version, newest = connection.pragma("user_version"), migrations()[-1][0]
    if version > newest:
        raise LedgerSchemaError(
            f"the ledger has schema {version}; this program knows schemas up to {newest}"
        )


def identity_of(path: Path) -> tuple[int, int]:
    """Which file stands at `path` now: device and inode.

    Raises:
        LedgerUnavailableError: none that can be looked at.
    """
    try:
        found = path.stat()
    except OSError as problem:
        raise LedgerUnavailableError("the ledger file is gone") from problem
    return found.st_dev, found.st_ino


def open_reader(path: Path) -> apsw.Connection:
    """A connection that only reads."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(_BUSY_MS)
    connection.pragma("query_only", True)
    return connection


def migrations() -> tuple[tuple[int, str], ...]:
    """The numbered steps of the schema, in order."""
    return steps_in("migrations")


def _claim(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(_BUSY_MS)
    application_id = connection.pragma("application_id")
    # A kill before the first step may leave a header, but never a table.
    has_tables = connection.execute("SELECT count(*) FROM sqlite_schema").get > 0
    if application_id != APPLICATION_ID and has_tables:
        raise LedgerSchemaError("this file is not a ledger")


def _apply_settings(connection: apsw.Connection) -> None:
    for name, value, expected in _SETTINGS:
        connection.pragma(name, value)
        found = connection.pragma(name)
        if found != expected:
            raise LedgerError(f"the ledger needs {name} = {value}, and the file gives {found}")


def _migrate(connection: apsw.Connection) -> None:
    steps = migrations()
    version = connection.pragma("user_version")
    newest = steps[-1][0]
    if version > newest:
        raise LedgerSchemaError(
            f"the ledger has schema {version}; this program knows schemas up to {newest}"
        )
    for number, script in steps:
        if number <= version:
            continue
        # INVARIANT: a step and its number are one transaction; a kill leaves both or neither.
        with connection:
            connection.execute(script)
            if number == 1:
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(
                    "INSERT INTO meta (name, value) VALUES ('ledger_id', ?)", (uuid.uuid4().hex,)
                )
            connection.execute(f"PRAGMA user_version = {number}")
