"""Runs the `test` declarations of a text and tells which claims do not hold."""

from __future__ import annotations

from collections.abc import Mapping

from consentry.author.policy_tests import run_policy_tests
from tests.support.compiling import compile_text, program_of


def broken_claims(text: str, packs: Mapping[str, str] | None = None) -> list[str]:
    """One line for each check that came out otherwise; a text without checks is no proof."""
    result = compile_text(text, packs)
    program_of(result)
    report = run_policy_tests(result)
    assert report.check_count, "there is nothing to check"
    return [
        f"{outcome.name}: {difference}"
        for outcome in report.outcomes
        for check in outcome.checks
        for difference in check.differences
    ]
