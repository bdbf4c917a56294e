"""The decision log, written behind the answers.

The path of a check only appends a tuple to a bounded buffer; another thread turns groups of them
into lines and hands them to a sink. A sink that is slow, hangs or fails never holds a check up:
when the buffer is full the record is dropped, and every drop is counted and told by a *gap* record.
So at any time

    answered = stored + sampled out + dropped + waiting

and after `close` nothing waits. What sampling leaves out is told in the log as well.

Locks: `_gap_lock` guards what was dropped since the last gap record; it is taken on a drop and by
the writer, never on a normal append.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from consentry.telemetry.audit.account import Account, Keys, tell_failure
from consentry.telemetry.audit.keys import AuditKey, AuditKeyError
from consentry.telemetry.audit.record import GAP, SAMPLED_OUT, AuditFields, Record, RecordWriter

log = logging.getLogger(__name__)

GROUP_SIZE: Final = 512
"""Records in one write."""


class RejectedError(Exception):
    """Of the next `among` lines `count` are lost for good, the rest are stored; not said which."""

    def __init__(self, count: int, among: int) -> None:
        super().__init__(count, among)
        self.count: Final = count
        self.among: Final = among


class Sink(Protocol):
    """Where lines go. One thread at a time."""

    def use_key(self, name: str) -> None:
        """What is written from now on was written with this key.

        Raises:
            OSError: not possible now; it is said again before anything else.
        """
        ...

    def write(self, lines: Sequence[bytes], stored: Callable[[int], None]) -> None:
        """Store all lines, in order, and say `stored(n)` after each `n` of them.

        Raises:
            OSError: those that were not said to be stored are not, and will be offered again.
            RejectedError: some are lost; those behind them are offered at once.
        """
        ...

    def tend(self, now_us: int) -> None:
        """Keep house; called about once a minute.

        Raises:
            OSError: another time, then.
        """
        ...

    def close(self) -> None:
        """Make what was written durable and let go of it."""
        ...


class Group:
    """Lines on their way to a sink; `numbers` are those of their records, 0 for what is none."""

    __slots__ = ("done_count", "lines", "numbers")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.numbers: list[int] = []
        self.done_count = 0

    def add(self, line: bytes, number: int = 0) -> None:
        """One more line."""
        self.lines.append(line)
        self.numbers.append(number)

    def left(self) -> list[int]:
        """Numbers of the records not done with yet."""
        return [number for number in self.numbers[self.done_count :] if number]

    def take(self, count: int) -> list[int]:
        """Be done with `count` more lines; numbers of the records among them."""
        begin = self.done_count
        self.done_count += count
        return [number for number in self.numbers[begin : self.done_count] if number]


class AuditLog(Account):
    """A decision log in buffered mode. `append` from any thread; all else from one at a time."""

    is_strict: Final = False

    def __init__(
        self,
        sink: Sink,
        *,
        keys: Keys,
        now_us: Callable[[], int],
        writer: RecordWriter | None = None,
        capacity: int = 65_536,
    ) -> None:
        super().__init__(sink, keys=keys, now_us=now_us, writer=writer)
        self._sink = sink
        self._capacity = capacity
        self._buffer: deque[Record] = deque()
        self._next_seq = itertools.count(1).__next__
        self._gap_lock = threading.Lock()
        self._gap: tuple[int, int, int] | None = None
        # A group that was begun: what a sink did not take is offered again.
        self._group = Group()
        self._key: AuditKey | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_given_up = False
        self.is_failing = False
        """Whether the sink refused what it was offered last."""

    def append(  # noqa: PLR0917 - a hot call: positional is what is cheap
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
        """Take note of one answer; never waits, never raises."""
        seq = self._next_seq()
        if len(self._buffer) < self._capacity:
            self._buffer.append(
                (
                    seq,
                    now_us,
                    decision_id,
                    position,
                    correlation_id,
                    is_hit,
                    caller,
                    trace_id,
                    fields,
                )
            )
        else:
            self._drop([seq])

    def commit(self) -> None:
        """Nothing: in buffered mode nobody waits."""

    def waiting_count(self) -> int:
        """Records not stored yet."""
        return len(self._buffer) + len(self._group.left())

    def start(self, interval_s: float = 0.1) -> None:
        """Write every `interval_s` seconds in a thread of its own, until `close`."""
        self._thread = threading.Thread(
            target=self._run, args=(interval_s,), name="audit-writer", daemon=True
        )
        self._thread.start()

    def _run(self, interval_s: float) -> None:
        while not self._stop.wait(interval_s):
            try:
                self.drain()
                self._tender.tend_if_due()
            except Exception:  # a bug here must not end the writing
                log.exception("audit_writer_failed")

    def drain(self) -> bool:
        """Offer everything that waits to the sink; False when it refused."""
        while self._buffer or self._gap is not None or self._group.lines:
            try:
                if not self._group.lines:
                    self._group = self._build_group(self._take_key())
                self._offer(self._group)
            except (OSError, AuditKeyError) as problem:
                self._note_failure(problem)
                return False
            self._group = Group()
        if self.is_failing:
            self.is_failing = False
            log.info("audit_sink_recovered")
        return True

    def _take_key(self) -> AuditKey:
        key = self._keys.current(self._now_us())
        if key is not self._key:
            self._sink.use_key(key.name)
            self._key = key
        return key

    def _build_group(self, key: AuditKey) -> Group:
        group = Group()
        sampled_out = 0
        while len(group.lines) < GROUP_SIZE:
            try:
                record = self._buffer.popleft()
            except IndexError:
                break
            try:
                if not self._writer.keeps(record[-1]):
                    sampled_out += 1
                    continue
                group.add(self._writer.line(record, key), record[0])
            except Exception:  # a record that cannot be told is a lost one, and no more than that
                log.exception("audit_record_failed")
                self._drop([record[0]])
        if sampled_out:
            self.sampled_out.add(sampled_out)
            group.add(b'{"event":"%s","count":%d}\n' % (SAMPLED_OUT.encode(), sampled_out))
        with self._gap_lock:
            gap, self._gap = self._gap, None
        if gap is not None:
            group.add(b'{"event":"%s","dropped":%d,"from":%d,"to":%d}\n' % (GAP.encode(), *gap))
        return group

    def _offer(self, group: Group) -> None:
        def stored(count: int) -> None:
            if not self._is_given_up:  # what was given up is counted already
                self.written.add(len(group.take(count)))

        while lines := group.lines[group.done_count :]:
            try:
                self._sink.write(lines, stored)
            except RejectedError as problem:
                if self._is_given_up:
                    return
                numbers = group.take(problem.among)
                lost_count = min(problem.count, len(numbers))
                self.written.add(len(numbers) - lost_count)
                if lost_count:
                    self._drop(numbers, lost_count)
            else:
                return

    def _note_failure(self, problem: Exception) -> None:
        if not self.is_failing:
            self.is_failing = True
            tell_failure(problem)

    def _drop(self, numbers: list[int], among: int | None = None) -> None:
        """All of these, or `among` them so many."""
        lost_count = len(numbers) if among is None else among
        with self._gap_lock:
            count, first, last = self._gap if self._gap is not None else (0, numbers[0], numbers[0])
            self._gap = (count + lost_count, min(first, *numbers), max(last, *numbers))
        self.dropped.add(lost_count)

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits, count what cannot be written as dropped, and let go of the sink.

        Call it when no more answers are given; what is appended later counts as dropped. A sink
        that hangs is waited for `timeout_s` and then left alone.
        """
        self._stop.set()
        self._capacity = 0
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                self._give_up()
                return
        if not self.drain():
            self._give_up()
        try:
            self._sink.close()
        except OSError:
            log.exception("audit_sink_failed")

    def _give_up(self) -> None:
        self._is_given_up = True
        lost = self._group.left()
        lost += [record[0] for record in self._buffer]
        self._group = Group()
        self._buffer.clear()
        if lost:
            self._drop(lost)
        log.error("audit_records_lost", extra={"count": len(lost)})
