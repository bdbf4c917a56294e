"""Proofs and differences against random questions: what a random search finds, they have found.

Histories are drawn within what the enumeration says it varies (docs: promises, "What is asked"):
consents and rights for purposes, not for some data, channels or recipients only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest
from comparing import read_packs
from generated import (
    ACTIONS,
    BASES,
    DATES,
    NOW_US,
    PURPOSES,
    draw_event,
    draw_policies,
    draw_request,
    draw_rule,
)

from consentry.author.cases import spaces
from consentry.author.cases.keys import all_keys
from consentry.author.cases.sides import Side
from consentry.author.cases.spaces import Asking
from consentry.author.difference import (
    ChangeKind,
    Difference,
    answer,
    find_difference,
    kind_of_change,
)
from consentry.author.prove import Verdict, prove
from consentry.compiler.compile import CompileResult, compile_policies
from consentry.consent.resolver import SubjectView
from consentry.diagnostics.span import Source
from consentry.model.consent import ConsentEvent, EventKind, Scope
from consentry.model.decision import Effect
from consentry.model.values import MICROS_PER_DAY
from consentry.pdp.sources import read_packs as packs_at_hand
from consentry.pdp.sources import read_policy_folder

LIMIT = 10_000
QUESTIONS = 150
KINDS = [
    EventKind.GIVEN, EventKind.GIVEN, EventKind.GIVEN, EventKind.WITHDRAWN, EventKind.OBJECTED,
    EventKind.OPTED_OUT, EventKind.LIMITED, EventKind.RESTRICTED, EventKind.ERASED,
]  # fmt: skip
LATER = [0, 0, 0, 1, MICROS_PER_DAY, 20 * MICROS_PER_DAY, 300 * MICROS_PER_DAY]
EFFECTS = {ChangeKind.WIDENED, ChangeKind.NARROWED}


@dataclass
class Tally:
    """What a run of the search came to."""

    questions: int = 0
    changes: int = 0
    cases: int = 0
    undecided: int = 0
    missed: int = 0


@pytest.fixture(scope="module")
def packs() -> dict[str, Source]:
    return read_packs()


def compiled(text: str, packs: dict[str, Source]) -> CompileResult:
    return compile_policies([Source("a.policy", text)], packs)


def draw_pair(random: Random, packs: dict[str, Source]) -> tuple[CompileResult, CompileResult]:
    """A random set and the same with a rule less, or one more."""
    lines = draw_policies(random).split("\n")
    first = compiled("\n".join(lines), packs)
    words = ("permit", "forbid", "mask", "oblige", "exception")
    while True:
        other = list(lines)
        own = [place for place, line in enumerate(lines) if line.split(" ")[0] in words]
        if random.random() < 0.6 and own:
            other.pop(random.choice(own))
        else:
            other.insert(0, draw_rule(random, random.choice(words[:4]), "extra", ["consent"]))
        second = compiled("\n".join(other), packs)
        if second.program is not None:
            return (first, second) if random.random() < 0.5 else (second, first)


def draw_asking(random: Random, side: Side) -> tuple[Asking, int]:
    """A question about one field, with a history, now or later."""
    leaf = random.choice([node.path for node in side.program.data if node.is_leaf])
    request = replace(
        draw_request(random),
        data=(leaf,),
        partial=False,
        purpose=random.choice(PURPOSES),
        action=random.choice(ACTIONS),
    )
    events: list[ConsentEvent] = []
    for position in range(1, random.choice([1, 2, 3, 4])):
        event = draw_event(random, position, random.choice(KINDS))
        scope = Scope(purpose=event.scope.purpose, tag=event.scope.tag)
        events.append(replace(event, scope=scope))
    now_us = NOW_US + random.choice(LATER)
    count = len(events)
    view = SubjectView(events, revision=count, position=count, read_at_us=now_us)
    return Asking(request, view), now_us


def search(
    random: Random, one: CompileResult, other: CompileResult, found: Difference, tally: Tally
) -> None:
    """Asks random questions; counts the changes that the difference does not have."""
    sides = (Side(one), Side(other))
    key_of = {
        (weighted.key.action, weighted.key.purpose, leaf): weighted.key
        for weighted in all_keys(sides)
        for leaf in weighted.leaves
    }
    known: dict[object, set[ChangeKind]] = {}
    for change in found.changes:
        for key in change.keys:
            known.setdefault(key, set()).add(change.kind)
    undecided = {unasked.key for unasked in found.unasked}
    for _ in range(QUESTIONS):
        asking, now_us = draw_asking(random, sides[0])
        before, after = (answer(side.linked, asking, now_us) for side in sides)
        kind = kind_of_change(before, after)
        tally.questions += 1
        if kind is None or kind is ChangeKind.REASON:
            continue
        request = asking.request
        key = key_of[request.action, request.purpose, request.data[0]]
        if key in undecided:
            continue
        tally.changes += 1
        kinds = known.get(key, set())
        is_known = kind in kinds if kind in EFFECTS else bool(kinds - {ChangeKind.REASON})
        tally.missed += not is_known


def run_differences(seeds: range, packs: dict[str, Source]) -> Tally:
    tally = Tally()
    for seed in seeds:
        random = Random(seed)
        one, other = draw_pair(random, packs)
        found = find_difference(one, other, since_us=NOW_US, limit=LIMIT)
        tally.cases += found.case_count
        tally.undecided += len(found.unasked)
        search(random, one, other, found, tally)
    return tally


def run_proofs(seeds: range, packs: dict[str, Source]) -> Tally:
    """Proven promises are searched for a breach; examples of refuted ones are asked again."""
    tally = Tally()
    for seed in seeds:
        random = Random(seed)
        text = draw_policies(random)
        promise = draw_rule(random, "forbid", "promised", BASES[:1]).replace("forbid", "never", 1)
        for date in DATES:
            promise = promise.replace(f" from {date}", "").replace(f" until {date}", "")
        promise = promise.replace(" as objected", "").replace(" as prohibited_by_law", "")
        promise = promise.replace(" as explicit_consent_required", "")
        result = compiled(f"{text}\n{promise}", packs)
        assert result.program is not None, promise
        (outcome,) = prove(result, since_us=NOW_US, limit=LIMIT)
        tally.cases += outcome.case_count
        plain, kept = Side(result).linked, Side(result, 0).linked
        if outcome.verdict is Verdict.UNDECIDED:
            tally.undecided += 1
            continue
        if outcome.example is not None:
            asking, now_us = outcome.example.ask(), outcome.example.now_us
            assert answer(plain, asking, now_us).effect is Effect.PERMIT
            assert answer(kept, asking, now_us).effect is Effect.DENY
            continue
        for _ in range(QUESTIONS):
            asking, now_us = draw_asking(random, Side(result))
            tally.questions += 1
            is_permitted = answer(plain, asking, now_us).effect is Effect.PERMIT
            tally.missed += is_permitted and answer(kept, asking, now_us).effect is Effect.DENY
    return tally


def test_random_search_finds_no_change_that_diff_missed(packs: dict[str, Source]) -> None:
    tally = run_differences(range(16), packs)

    assert tally.missed == 0
    assert tally.changes > 0


def test_random_search_breaks_no_proven_promise(packs: dict[str, Source]) -> None:
    tally = run_proofs(range(16), packs)

    assert tally.missed == 0


def test_search_finds_what_an_enumeration_without_boundaries_misses(
    packs: dict[str, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detector detects: with the first value of each fact only, changes are missed."""
    whole = spaces.find_candidates

    def crippled(*arguments: object) -> object:
        found, endless = whole(*arguments)  # type: ignore[arg-type]  # handed through
        return {name: candidates[:1] for name, candidates in found.items()}, endless

    monkeypatch.setattr(spaces, "find_candidates", crippled)

    assert run_differences(range(16), packs).missed > 0


@pytest.mark.slow
def test_long_random_search_finds_nothing_that_was_missed(
    packs: dict[str, Source], figure: Callable[[str, object], None]
) -> None:
    differences = run_differences(range(1_000, 1_120), packs)
    proofs = run_proofs(range(1_000, 1_120), packs)

    figure("diff: random questions", differences.questions)
    figure("diff: changes found at random, all known", differences.changes)
    figure("diff: cases asked", differences.cases)
    figure("prove: random questions against proven promises", proofs.questions)
    assert (differences.missed, proofs.missed) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("laws", ["", "use gdpr, eprivacy, ccpa\n"], ids=["no law", "three laws"])
def test_promises_of_the_shop_are_proven(
    laws: str, project_root: Path, figure: Callable[[str, object], None]
) -> None:
    sources, _ = read_policy_folder(project_root / "policies")
    rules = [source for source in sources if not source.name.endswith(".tests.policy")]
    result = compile_policies([*rules, Source("laws.policy", laws)], packs_at_hand())
    started = time.process_time()

    outcomes = prove(result, since_us=NOW_US, limit=1_000_000)

    name = "three laws" if laws else "no law"
    figure(f"prove the shop, {name}: cases", sum(outcome.case_count for outcome in outcomes))
    figure(f"prove the shop, {name}: CPU seconds", round(time.process_time() - started, 2))
    assert {outcome.verdict for outcome in outcomes} == {Verdict.PROVEN}
