"""What may go on beside the checks of one sidecar, and how to keep it going."""

from __future__ import annotations

import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import grpc

from consentry.v1 import consent_pb2, consent_pb2_grpc
from tests.support.sidecar import RunningSidecar


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


class Beside:
    """Scrapes, consent changes and reloads of one sidecar."""

    def __init__(self, sidecar: RunningSidecar, policies: Path, channel: grpc.Channel) -> None:
        self._sidecar, self._keys = sidecar, count()
        # A file that every set has; one line more in it is another set.
        self._file = policies / "words.policy"
        self._text = self._file.read_text()
        self._consents = consent_pb2_grpc.ConsentServiceStub(channel)

    @classmethod
    @contextmanager
    def of(cls, sidecar: RunningSidecar, policies: Path) -> Iterator[Beside]:
        """With a channel for as long as it is used."""
        with grpc.insecure_channel(sidecar.target) as channel:
            yield cls(sidecar, policies, channel)

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
        """Another policy set is rolled out: one file of it has changed."""
        self._file.write_text(f"{self._text}# {number}\n")
        self._sidecar.process.send_signal(signal.SIGHUP)
