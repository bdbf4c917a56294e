"""The shop in `policies/`: it compiles without a warning, and its own tests pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentry.author.policy_tests import run_policy_tests
from consentry.compiler.compile import CompileResult, compile_policies
from consentry.model.program import HOUSE
from consentry.pdp.sources import read_packs, read_policy_folder


@pytest.fixture(scope="module")
def shop(project_root: Path) -> CompileResult:
    sources, unread = read_policy_folder(project_root / "policies")
    assert unread == ()
    return compile_policies(sources, read_packs())


def test_shop_compiles_without_a_diagnostic(shop: CompileResult) -> None:
    assert [(d.code, d.title) for d in shop.diagnostics] == []


def test_tests_of_the_shop_pass(shop: CompileResult) -> None:
    told = run_policy_tests(shop)

    failed = {o.name: [c.differences for c in o.checks] for o in told.failed}
    assert failed == {}
    assert len(told.outcomes) >= 12


def test_shop_is_a_believable_size(shop: CompileResult) -> None:
    program = shop.program
    assert program is not None

    assert len(program.purposes) >= 10
    assert sum(node.is_leaf for node in program.data) >= 20
    assert sum(rule.regime == HOUSE for rule in program.rules) >= 12
