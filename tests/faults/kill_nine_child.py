"""The victim: records events and acknowledges each on its output until it is killed.

A small parent that has everything imported forks one victim a round, so that a round costs
milliseconds: `python kill_nine_child.py LEDGER MODE`. For each line on its input it forks a victim,
prints `pid N`, waits for it to end and prints `dead`. A victim prints `ack KEY POSITION`.

MODE `honest` acknowledges what `record` returned. MODE `liar` acknowledges its fifth event before
the commit and then stands still: the fault that the test must be able to see.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from consentry.consent.sqlite import SqliteLedger
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope

LIE_AT = 5


class WallClock:
    def now_us(self) -> int:
        return time.time_ns() // 1_000

    def monotonic_s(self) -> float:
        return time.monotonic()


class RandomIds:
    def new_id(self) -> str:
        return os.urandom(8).hex()


def say(line: str) -> None:
    """One write, so that a kill leaves a whole line or none."""
    os.write(1, (line + "\n").encode())


def victim(path: Path, round_number: int, mode: str) -> None:
    count = 0

    def failpoint(point: str) -> None:
        if mode == "liar" and point == "before_commit" and count == LIE_AT:
            say(f"ack {key(round_number, count)} {ledger.position() + 1}")
            signal.pause()

    ledger = SqliteLedger(path, clock=WallClock(), ids=RandomIds(), failpoint=failpoint)
    while True:
        count += 1
        event = ConsentEvent(
            kind=EventKind.GIVEN if count % 2 else EventKind.WITHDRAWN,
            data_subject_id=f"person-{count % 7}",
            scope=Scope(purpose="marketing"),
            happened_at_us=0,
            proof=Proof(method="form"),
            idempotency_key=key(round_number, count),
        )
        (recorded,) = ledger.record([event])
        say(f"ack {event.idempotency_key} {recorded.position}")


def key(round_number: int, count: int) -> str:
    return f"{round_number}-{count}"


def main() -> None:
    path, mode = Path(sys.argv[1]), sys.argv[2]
    for round_number, _ in enumerate(sys.stdin):
        pid = os.fork()
        if pid == 0:
            try:
                victim(path, round_number, mode)
            finally:
                os._exit(1)
        say(f"pid {pid}")
        os.waitpid(pid, 0)
        say("dead")


if __name__ == "__main__":
    main()
