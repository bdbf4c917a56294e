"""What callers see while something else goes on: reloads, consent changes, scrapes, the log."""

from __future__ import annotations

import signal
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import grpc

from consentry.v1 import consent_pb2, consent_pb2_grpc
from tests.bench import h2
from tests.bench.equal_work import Question, consentry_text
from tests.bench.measure import Series, paired_rounds, pin
from tests.bench.peer_series import CHECK, Say, ours_running
from tests.support.sidecar import RunningSidecar

RATE = 1_000
CHANGES_A_SECOND = 100
RELOAD_EVERY_S = 0.5
NO_AUDIT = "[audit]\nis_enabled = false\n"


@contextmanager
def repeating(action: Callable[[int], None], every_s: float) -> Iterator[None]:
    """Runs `action` with a growing number every so often, in a thread, until the end.

    What it raises is raised at the end: a disturbance that did not happen is no measurement.
    """
    is_over, failed = threading.Event(), list[BaseException]()

    def run() -> None:
        number = 0
        try:
            while not is_over.wait(every_s):
                number += 1
                action(number)
        except BaseException as problem:  # noqa: BLE001  # told below, in the thread that waits
            failed.append(problem)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    if failed:
        raise failed[0]


class Disturbances:
    """What may go on beside the checks of one sidecar."""

    def __init__(self, sidecar: RunningSidecar, policies: Path, rule_count: int) -> None:
        self._sidecar, self._file = sidecar, policies / "bench.policy"
        self._text = consentry_text(rule_count)
        self._channel = grpc.insecure_channel(sidecar.target)
        self._keys = count()
        self._consents = consent_pb2_grpc.ConsentServiceStub(self._channel)

    def scrape(self, _number: int) -> None:
        """One scrape, as Prometheus does it."""
        with urllib.request.urlopen(f"http://{self._sidecar.http}/metrics", timeout=5) as answer:
            answer.read()

    def change_consent(self, number: int) -> None:
        """Somebody else agrees to something."""
        event = consent_pb2.ConsentEvent(
            kind=consent_pb2.EVENT_KIND_GIVEN,
            subject=f"other-{number % 1000}",
            scope=consent_pb2.ConsentScope(purpose="p1"),
            proof=consent_pb2.Proof(method="form"),
            idempotency_key=f"change-{next(self._keys)}",
        )
        self._consents.RecordConsent(consent_pb2.RecordConsentRequest(events=[event]), timeout=10)

    def reload(self, number: int) -> None:
        """Another policy set is rolled out."""
        self._file.write_text(f"{self._text}# {number}\n")
        self._sidecar.process.send_signal(signal.SIGHUP)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()


def measure_disturbed(*, rounds: int, seconds: int, say: Say) -> Series:
    """The 99th percentile, in microseconds, at a steady rate: quiet, and beside disturbances."""
    question = Question(100)
    with tempfile.TemporaryDirectory() as folder:
        policies = Path(folder)
        with ours_running(question, policies) as (contender, sidecar):
            beside = Disturbances(sidecar, policies, question.rule_count)
            pin(0, 1)

            def p99() -> float:
                return h2.load(
                    contender.door,
                    contender.body,
                    calls=RATE * seconds,
                    connections=4,
                    streams=16,
                    calls_per_s=RATE,
                ).p99_us

            def disturbed(action: Callable[[int], None], every_s: float) -> Callable[[], float]:
                def side() -> float:
                    with repeating(action, every_s):
                        return p99()

                return side

            sides = {
                "quiet": p99,
                "scrapes": disturbed(beside.scrape, 1.0),
                "consent changes": disturbed(beside.change_consent, 1 / CHANGES_A_SECOND),
                "reloads": disturbed(beside.reload, RELOAD_EVERY_S),
                "quiet again": p99,
            }
            series = paired_rounds(sides, rounds=rounds, progress=say)
            beside.close()
    return series


def measure_telemetry(*, rounds: int, calls: int, say: Say) -> Series:
    """Server CPU per call with the decision log and a scrape a second, and without."""
    question = Question(100)
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        logged, sidecar = stack.enter_context(ours_running(question, folders[0]))
        silent, _ = stack.enter_context(ours_running(question, folders[1], NO_AUDIT))
        beside = Disturbances(sidecar, folders[0], question.rule_count)
        pin(0, 1)

        def all_on() -> float:
            with repeating(beside.scrape, 1.0):
                return logged.us_per_call(calls, 16)

        sides = {
            "off": lambda: silent.us_per_call(calls, 16),
            "all on": all_on,
            "off again": lambda: silent.us_per_call(calls, 16),
        }
        series = paired_rounds(sides, rounds=rounds, progress=say)
        beside.close()
    return series


def measure_doors(*, rounds: int, calls: int, say: Say) -> Series:
    """Server CPU per call over TCP and over a Unix socket, one at a time."""
    question = Question(100)
    with (
        tempfile.TemporaryDirectory() as folder,
        ours_running(question, Path(folder)) as (contender, sidecar),
    ):
        pin(0, 1)
        door = h2.Door(address=sidecar.socket, path=CHECK, pid=sidecar.pid)
        by_socket = replace(contender, door=door)
        sides = {
            "TCP": lambda: contender.us_per_call(calls, 1),
            "Unix socket": lambda: by_socket.us_per_call(calls, 1),
        }
        return paired_rounds(sides, rounds=rounds, progress=say)
