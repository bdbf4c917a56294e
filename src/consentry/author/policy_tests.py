"""Runs the `test` declarations of a policy set through the real engine and the real resolver.

Nothing is simulated but the ledger's contents: a test's events become a `SubjectView`, its facts a
`Request`, and `engine.evaluate` answers as it would in the sidecar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from consentry.author.coverage import CoverageRecorder
from consentry.author.explain import explain
from consentry.author.explain_text import render_text
from consentry.author.scenario import (
    Facts,
    ScenarioError,
    events_of,
    facts_of,
    moment_us,
    request_of,
    with_controller,
)
from consentry.compiler.compile import CompileResult
from consentry.compiler.symbols import Symbols
from consentry.consent.resolver import SubjectView
from consentry.diagnostics.span import Span
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram, link
from consentry.lang.tables import expand
from consentry.lang.tree import Check, CheckTable, Expect, Literal, TestDecl
from consentry.model.consent import ConsentEvent
from consentry.model.decision import Decision, Effect
from consentry.model.program import Program
from consentry.model.request import Request, RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """One `check` with its `expect`: what came out, and how that differs; no difference: passed.

    `decision` is None when no question could be asked; `differences` then say why. `explanation`
    is that of the decision, for a developer, where it was not the expected one; lines of text.
    """

    span: Span
    expected: str
    decision: Decision | None
    differences: tuple[str, ...] = ()
    explanation: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Whether the answer was the expected one."""
        return not self.differences


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOutcome:
    """One `test` declaration: its checks in order."""

    __test__ = False  # a name that pytest would otherwise collect

    name: str
    text: str
    span: Span
    checks: tuple[CheckOutcome, ...]

    @property
    def is_passed(self) -> bool:
        """Whether every check gave what was expected."""
        return all(check.is_passed for check in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """What a run of policy tests found, in the order of files and places."""

    __test__ = False

    outcomes: tuple[TestOutcome, ...] = ()

    @property
    def failed(self) -> tuple[TestOutcome, ...]:
        """The tests that did not pass."""
        return tuple(outcome for outcome in self.outcomes if not outcome.is_passed)

    @property
    def check_count(self) -> int:
        """How many questions were asked."""
        return sum(len(outcome.checks) for outcome in self.outcomes)

    @property
    def is_passed(self) -> bool:
        """Whether no test failed."""
        return not self.failed


def run_policy_tests(
    result: CompileResult,
    is_wanted: Callable[[str], bool] = lambda _name: True,
    recorder: CoverageRecorder | None = None,
) -> TestReport:
    """The report of every test whose name `is_wanted`; `recorder` is told of every answer.

    Raises:
        ValueError: the set did not compile, so there is nothing to ask.
    """
    if result.program is None or result.symbols is None:
        raise ValueError("a policy set with errors has no tests to run")
    linked = link(result.program)
    tests = [
        declaration
        for module in result.modules
        for declaration in module.declarations
        if isinstance(declaration, TestDecl) and is_wanted(_name(declaration))
    ]
    runner = _Runner(
        program=result.program, linked=linked, symbols=result.symbols, recorder=recorder
    )
    return TestReport(outcomes=tuple(_run(test, runner) for test in tests))


def _name(test: TestDecl) -> str:
    return test.head.name.text if test.head.name is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What all checks of a test share."""

    facts: Facts
    linked: LinkedProgram
    view: SubjectView
    now_us: int
    recorder: CoverageRecorder | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runner:
    """The set under test; linked once for all tests that say nothing about the controller."""

    program: Program
    linked: LinkedProgram
    symbols: Symbols
    recorder: CoverageRecorder | None

    def prepare(self, test: TestDecl, facts: Facts, at: Literal | None) -> _Asked:
        """What the checks share.

        Raises:
            ScenarioError: the test says something that makes no question.
        """
        events = events_of(test.events, self.symbols)
        now_us = _now_us(at, events)
        return _Asked(
            facts=facts,
            linked=self.linked_for(facts),
            view=_view(events, now_us),
            now_us=now_us,
            recorder=self.recorder,
        )

    def linked_for(self, facts: Facts) -> LinkedProgram:
        controller = facts.of("controller")
        return link(with_controller(self.program, controller)) if controller else self.linked


def _run(test: TestDecl, runner: _Runner) -> TestOutcome:
    checks = [_run_checks(test, runner)] if test.checks else []
    checks += [tuple(_run_table(test, table, runner)) for table in test.tables]
    return TestOutcome(
        name=_name(test),
        text=test.head.text.value if test.head.text is not None else "",
        span=test.head.name.span if test.head.name is not None else test.span,
        checks=tuple(sorted((o for outcomes in checks for o in outcomes), key=_place)),
    )


def _place(outcome: CheckOutcome) -> int:
    return outcome.span.start


def _run_checks(test: TestDecl, runner: _Runner) -> tuple[CheckOutcome, ...]:
    try:
        asked = runner.prepare(test, facts_of(runner.symbols, test.facts), test.at)
    except ScenarioError as problem:
        return tuple(_unasked(check, expect, str(problem)) for check, expect in test.checks)
    return tuple(_ask(check, expect, asked) for check, expect in test.checks)


def _run_table(test: TestDecl, table: CheckTable, runner: _Runner) -> Iterator[CheckOutcome]:
    for case in expand(table):
        try:
            facts = facts_of(runner.symbols, test.facts)
            facts.drop(case.dropped)
            for group in case.facts:
                facts.add(group.owner.text, group.values)
            asked = runner.prepare(test, facts, case.at or test.at)
        except ScenarioError as problem:
            yield _unasked(case.check, case.expect, str(problem))
        else:
            yield _ask(case.check, case.expect, asked)


def _now_us(at: Literal | None, events: tuple[ConsentEvent, ...]) -> int:
    """`at`, or else the moment of the newest event."""
    if at is not None:
        return moment_us(at)
    if not events:
        raise ScenarioError("say `at` which moment: the test has no event to take it from")
    return max(event.received_at_us for event in events)


def _view(events: tuple[ConsentEvent, ...], now_us: int) -> SubjectView:
    position = max((event.position for event in events), default=0)
    return SubjectView(events=events, revision=position, position=position, read_at_us=now_us)


def _ask(check: Check, expect: Expect, asked: _Asked) -> CheckOutcome:
    try:
        request = request_of(check, asked.facts)
        decision = evaluate(asked.linked, request, asked.view, asked.now_us)
    except ScenarioError as problem:
        return _unasked(check, expect, str(problem))
    except RequestError as problem:
        told = "; ".join(f"{v.field}: {v.message}" for v in problem.violations)
        return _unasked(check, expect, f"no question could be asked: {told}")
    if asked.recorder is not None:
        asked.recorder.record(asked.linked, request, asked.view, asked.now_us, decision)
    differences = _differences(expect, decision)
    return CheckOutcome(
        span=check.span,
        expected=expected_text(expect),
        decision=decision,
        differences=differences,
        explanation=_explanation(request, asked) if differences else (),
    )


def _explanation(request: Request, asked: _Asked) -> tuple[str, ...]:
    told = explain(asked.linked, request, asked.view, asked.now_us)
    return tuple(render_text(told).splitlines())


def _unasked(check: Check, expect: Expect, problem: str) -> CheckOutcome:
    return CheckOutcome(
        span=check.span, expected=expected_text(expect), decision=None, differences=(problem,)
    )


def expected_text(expect: Expect) -> str:
    """What was expected, in the words of the language."""
    text = expect.effect.text
    if expect.reason is not None:
        text += f" {expect.reason.text}"
    if expect.obligations:
        text += " with " + ", ".join(name.text for name in expect.obligations)
    return text


def _differences(expect: Expect, decision: Decision) -> tuple[str, ...]:
    differences = []
    if decision.effect is not Effect(expect.effect.text):
        differences.append(
            f"expected {expect.effect.text}, the answer is {decision.effect} {decision.reason}"
        )
    elif expect.reason is not None and expect.reason.text != decision.reason:
        differences.append(
            f"expected the reason {expect.reason.text}, the reason is {decision.reason}"
        )
    came = {obligation.name for obligation in decision.obligations}
    differences.extend(
        f"expected the obligation {name.text}, " + _listed(came)
        for name in expect.obligations
        if name.text not in came
    )
    return tuple(differences)


def _listed(names: set[str]) -> str:
    return "the answer carries " + (", ".join(sorted(names)) if names else "none")
