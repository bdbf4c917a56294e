"""The decision log: one line of JSON for every answer, written behind the answers.

The path of a check only appends a tuple to a bounded buffer; another thread turns groups of them
into lines and hands them to a sink. A sink that is slow or fails never holds a check up: when the
buffer is full the record is dropped, and every drop is counted and told by a *gap* record. So at
any time

    answered = stored + dropped + waiting

and after `close` nothing waits. The person's id is written as a keyed hash, so that the log can be
searched for one person by who holds the key, and gives no ids away.

Locks: `_gap_lock` guards what was dropped since the last gap record; it is taken on a drop and by
the writer, never on a normal append.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quoted
from typing import Final, Protocol

from consentry.model.values import MICROS_PER_SECOND, datetime_of
from consentry.telemetry.cells import Amount

log = logging.getLogger(__name__)

GROUP_SIZE: Final = 512
"""Records in one write."""


class Sink(Protocol):
    """Where lines go."""

    def write(self, lines: bytes) -> None:
        """Store all of `lines` or none of them.

        Raises:
            OSError: none were stored; the same lines will be offered again.
        """
        ...

    def close(self) -> None:
        """Make what was written durable and let go of it."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class AuditFields:
    """What equal answers have in common; one object serves all answers from one cache entry.

    `encoded` is the writer's own: these fields as JSON, made at the first record.
    """

    digest: str
    effect: str
    reason: str
    rule: str
    purpose: str
    action: str
    principal_id: str
    data_subject_id: str
    encoded: str = field(default="", init=False)


_Record = tuple[int, int, str, int, str, bool, AuditFields]


class AuditLog:
    """A decision log in buffered mode. `append` from any thread; all else from one at a time."""

    def __init__(self, sink: Sink, *, hash_key: bytes, capacity: int = 65_536) -> None:
        self.written: Final = Amount()
        """Records stored."""
        self.dropped: Final = Amount()
        """Records lost."""
        self._sink = sink
        self._hash_key = hash_key
        self._capacity = capacity
        self._buffer: deque[_Record] = deque()
        self._next_seq = itertools.count(1).__next__
        self._gap_lock = threading.Lock()
        self._gap: tuple[int, int, int] | None = None
        # A group that the sink refused: its bytes, its records' numbers, and the gap told in it.
        self._refused: tuple[bytes, list[int]] | None = None
        self._second = -1
        self._second_text = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_failing = False

    def append(  # noqa: PLR0917 - a hot call: positional is what is cheap
        self,
        fields: AuditFields,
        now_us: int,
        decision_id: str,
        position: int,
        correlation_id: str,
        is_hit: bool,  # noqa: FBT001 - as above
    ) -> None:
        """Take note of one answer; never waits, never raises."""
        seq = self._next_seq()
        if len(self._buffer) < self._capacity:
            self._buffer.append(
                (seq, now_us, decision_id, position, correlation_id, is_hit, fields)
            )
        else:
            self._drop([seq])

    def waiting_count(self) -> int:
        """Records not stored yet."""
        refused = self._refused
        return len(self._buffer) + (len(refused[1]) if refused is not None else 0)

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
            except Exception:  # a bug here must not end the writing
                log.exception("audit_writer_failed")

    def drain(self) -> bool:
        """Offer everything that waits to the sink; False when it refused."""
        while self._refused is not None or self._buffer or self._gap is not None:
            if self._refused is None:
                self._refused = self._build_group()
            if not self._offer(*self._refused):
                return False
            self._refused = None
        return True

    def _build_group(self) -> tuple[bytes, list[int]]:
        lines: list[str] = []
        seqs: list[int] = []
        while len(seqs) < GROUP_SIZE:
            try:
                record = self._buffer.popleft()
            except IndexError:
                break
            try:
                lines.append(self._line(record))
            except Exception:  # a record that cannot be told is a lost one, and no more than that
                log.exception("audit_record_failed")
                self._drop([record[0]])
                continue
            seqs.append(record[0])
        with self._gap_lock:
            gap, self._gap = self._gap, None
        if gap is not None:
            count, first, last = gap
            lines.append(f'{{"event":"gap","dropped":{count},"from":{first},"to":{last}}}\n')
        return "".join(lines).encode("ascii"), seqs

    def _offer(self, lines: bytes, seqs: list[int]) -> bool:
        try:
            self._sink.write(lines)
        except OSError as problem:
            if not self._is_failing:
                self._is_failing = True
                log.error("audit_sink_failed", extra={"error_number": problem.errno})  # noqa: TRY400 - the trace says nothing more
            return False
        if self._is_failing:
            self._is_failing = False
            log.info("audit_sink_recovered")
        self.written.add(len(seqs))
        return True

    def _drop(self, seqs: list[int]) -> None:
        with self._gap_lock:
            count, first, last = self._gap if self._gap is not None else (0, seqs[0], seqs[0])
            self._gap = (count + len(seqs), min(first, *seqs), max(last, *seqs))
        self.dropped.add(len(seqs))

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
        lost = list(self._refused[1]) if self._refused is not None else []
        lost += [record[0] for record in self._buffer]
        self._refused = None
        self._buffer.clear()
        if lost:
            self._drop(lost)
        log.error("audit_records_lost", extra={"count": len(lost)})

    def _line(self, record: _Record) -> str:
        seq, now_us, decision_id, position, correlation_id, is_hit, fields = record
        return (
            f'{{"event":"decision","seq":{seq},"time":"{self._time(now_us)}",'
            f'"decision_id":{quoted(decision_id)},"position":{position},'
            f'"correlation_id":{quoted(correlation_id)},"is_hit":{"true" if is_hit else "false"},'
            f"{self._common(fields)}}}\n"
        )

    def _time(self, now_us: int) -> str:
        second, micros = divmod(now_us, MICROS_PER_SECOND)
        if second != self._second:  # PERF: making a date costs ten times the rest of a line
            self._second = second
            self._second_text = datetime_of(second * MICROS_PER_SECOND).strftime(
                "%Y-%m-%dT%H:%M:%S"
            )
        return f"{self._second_text}.{micros:06}Z"

    def _common(self, fields: AuditFields) -> str:
        if not fields.encoded:  # PERF: an answer given from the cache is encoded and hashed once
            fields.encoded = self._encode(fields)
        return fields.encoded

    def _encode(self, fields: AuditFields) -> str:
        return json.dumps(
            {
                "digest": fields.digest,
                "effect": fields.effect,
                "reason": fields.reason,
                "rule": fields.rule,
                "purpose": fields.purpose,
                "action": fields.action,
                "principal_id": fields.principal_id,
                "data_subject": hash_person(fields.data_subject_id, self._hash_key),
            },
            separators=(",", ":"),
        )[1:-1]


def hash_person(data_subject_id: str, key: bytes) -> str:
    """The name of a person in logs: a keyed hash in hex; empty for no person."""
    if not data_subject_id:
        return ""
    raw = data_subject_id.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(raw, key=key, digest_size=16).hexdigest()
