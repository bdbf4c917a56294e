"""A ledger file from outside: verified, copied and put in another's place, beside its owner or not.

Reading takes no ownership: SQLite gives every page of a walk a state that was committed, and rows
of the chain never change. Only `restore_file` takes the owner's place.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import apsw

from consentry.consent.anchor import (
    Anchor,
    anchor_path,
    check_anchor,
    find_anchor,
    write_anchor,
)
from consentry.consent.chain import Head, Verification
from consentry.consent.errors import LedgerError, LedgerUnavailableError
from consentry.consent.event_codec import genesis_digest
from consentry.consent.sqlite_rows import (
    check_database,
    digest_at,
    ledger_id_in,
    newest_position,
    rows_after,
)
from consentry.consent.sqlite_schema import FileLock, check_kind, ledger_errors
from consentry.telemetry.durable import sync_folder

_PAGE_COUNT: Final = 5_000
_COPY_PAGES: Final = 1_000
_COMPANIONS: Final = ("-wal", "-shm")

Told = Callable[[int, int], None]
"""Progress: so many done, of so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A ledger that holds: who it is, where it ends, and how much of it was erased."""

    ledger_id: str
    head: Head
    erased_count: int


@contextmanager
def reading(path: Path) -> Iterator[apsw.Connection]:
    """A connection that can change nothing.

    Raises:
        LedgerError: there is no such file, or it is none of ours.
    """
    if not path.is_file():
        raise LedgerUnavailableError(f"there is no ledger at {path}")
    with ledger_errors():
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(2_000)
            check_kind(connection)
            yield connection
        finally:
            connection.close()


def verify_file(path: Path, anchor: Anchor | None, told: Told) -> Checked:
    """Walks the whole chain, checks SQLite's own structures, and holds both against the anchor.

    Raises:
        LedgerCorruptError: with the first position that does not hold, where it is one.
        LedgerError: the file cannot be read.
    """
    with _checking_database(path), reading(path) as connection:
        ledger_id = ledger_id_in(connection)
        walk = Verification(ledger_id)
        total = newest_position(connection)
        position = -1
        while walk.head.position != position:
            position = walk.head.position
            walk.feed(rows_after(connection, position, _PAGE_COUNT))
            told(walk.head.position, max(total, walk.head.position))
        head = walk.finish()
        if anchor is not None:
            check_anchor(anchor, ledger_id, _digest_reader(connection), head.position)
        return Checked(ledger_id=ledger_id, head=head, erased_count=walk.erased_count)


def _digest_reader(connection: apsw.Connection) -> Callable[[int], bytes | None]:
    def read(position: int) -> bytes | None:
        if position == 0:
            return genesis_digest(ledger_id_in(connection))
        return digest_at(connection, position)

    return read


@contextmanager
def _checking_database(path: Path) -> Iterator[None]:
    """SQLite checks pages and indexes on another thread meanwhile; a fault is told at the end.

    PERF: it lets go of the interpreter's lock, so that the two take no longer than the slower one.
    """
    found: list[LedgerError] = []

    def check() -> None:
        try:
            with reading(path) as connection:
                check_database(connection)
        except LedgerError as problem:
            found.append(problem)

    thread = threading.Thread(target=check, name="consentry-check")
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if found:
        raise found[0]


def head_of_file(path: Path) -> Anchor:
    """Identity and head as the file tells them, unverified."""
    with reading(path) as connection:
        ledger_id, newest = ledger_id_in(connection), newest_position(connection)
        digest = _digest_reader(connection)(newest)
        return Anchor(ledger_id, newest, digest or b"")


def backup_file(path: Path, target: Path, told: Told) -> Checked:
    """Copies a ledger as it stands at one moment, while its owner goes on; verifies the copy.

    The copy has an anchor of its own. A target that is there is not touched.

    Raises:
        FileExistsError: there is something in the target's place.
        OSError: the target cannot be written.
        LedgerError: the ledger cannot be read, or the copy does not hold.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    partial = target.with_name(target.name + ".partial")
    try:
        _copy_pages(path, partial, told)
        checked = verify_file(partial, None, told)
        _sync_file(partial)
        partial.rename(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        for suffix in _COMPANIONS:
            partial.with_name(partial.name + suffix).unlink(missing_ok=True)
    write_anchor(anchor_path(target), _anchor_of(checked))
    return checked


def _copy_pages(path: Path, target: Path, told: Told) -> None:
    """Copies a ledger to a new file, which is one file without a log, for its owner only."""
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with reading(path) as source, ledger_errors():
        copy = apsw.Connection(str(target))
        try:
            # A transaction of our own holds one state for the whole copy, whatever is written.
            source.execute("BEGIN")
            newest_position(source)
            with copy.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(_COPY_PAGES)
                    told(backup.page_count - backup.remaining, backup.page_count)
            source.execute("COMMIT")
            # So that it can be read from a place that cannot be written; its next owner turns the
            # log on again.
            copy.pragma("journal_mode", "DELETE")
        finally:
            copy.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did: how many events of the ledger before are lost, and where it lies now."""

    checked: Checked
    lost_count: int
    kept_as: Path | None


def restore_file(
    backup: Path, path: Path, anchor_file: Path, told: Told, *, accepts_loss: bool
) -> Restored:
    """Puts a verified copy of `backup` in the ledger's place; what stood there is kept beside it.

    Raises:
        LedgerCorruptError: the backup does not hold, or is known to lack events of the ledger that
            was here (or to be another ledger's) and `accepts_loss` is not said.
        LedgerBusyError: a sidecar owns the ledger.
        OSError: a file cannot be written.
    """
    lock = FileLock(path)
    try:
        checked = verify_file(backup, None, told)
        anchor = find_anchor(anchor_file)
        lost = 0
        if anchor is not None:
            lost = max(0, anchor.position - checked.head.position)
            if not accepts_loss:
                with reading(backup) as connection:
                    check_anchor(
                        anchor, checked.ledger_id, _digest_reader(connection),
                        checked.head.position,
                    )  # fmt: skip
        new = path.with_name(path.name + ".restoring")
        _copy_pages(backup, new, told)
        _sync_file(new)
        kept_as = _put_aside(path)
        new.replace(path)
        sync_folder(path.parent)
        write_anchor(anchor_file, _anchor_of(checked))
        return Restored(checked=checked, lost_count=lost, kept_as=kept_as)
    finally:
        lock.release()


def _put_aside(path: Path) -> Path | None:
    """Moves a ledger with its log to another name; a log left behind would be taken for the new
    file's.
    """
    if not path.exists():
        return None
    kept_as = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
    for suffix in _COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(kept_as.with_name(kept_as.name + suffix))
    path.rename(kept_as)
    return kept_as


def _anchor_of(checked: Checked) -> Anchor:
    return Anchor(checked.ledger_id, checked.head.position, checked.head.digest)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_expected(checked: Checked, path: Path, position: int, digest: bytes) -> None:
    """Holds a verified file against a head that was kept elsewhere.

    Raises:
        LedgerCorruptError: it is not, or no longer, the chain that had this head.
    """
    with reading(path) as connection:
        expected = Anchor(checked.ledger_id, position, digest)
        check_anchor(expected, checked.ledger_id, _digest_reader(connection), checked.head.position)
