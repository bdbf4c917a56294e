"""Time of one evaluation in process, at 10 to 10,000 rules: it should not grow."""

from __future__ import annotations

import time
from collections.abc import Callable

from consentry.compiler.compile import compile_policies
from consentry.consent.resolver import SubjectView
from consentry.diagnostics.span import Source
from consentry.engine.evaluate import evaluate
from consentry.engine.link import link
from consentry.model.decision import Effect
from consentry.pdp.sources import read_packs
from tests.bench.measure import Series, paired_rounds
from tests.support.policy_texts import many_rules, request_for_many_rules

NOW_US = 1_780_000_000_000_000
FILE_RULES = 5_000


def many_files(rule_count: int, per_file: int = FILE_RULES) -> list[Source]:
    """The generated set in files that may have so many rules; a line is never cut."""
    lines = many_rules(rule_count).splitlines(keepends=True)
    head = [line for line in lines if not line.startswith("permit ")]
    permits = [line for line in lines if line.startswith("permit ")]
    parts = [permits[start : start + per_file] for start in range(0, len(permits), per_file)]
    texts = ["".join(part) for part in [head, *parts]]
    return [Source(f"many_{number:03}.policy", text) for number, text in enumerate(texts)]


def evaluation(rule_count: int, evaluations: int) -> Callable[[], float]:
    """A side that evaluates one permitted question against a set of `rule_count` permits."""
    result = compile_policies(many_files(rule_count), read_packs())
    if result.program is None:
        raise ValueError(f"the generated set of {rule_count} rules does not compile")
    linked = link(result.program)
    request, events = request_for_many_rules(rule_count)
    view = SubjectView(events, revision=1, position=1, read_at_us=NOW_US)
    if evaluate(linked, request, view, NOW_US).effect is not Effect.PERMIT:
        raise ValueError("the timed question must be permitted")

    def side() -> float:
        started = time.process_time_ns()
        for _ in range(evaluations):
            evaluate(linked, request, view, NOW_US)
        return (time.process_time_ns() - started) / 1000 / evaluations

    return side


def measure(
    *, rule_counts: tuple[int, ...], rounds: int, evaluations: int, say: Callable[[str], None]
) -> Series:
    """Microseconds per evaluation, one side for each number of rules."""
    sides = {}
    for count in rule_counts:
        say(f"compiling {count} rules")
        sides[f"{count} rules"] = evaluation(count, evaluations)
    return paired_rounds(sides, rounds=rounds, progress=say)
