"""Several sidecars over one ledger, each a process, and callers whose calls become a history."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consentry.client import Client, ConsentryError, Decision, Subject, event, service
from tests.support.history import Answer, History, Recording
from tests.support.sidecar import Heard, wait_for_event

PURPOSE: Final = "mailing"
POLICY: Final = """\
mission "A shop" { controller "Shop GmbH" in "DE" }

data email "E-mail address" as user.contact.email

purpose mailing "Our letters" {
    basis consent
}

permit mail "The mailer writes to people who asked for it" {
    who  service "mailer"
    may  read
    data email
    for  mailing
}
"""
MAILER: Final = service("mailer")
_KEYS: Final = itertools.count(1)


class Member:
    """One sidecar of the fleet, and a caller of it."""

    def __init__(self, number: int, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.number = number
        self.process = process
        self.target = next(a for a in ready["grpc"].split() if not a.startswith("unix:"))
        self.http = ready["http"]
        self.health = ready["health"]
        self.client = Client(self.target, timeout_s=10.0, on_error="raise")

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self, history: History, person: str) -> Decision:
        """Asks whether the person's consent permits, and notes the answer."""
        asked_s = time.monotonic()
        decision = ask(self.client, person)
        history.add(
            Answer(
                person=person,
                sidecar=self.number,
                is_permit=decision.is_permitted,
                reason=decision.reason,
                position=decision.ledger_position,
                asked_s=asked_s,
                answered_s=time.monotonic(),
            )
        )
        return decision

    def record(self, history: History, person: str, *, is_given: bool) -> int | None:
        """Records one event; its position, None where that failed: it may have happened or not."""
        began_s = time.monotonic()
        try:
            position: int | None = say(self.client, person, is_given=is_given)
        except ConsentryError:
            position = None
        history.add(
            Recording(
                person=person,
                sidecar=self.number,
                is_given=is_given,
                began_s=began_s,
                acknowledged_s=time.monotonic() if position is not None else float("inf"),
                position=position,
            )
        )
        return position

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.split()[1])
        raise AssertionError(f"no metric {name}")

    def serves_consent(self) -> bool:
        """What the health service says of consent."""
        with grpc.insecure_channel(self.health, options=[("grpc.enable_http_proxy", 0)]) as channel:
            asked = health_pb2.HealthCheckRequest(service="consentry.consent")
            answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=10)
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def is_ready(self) -> bool:
        """Whether it wants traffic."""
        with urllib.request.urlopen(f"http://{self.http}/readyz", timeout=10) as answer:
            return bool(answer.status == 200)

    def close(self) -> None:
        self.client.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def ask(client: Client, person: str) -> Decision:
    """One check of the fleet's policy."""
    return client.check(
        principal=MAILER,
        action="read",
        data="email",
        subject=Subject(id=person, attributes={"country": "DE"}),
        purpose=PURPOSE,
    )


def say(client: Client, person: str, *, is_given: bool) -> int:
    """Records one event; its position."""
    return client.record_consent(
        event(
            "given" if is_given else "withdrawn",
            person,
            purpose=PURPOSE,
            proof_method="form",
            idempotency_key=f"fleet-{next(_KEYS)}",
        )
    )


def until(is_so: Callable[[], bool], limit_s: float, what: str = "it never came") -> float:
    """Asks again and again; how long it took, in seconds."""
    began_s = time.monotonic()
    while not is_so():
        assert time.monotonic() - began_s < limit_s, what
        time.sleep(0.005)  # not to take the machine from those who are waited for
    return time.monotonic() - began_s


@contextmanager
def fleet(count: int, *flags: str, first: int = 0, **environment: str) -> Iterator[list[Member]]:
    """`count` sidecars with the same settings, started together; the environment's last word."""
    with tempfile.TemporaryDirectory(prefix="consentry-fleet-") as folder, ExitStack() as stack:
        root = Path(folder)
        (root / "policies").mkdir()
        (root / "policies" / "shop.policy").write_text(POLICY)

        def begin(number: int) -> Member:
            command = [sys.executable, "-m", "consentry.app", "serve", "--no-watch"]
            command += ["--policies", str(root / "policies"), "--state", str(root / str(number))]
            command += ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
            command += ["--health", "127.0.0.1:0", "--drain-delay-s", "0", "--grace-s", "1"]
            command += ["--allow-ephemeral-ledger", *flags]
            ours = {k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")}
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=ours | environment,
            )
            stack.callback(process.kill)
            ready = wait_for_event(process, "ready")
            Heard(process)
            return Member(number, process, ready)

        with ThreadPoolExecutor(4) as pool:
            members = list(pool.map(begin, range(first, first + count)))
        try:
            yield members
        finally:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(Member.close, members))
