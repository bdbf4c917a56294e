"""Claims about which conditions a use settles; in doubt none is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from consentry.engine.link import link_functions
from consentry.engine.linked_rule import Test
from consentry.engine.settled import is_settled
from consentry.model.program import Condition
from tests.support.compiling import compile_text, program_of, rule_named

RIGHTS = frozenset({"right_active"})
WORLD = """
attributes principal { region: text? }
attributes subject {
    region: text?,
    minor: flag?
}
attributes context { network: ip? }
attributes resource { level: number? }
attributes signal { gpc: flag? }
data d { a }
purpose p { basis consent }
set regions = ["DE", "FR"]
set networks = ["10.0.0.0/8"]
"""


def condition(text: str) -> tuple[Test, Mapping[str, Test]]:
    program = program_of(compile_text(f"{WORLD}forbid x {{ for p when {text} }}"))
    found = rule_named(program, "x").condition
    assert isinstance(found, Condition)
    functions = link_functions(program.code, program.constants)
    return functions[f"c{found.code}"], functions


@pytest.mark.parametrize(
    "text",
    [
        'principal.id == "billing"',
        "has principal.region and principal.region in regions",
        "action != read",
        "recipient.country in regions",
        'principal.region like "D*" or principal.type == service',
    ],
)
def test_what_speaks_of_the_use_alone_is_settled(text: str) -> None:
    assert is_settled(*condition(text))


@pytest.mark.parametrize(
    "text",
    [
        "subject.minor",
        "principal.region == subject.region",
        'subject.id == "ada"',
        'resource.id == "r1"',
        "resource.level > 3",
        "context.network in networks",
        "signal.gpc",
        "now > 2026-01-01",
        'now between 09:00 and 20:00 in "Europe/Berlin"',
        "consent.given",
        "rights.erased",
        "rights.objected and action != read",
    ],
)
def test_what_speaks_of_person_record_or_moment_is_not(text: str) -> None:
    assert not is_settled(*condition(text))


@pytest.mark.parametrize("text", ["rights.erased", "rights.restricted and action != read"])
def test_whether_a_right_is_in_force_is_settled_where_none_was_used(text: str) -> None:
    assert is_settled(*condition(text), by_rights=RIGHTS)


@pytest.mark.parametrize("text", ["rights.erased and subject.minor", "consent.given"])
def test_rights_beside_other_things_settle_nothing(text: str) -> None:
    assert not is_settled(*condition(text), by_rights=RIGHTS)


def test_function_of_unknown_kind_is_not_settled() -> None:
    class Odd:
        def __call__(self, _facts: object) -> int:
            return 2

    assert not is_settled(Odd(), {})  # type: ignore[arg-type]  # that is the claim
