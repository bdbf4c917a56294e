"""Asks compiled engine and reference interpreter the same questions and tells where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from generated import NOW_US, draw_events, draw_policies, draw_request
from generated_laws import draw_lawful_policies, draw_lawful_request

from consentry.compiler.compile import compile_policies
from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram, link
from consentry.lang.parse import parse_module
from consentry.lang.tree import Module
from consentry.model.consent import ConsentEvent, ConsentView
from consentry.model.decision import Decision
from consentry.model.request import Request
from consentry.pdp.sources import read_packs as shipped_packs
from tests.reference.answers import Answer
from tests.reference.decide import decide
from tests.reference.world import World, build_world


@dataclass
class PolicySet:
    """One text, compiled and as the reference sees it."""

    text: str
    linked: LinkedProgram
    world: World
    notes: tuple[Diagnostic, ...] = ()


@dataclass
class Disagreement:
    """One question to which the two gave different answers."""

    policies: PolicySet
    request: Request
    events: Sequence[ConsentEvent]
    now_us: int
    engine: tuple[object, ...]
    reference: tuple[object, ...]


def read_packs() -> dict[str, Source]:
    return dict(shipped_packs())


@cache
def tree_of(source: Source) -> Module:
    return parse_module(source).module


def build_policy_set(text: str, packs: dict[str, Source]) -> PolicySet:
    source = Source("all.policy", text)
    result = compile_policies([source], packs)
    errors = [diagnostic for diagnostic in result.diagnostics if diagnostic.is_error]
    assert result.program is not None, (errors[:1], text)
    module = parse_module(source).module
    # The packs that took part, in their order, `core` first.
    by_file = {pack.name: pack for pack in packs.values()}
    used = [by_file[file] for file in result.program.file_names if file in by_file]
    world = build_world([module], [tree_of(pack) for pack in used])
    return PolicySet(text, link(result.program), world, result.notes)


def draw_policy_set(seed: int, packs: dict[str, Source]) -> PolicySet:
    return build_policy_set(draw_policies(Random(seed)), packs)


def draw_lawful_set(seed: int, packs: dict[str, Source]) -> PolicySet:
    """A house under one to four of the laws that are shipped."""
    return build_policy_set(draw_lawful_policies(Random(seed)), packs)


def ask_engine(
    policies: PolicySet, request: Request, events: Sequence[ConsentEvent] | None, now_us: int
) -> Decision:
    """The engine's decision; events None: the ledger cannot be read.

    Asked four times: what is new is answered by another way than what comes again, and what a way
    makes for the first time by another than what it has made before.
    """
    view: ConsentView = UNAVAILABLE
    if events is not None:
        position = len(events)
        view = SubjectView(events, revision=position, position=position, read_at_us=NOW_US)
    first, *later = [evaluate(policies.linked, request, view, now_us) for _ in range(4)]
    assert all(decision == first for decision in later), (first, later)
    return first


def ask_reference(
    policies: PolicySet, request: Request, events: Sequence[ConsentEvent] | None, now_us: int
) -> Answer:
    return decide(policies.world, request, events or [], now_us, is_available=events is not None)


def told_by_engine(decision: Decision) -> tuple[object, ...]:
    return (
        decision.effect.value,
        list(dict.fromkeys(finding.reason for finding in decision.findings)),
        sorted(one.name for one in decision.obligations),
        [
            (
                leaf.data,
                leaf.effect.value,
                list(dict.fromkeys(finding.reason for finding in leaf.findings)),
                (leaf.mask.function, leaf.mask.argument) if leaf.mask else None,
                sorted(one.name for one in leaf.obligations),
            )
            for leaf in decision.leaves
        ],
    )


def told_by_reference(answer: Answer) -> tuple[object, ...]:
    return (
        answer.effect,
        answer.reasons,
        sorted(answer.obligations),
        [
            (path, leaf.effect, answer.leaf_reasons[path], leaf.mask, sorted(leaf.obligations))
            for path, leaf in answer.leaves.items()
        ],
    )


def find_disagreement(
    policies: PolicySet, request: Request, events: Sequence[ConsentEvent] | None, now_us: int
) -> Disagreement | None:
    engine = told_by_engine(ask_engine(policies, request, events, now_us))
    reference = told_by_reference(ask_reference(policies, request, events, now_us))
    if engine == reference:
        return None
    return Disagreement(policies, request, events or [], now_us, engine, reference)


def draw_lawful_question(random: Random) -> tuple[Request, list[ConsentEvent] | None]:
    """As `draw_question`, with the facts that laws ask about."""
    return draw_lawful_request(random), None if random.random() < 0.1 else draw_events(random)


def draw_question(random: Random) -> tuple[Request, list[ConsentEvent] | None]:
    """A request and a history; now and then the ledger cannot be read."""
    return draw_request(random), None if random.random() < 0.1 else draw_events(random)
