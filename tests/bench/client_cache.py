"""Time of a kept answer in the client, beside one that is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from consentry.client import CacheOptions, Client, Subject, service
from consentry.client.questions import QuestionFields
from consentry.client.testing import FakeSidecar
from tests.bench.measure import Series, paired_rounds

ASKED: QuestionFields = {
    "principal": service("campaign-mailer", roles=["marketer"], region="DE"),
    "action": "contact",
    "data": ["customer.contact.email", "customer.profile.name"],
    "subject": "customer-4712",
    "purpose": "marketing.email",
    "channel": "email",
}


def asking(client: Client, fields: QuestionFields, count: int) -> Callable[[], float]:
    """A side that asks one question again and again; microseconds for each."""

    def side() -> float:
        check, started = client.check, time.perf_counter_ns()
        for _ in range(count):
            check(**fields)
        return (time.perf_counter_ns() - started) / 1000 / count

    return side


def bare_call(
    *, correlation_id: str = "", at_least: int = 0, timeout_s: float | None = None, **fields: object
) -> object:
    """What any method of this signature costs here."""
    return fields


def calling(count: int) -> Callable[[], float]:
    """A side that makes the bare call."""

    def side() -> float:
        started = time.perf_counter_ns()
        for _ in range(count):
            bare_call(**ASKED)
        return (time.perf_counter_ns() - started) / 1000 / count

    return side


def measure(*, rounds: int, checks: int, say: Callable[[str], None]) -> Series:
    """Microseconds per check: kept, kept with attributes of the person, and asked for."""
    with ExitStack() as stack:
        sidecar = stack.enter_context(FakeSidecar())
        sidecar.permit()
        plain = stack.enter_context(Client(sidecar.target, timeout_s=20))
        keeping = stack.enter_context(Client(sidecar.target, timeout_s=20, cache=CacheOptions()))
        whole: QuestionFields = {
            **ASKED,
            "subject": Subject(id="customer-4712", attributes={"country": "DE"}),
        }
        while not keeping.check(**whole).is_from_cache or not keeping.check(**ASKED).is_from_cache:
            time.sleep(0.01)
        sides = {
            "bare call": calling(checks),
            "asked": asking(plain, ASKED, max(1, checks // 100)),
            "kept": asking(keeping, ASKED, checks),
            "kept, person": asking(keeping, whole, checks),
        }
        return paired_rounds(sides, rounds=rounds, progress=say)
