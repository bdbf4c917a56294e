"""A kept answer is never a stale one: real sidecar in its own process, consent that comes and goes.

Each writer gives and takes back the consent of persons of its own while readers ask through one
cache. Stale is a permit that begins more than the bound after an acknowledged withdrawal, or after
any denial that followed it.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from consentry.client import CacheOptions, Client, Counts, Subject, event, service
from consentry.client.questions import QuestionFields
from tests.support.sidecar import RunningSidecar, running_sidecar

BOUND_S = 2.0
MAILER = service("campaign-mailer", roles=["marketer"])


def asked(person: str) -> QuestionFields:
    return {
        "principal": MAILER,
        "action": "contact",
        "data": ["customer.contact.email"],
        "subject": Subject(id=person, attributes={"country": "DE"}),
        "purpose": "marketing.email",
        "channel": "email",
    }


@dataclass
class Story:
    """What one writer saw."""

    checks: int = 0
    kept: int = 0
    stale: int = 0
    spread_s: list[float] = field(default_factory=list)


@pytest.fixture(scope="module")
def sidecar(
    project_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSidecar]:
    state = tmp_path_factory.mktemp("state")
    with running_sidecar(project_root / "policies", state) as running:
        yield running


def give_and_take_back(
    reader: Client, writer: Client, person: str, *, rounds: int, checks: int
) -> Story:
    """`checks` questions while there is consent, and as many after it was withdrawn, each round."""
    told = Story()
    fields = asked(person)

    def ask() -> bool:
        decision = reader.check(**fields)
        told.checks += 1
        told.kept += decision.is_from_cache
        return decision.is_permitted

    pause = threading.Event()
    for number in range(rounds):
        writer.record_consent(
            event("given", person, purpose="marketing", notice="2026-03", proof_method="web form")
        )
        given_s = time.monotonic()
        while not ask():
            assert time.monotonic() < given_s + 10, "a consent was never seen"
            pause.wait(0.0002)
        for _ in range(checks):
            assert ask(), f"round {number}: the consent was lost"

        writer.record_consent(event("withdrawn", person, purpose="marketing"))
        acknowledged_s = time.monotonic()
        while True:
            began_s = time.monotonic()
            if not ask():
                break
            told.stale += began_s > acknowledged_s + BOUND_S
            pause.wait(0.0002)  # four readers that spin would keep the follower from its work
        told.spread_s.append(time.monotonic() - acknowledged_s)
        told.stale += sum(ask() for _ in range(checks))
    return told


def run(sidecar: RunningSidecar, *, writers: int, rounds: int, checks: int) -> tuple[Story, Counts]:
    counts = Counts()
    options = CacheOptions(max_age_s=3_600.0)
    with (
        Client(sidecar.socket, timeout_s=20, cache=options, metrics=counts) as reader,
        Client(sidecar.target, timeout_s=20) as writer,
        ThreadPoolExecutor(writers) as threads,
    ):
        until(lambda: reader.cache is not None and reader.cache.is_following)
        stories = list(
            threads.map(
                lambda number: give_and_take_back(
                    reader, writer, f"person-{rounds}-{number}", rounds=rounds, checks=checks
                ),
                range(writers),
            )
        )
        # A move is counted after it has done its work, which is all that the writers wait for.
        until(lambda: counts.counts["followed", "moved"] >= sum(len(s.spread_s) for s in stories))
    whole = Story()
    for story in stories:
        whole.checks += story.checks
        whole.kept += story.kept
        whole.stale += story.stale
        whole.spread_s += story.spread_s
    return whole, counts


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never came")


def tell(story: Story, figure: Callable[[str, object], None], name: str) -> None:
    spread_ms = sorted(1_000 * spent for spent in story.spread_s)
    p99 = statistics.quantiles(spread_ms, n=100)[98]
    figure(f"client cache, {name}: checks", f"{story.checks} ({story.kept} kept)")
    figure(f"client cache, {name}: stale answers after revocation", story.stale)
    figure(
        f"client cache, {name}: withdrawal to denial, ms",
        f"p50 {statistics.median(spread_ms):.2f}, p99 {p99:.2f}, worst {spread_ms[-1]:.2f}"
        f" ({len(spread_ms)} withdrawals)",
    )


def test_no_stale_answer_after_a_withdrawal(
    sidecar: RunningSidecar, figure: Callable[[str, object], None]
) -> None:
    story, counts = run(sidecar, writers=4, rounds=25, checks=100)

    tell(story, figure, "short run")
    assert story.stale == 0
    assert story.kept > story.checks / 2, "the cache was not used"
    assert counts.counts["followed", "moved"] >= len(story.spread_s)


@pytest.mark.slow
def test_no_stale_answer_in_hundreds_of_thousands_of_checks(
    sidecar: RunningSidecar, figure: Callable[[str, object], None]
) -> None:
    story, _ = run(sidecar, writers=4, rounds=400, checks=200)

    tell(story, figure, "long run")
    assert story.checks >= 200_000
    assert story.stale == 0


def test_detector_sees_a_cache_that_follows_nothing(
    sidecar: RunningSidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that overhears pushes is found out: the story that must show 0 shows more."""
    monkeypatch.setattr("consentry.client.cache.DecisionCache._move", lambda *_: None)
    monkeypatch.setitem(globals(), "BOUND_S", 0.2)
    with (
        Client(sidecar.socket, timeout_s=20, cache=CacheOptions(max_age_s=1.0)) as reader,
        Client(sidecar.target, timeout_s=20) as writer,
    ):
        until(lambda: reader.cache is not None and reader.cache.is_following)
        told = give_and_take_back(reader, writer, "seen", rounds=1, checks=50)

    assert told.stale > 0
