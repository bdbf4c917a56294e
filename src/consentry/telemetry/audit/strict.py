"""The decision log in strict mode: no answer leaves before its record is durable.

What a call appends is handed over as one piece when the call commits, and the call waits until the
piece is on the disk. All pieces that wait share one write and one wait for the disk. A piece is
stored whole or not at all; where it is not, the call has no answer. So

    answered <= stored <= answered + withheld

where the right side is reached only by a disk that hangs and comes back after a caller's patience.

Locks: none; the queue is the only thing that threads share.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from consentry.telemetry.audit.account import Account, Keys, tell_failure
from consentry.telemetry.audit.keys import AuditKeyError
from consentry.telemetry.audit.record import AuditFields, Record, RecordWriter

log = logging.getLogger(__name__)

_LOOK_S: Final = 1.0


class AuditUnavailableError(Exception):
    """The record of an answer could not be made durable, so the answer must not be given."""


class DurableSink(Protocol):
    """A sink that can say what is durable. One thread at a time."""

    def use_key(self, name: str) -> None:
        """As of any sink."""
        ...

    def write_durably(self, lines: Sequence[bytes]) -> None:
        """Store all lines durably; with an OSError none of them."""
        ...

    def tend(self, now_us: int) -> None:
        """As of any sink."""
        ...

    def close(self) -> None:
        """As of any sink."""
        ...


class Piece:
    """What one call has to have stored. `turn` is released when its fate is known.

    Calls that shared a wait are woken one after the other: each wakes the one `behind` it first of
    all. PERF: only one thread at a time runs Python; woken together, most would wake for nothing.
    """

    __slots__ = ("behind", "is_abandoned", "is_stored", "records", "turn")

    def __init__(self, records: list[Record]) -> None:
        self.records: Final = records
        self.behind: Piece | None = None
        self.is_stored = False
        self.is_abandoned = False
        self.turn: Final = threading.Lock()
        self.turn.acquire()

    def wait(self, patience_s: float) -> bool:
        """Whether its fate became known in time; for the call."""
        is_known = self.turn.acquire(timeout=patience_s)
        if not is_known:
            # INVARIANT: the mark comes before the look; see `tell`.
            self.is_abandoned = True
            if not self.turn.acquire(blocking=False):
                return False
        if self.behind is not None:
            self.behind.tell()
        return is_known

    def tell(self) -> None:
        """Wakes the call, which wakes the next; in the place of one that has gone, the next."""
        piece: Piece | None = self
        while piece is not None:
            piece.turn.release()
            # INVARIANT: one that goes marks, then looks whether it was told; here it is told, then
            # looked for the mark. Whichever of the two takes the turn passes the word on.
            if not piece.is_abandoned or not piece.turn.acquire(blocking=False):
                return
            piece = piece.behind


class StrictAuditLog(Account):
    """`append` and `commit` from any thread, by each for its own call; all else from one."""

    is_strict: Final = True

    def __init__(
        self,
        sink: DurableSink,
        *,
        keys: Keys,
        now_us: Callable[[], int],
        writer: RecordWriter | None = None,
        patience_s: float = 1.0,
        observe: Callable[[float], object] = lambda _seconds: None,
    ) -> None:
        """`observe` is told how long each call waited for the disk."""
        super().__init__(sink, keys=keys, now_us=now_us, writer=writer)
        self._sink = sink
        self._patience_s = patience_s
        self._observe = observe
        self._local = threading.local()
        self._queue: SimpleQueue[Piece | None] = SimpleQueue()
        self._next_seq = 1
        self._key_name = ""
        self._is_refused = False
        self._busy_since_s: float | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)

    def append(  # noqa: PLR0917 - as in buffered mode
        self,
        fields: AuditFields,
        now_us: int,
        decision_id: str,
        position: int,
        correlation_id: str,
        is_hit: bool,  # noqa: FBT001 - as above
        caller: str = "",
        trace_id: str = "",
    ) -> None:
        """Take note of one answer of the call that this thread serves."""
        record = (
            0,
            now_us,
            decision_id,
            position,
            correlation_id,
            is_hit,
            caller,
            trace_id,
            fields,
        )
        try:
            self._local.records.append(record)
        except AttributeError:
            self._local.records = [record]

    def commit(self) -> None:
        """Back when all that this thread appended is durable.

        Raises:
            AuditUnavailableError: it is not, and the call must have no answer.
        """
        records: list[Record] | None = getattr(self._local, "records", None)
        if not records:
            return
        self._local.records = []
        begin_s = time.monotonic()
        if self._is_closed or self.is_hanging:
            self._withhold()
        piece = Piece(records)
        self._queue.put(piece)
        if not piece.wait(self._patience_s):
            self._withhold()
        self._observe(time.monotonic() - begin_s)
        if not piece.is_stored:
            self._withhold()

    def _withhold(self) -> None:
        self.withheld.add(1)
        raise AuditUnavailableError

    @property
    def is_hanging(self) -> bool:
        """Whether the disk has not answered for longer than a call waits."""
        since_s = self._busy_since_s
        return since_s is not None and time.monotonic() - since_s > self._patience_s

    @property
    def is_failing(self) -> bool:
        """Whether records cannot be stored now."""
        return self._is_refused or self.is_hanging

    def waiting_count(self) -> int:
        """Calls that wait for the disk."""
        return self._queue.qsize()

    def start(self) -> None:
        """Write in a thread of its own, until `close`."""
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                first = self._queue.get(timeout=_LOOK_S)
            except Empty:
                self._look()
                continue
            taken = self._take(first)
            pieces = [piece for piece in taken if piece is not None]
            try:
                self._store(pieces)
            except Exception:  # a bug here must not end the writing; none of these has an answer
                log.exception("audit_writer_failed")
                self._is_refused = True
            finally:
                self._busy_since_s = None
                self._tell(pieces)
            self._tend()
            if None in taken:
                return

    @staticmethod
    def _tell(pieces: Sequence[Piece]) -> None:
        for piece, behind in pairwise(pieces):
            piece.behind = behind
        if pieces:
            pieces[0].tell()

    def _take(self, first: Piece | None) -> list[Piece | None]:
        pieces = [first]
        try:
            while True:
                pieces.append(self._queue.get_nowait())
        except Empty:
            return pieces

    def _store(self, pieces: Sequence[Piece]) -> None:
        wanted = [piece for piece in pieces if not piece.is_abandoned]
        if wanted and self._write([record for piece in wanted for record in piece.records]):
            for piece in wanted:
                piece.is_stored = True

    def _write(self, records: Sequence[Record]) -> bool:
        """Store these lines; where there are no records, one that says that it goes on."""
        self._busy_since_s = time.monotonic()
        try:
            key = self._keys.current(self._now_us())
            if key.name != self._key_name:
                self._sink.use_key(key.name)
                self._key_name = key.name
            numbered = [(self._next_seq + n, *record[1:]) for n, record in enumerate(records)]
            lines = [self._writer.line(record, key) for record in numbered]
            self._sink.write_durably(lines or [b'{"event":"resumed"}\n'])
        except (OSError, AuditKeyError) as problem:
            if not self._is_refused:
                self._is_refused = True
                tell_failure(problem)
            return False
        self._next_seq += len(records)
        self.written.add(len(records))
        if self._is_refused:
            self._is_refused = False
            log.info("audit_sink_recovered")
        return True

    def _look(self) -> None:
        # Without calls nobody would find that the disk is well again: readiness keeps them away.
        try:
            if self._is_refused:
                self._write(())
        except Exception:
            log.exception("audit_writer_failed")
        finally:
            self._busy_since_s = None
        self._tend()

    def _tend(self) -> None:
        # Not while calls wait: what is to be removed is looked for in all files.
        try:
            self._tender.tend_if_due()
        except Exception:
            log.exception("audit_writer_failed")

    def close(self, timeout_s: float = 5.0) -> None:
        """Take no more, and let go of the sink; one that hangs is left alone."""
        self._is_closed = True
        if self._thread.ident is not None:
            self._queue.put(None)
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                log.error("audit_sink_hangs")
                return
        try:
            self._sink.close()
        except OSError:
            log.exception("audit_sink_failed")
