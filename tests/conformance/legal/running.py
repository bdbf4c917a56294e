"""Runs scenarios: compiles each house once, asks, and compares the answer with the expected one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from consentry.compiler.compile import CompileResult, compile_policies
from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.diagnostics.render import render_text
from consentry.diagnostics.span import Source
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram, link
from consentry.lang.parse import parse_module
from consentry.lang.tree import Module
from consentry.model.consent import ConsentEvent, ConsentView
from consentry.model.decision import Decision, Effect
from consentry.model.program import Program
from consentry.model.request import Request
from consentry.model.values import datetime_of, time_us
from consentry.pdp.sources import read_packs
from tests.conformance.legal.asking import events_of, request_of
from tests.conformance.legal.policy_text import Vocabulary, missing_packs, policy_text
from tests.conformance.legal.schema import Scenario
from tests.reference.decide import decide
from tests.reference.world import World, build_world

HOUSE = "house.policy"
UNTOLD = -1
"""As `valid_until`: who answers does not tell it."""


class ScenarioError(Exception):
    """A scenario that cannot be asked: its house does not compile."""


@dataclass(frozen=True, slots=True)
class House:
    """A policy set of one or more scenarios."""

    source: Source
    linked: LinkedProgram
    program: Program
    world: World


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario with everything that is needed to ask it."""

    scenario: Scenario
    house: House
    request: Request
    events: tuple[ConsentEvent, ...]
    now_us: int

    @property
    def is_ledger_up(self) -> bool:
        return self.scenario.facts.stores.consent == "up"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came out, in the words of scenarios."""

    decision: str
    reason: str
    obligations: frozenset[str]
    valid_until_us: int | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scenario with what is wrong with its answer; nothing: it passed."""

    scenario: Scenario
    differences: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        return not self.differences


Ask = Callable[[Case], Answer]


@dataclass(slots=True)
class Bench:
    """Compiles houses, each text once, with the packs at hand."""

    packs: dict[str, Source] = field(default_factory=lambda: dict(read_packs()))
    _houses: dict[str, House] = field(default_factory=dict)
    _modules: dict[str, Module] = field(default_factory=dict)
    _vocabulary: Vocabulary | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        if self._vocabulary is None:
            bare = Source(HOUSE, "purpose p permit x { who anyone may read data anything for p }")
            symbols = compile_policies([bare], self.packs).symbols
            assert symbols is not None
            self._vocabulary = Vocabulary(
                frozenset(symbols.categories), frozenset(symbols.uses), self.packs
            )
        return self._vocabulary

    def case(self, scenario: Scenario) -> Case:
        """The scenario, ready to be asked.

        Raises:
            ScenarioError: a pack that it names is not at hand, or its house does not compile.
        """
        text = policy_text(scenario, self.vocabulary)
        house = self._houses.get(text)
        if house is None:
            house = self._houses[text] = self._compile(text, scenario)
        return Case(
            scenario, house, request_of(scenario), events_of(scenario), time_us(scenario.facts.at)
        )

    def _compile(self, text: str, scenario: Scenario) -> House:
        source = Source(HOUSE, text)
        result = compile_policies([source], self.packs)
        if result.program is None:
            errors = [diagnostic for diagnostic in result.diagnostics if diagnostic.is_error]
            told = render_text(errors[:3], {HOUSE: source, **self._by_name()})
            missing = missing_packs(scenario, self.vocabulary)
            if missing:
                told += f"packs that are not at hand: {', '.join(missing)}\n"
            raise ScenarioError(f"its house does not compile:\n{told}")
        used = [self._module(name) for name in self._used(result)]
        world = build_world(result.modules, used)
        return House(source, link(result.program), result.program, world)

    def _module(self, name: str) -> Module:
        if name not in self._modules:
            self._modules[name] = parse_module(self.packs[name]).module
        return self._modules[name]

    def _used(self, result: CompileResult) -> list[str]:
        """The packs that took part, `core` first."""
        assert result.program is not None
        names = {source.name: name for name, source in self.packs.items()}
        return [names[file] for file in result.program.file_names if file in names]

    def _by_name(self) -> dict[str, Source]:
        return {source.name: source for source in self.packs.values()}


def ask_engine(case: Case) -> Answer:
    """The engine's own answer."""
    view: ConsentView = UNAVAILABLE
    if case.is_ledger_up:
        mine = own_events(case)
        view = SubjectView(mine, revision=len(mine), position=len(mine), read_at_us=case.now_us)
    decision = evaluate(case.house.linked, case.request, view, case.now_us)
    return answer_of(decision, case.request)


def ask_reference(case: Case) -> Answer:
    """The reference interpreter's answer; it tells no `valid_until`."""
    answer = decide(
        case.house.world,
        case.request,
        own_events(case),
        case.now_us,
        is_available=case.is_ledger_up,
    )
    obligations = set(answer.obligations)
    if case.request.partial and answer.effect == "permit":
        obligations |= {
            f"mask:{path}" for path, leaf in answer.leaves.items() if leaf.effect == "deny"
        }
    return Answer(
        answer.effect, answer.reasons[0], frozenset(obligations), UNTOLD, tuple(answer.reasons)
    )


def own_events(case: Case) -> tuple[ConsentEvent, ...]:
    """The events of the person asked about."""
    person = case.request.data_subject
    return tuple(e for e in case.events if person and e.data_subject_id == person.id)


def answer_of(decision: Decision, request: Request) -> Answer:
    """A decision in the words of scenarios: a field left out is a mask of it."""
    obligations = {obligation.name for obligation in decision.obligations}
    if request.partial and decision.effect is Effect.PERMIT:
        obligations |= {
            f"mask:{leaf.data}" for leaf in decision.leaves if leaf.effect is Effect.DENY
        }
    return Answer(
        decision=decision.effect.value,
        reason=decision.reason,
        obligations=frozenset(obligations),
        valid_until_us=decision.valid_until_us,
        reasons=tuple(dict.fromkeys(finding.reason for finding in decision.findings)),
    )


def run_all(scenarios: Iterable[Scenario], ask: Ask, bench: Bench) -> list[Outcome]:
    """One outcome for each scenario, in order."""
    return [run_one(scenario, ask, bench) for scenario in scenarios]


def run_one(scenario: Scenario, ask: Ask, bench: Bench) -> Outcome:
    """Asks one scenario and compares."""
    try:
        answer = ask(bench.case(scenario))
    except ScenarioError as problem:
        return Outcome(scenario, (str(problem),))
    return Outcome(scenario, tuple(differences(scenario, answer)), answer.reasons)


def differences(scenario: Scenario, answer: Answer) -> list[str]:
    """How an answer differs from the expected one."""
    expected = scenario.expected
    found = []
    if answer.decision != expected.decision:
        found.append(f"expected {expected.decision}, the answer is {answer.decision}")
    if answer.reason != scenario.reason_code:
        found.append(f"expected the reason {scenario.reason_code}, it is {answer.reason}")
    wanted = set(expected.obligations)
    if missing := sorted(wanted - answer.obligations):
        found.append(f"expected the obligations {', '.join(missing)}")
    if surplus := sorted(answer.obligations - wanted):
        found.append(f"nobody expected the obligations {', '.join(surplus)}")
    if (
        expected.valid_until
        and answer.valid_until_us != UNTOLD
        and time_us(expected.valid_until) != answer.valid_until_us
    ):
        until = answer.valid_until_us
        told = "no end" if until is None else datetime_of(until).isoformat()
        found.append(f"expected valid_until {expected.valid_until.isoformat()}, it is {told}")
    return found


def by_regime(outcomes: Sequence[Outcome]) -> dict[str, tuple[int, int]]:
    """Passed and failed, by regime."""
    counts: dict[str, tuple[int, int]] = {}
    for outcome in outcomes:
        passed, failed = counts.get(outcome.scenario.regime, (0, 0))
        counts[outcome.scenario.regime] = (
            passed + outcome.is_passed,
            failed + (not outcome.is_passed),
        )
    return dict(sorted(counts.items()))
