"""Plans of one small policy set for one rule's condition."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.span import Source
from consentry.engine.link import link
from consentry.model.request import Principal, Request
from consentry.pdp.sources import read_packs
from consentry.plan.formulas import read_formulas
from consentry.plan.planner import Planner

NOW_US = 1_780_315_200_000_000  # 2026-06-01T12:00:00Z
_TEXT = """
attributes subject { tier: text?, born: date?, joined: time?, moved: date?, vip: flag?,
    rank: number?, plan: text = "free", age_group: text,
    tags: list of text?, home: ip?, spent: duration? }
attributes context { ok: flag? }
data d
purpose p { basis contract }
purpose q { basis consent }
"""


@pytest.fixture
def planner_of() -> Callable[..., Planner]:
    """(rules of the house, purpose) -> a planner of `service "a" may read d` for it."""

    def make(rules: str, purpose: str = "p") -> Planner:
        result = compile_policies([Source("house.policy", _TEXT + rules)], read_packs())
        assert result.program is not None, result.diagnostics
        request = Request(
            principal=Principal(id="a", kind="service"),
            action="read",
            data=("d",),
            data_subject=None,
            purpose=purpose,
        )
        linked = link(result.program)
        return Planner(linked, read_formulas(result.program), request, NOW_US)

    return make


@pytest.fixture
def planned(planner_of: Callable[..., Planner]) -> Callable[..., Planner]:
    """The same for one permit with a condition."""

    def make(condition: str) -> Planner:
        return planner_of(f"permit x {{ who anyone may anything data d for p when {condition} }}")

    return make
