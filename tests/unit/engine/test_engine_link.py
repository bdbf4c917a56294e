"""Claims about linked programs: they go with their last user, and can be made bit by bit."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Mapping
from types import FunctionType

import pytest

from consentry.engine.link import link, link_functions
from consentry.model.program import Program
from tests.support.compiling import compile_text, program_of
from tests.support.policy_texts import many_rules

# What is long inside of something long becomes a function of its own.
DEEP = " or ".join(
    f"(principal.level > {at} and ("
    + " or ".join(
        f"({' and '.join(f'principal.level != {at + near + far}' for far in range(8))})"
        for near in range(8)
    )
    + "))"
    for at in range(0, 60, 20)
)
WORLD = f"""
attributes principal {{ level: number? }}
data d {{ a }}
purpose p {{ basis consent }}
permit x {{ who anyone may read data d for p when {DEEP} }}
forbid y {{ for p when principal.level > 7 }}
"""


@pytest.fixture
def program() -> Program:
    return program_of(compile_text(WORLD))


@pytest.fixture
def _without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def calls_of(function: object, functions: Mapping[str, object]) -> list[str]:
    assert isinstance(function, FunctionType)
    return [name for name in function.__code__.co_names if name in functions]


def test_functions_find_those_that_they_call(program: Program) -> None:
    functions = link_functions(program.code, program.constants)

    calling = {name: calls_of(test, functions) for name, test in functions.items()}
    assert any(calls_of(functions[one], functions) for called in calling.values() for one in called)
    for name, called in calling.items():
        seen = functions[name].__globals__  # type: ignore[attr-defined]  # a function
        assert all(seen[one] is functions[one] for one in called)


def test_no_function_is_found_again_from_what_it_sees(program: Program) -> None:
    functions = link_functions(program.code, program.constants)

    for test in functions.values():
        waiting: list[object] = [test]
        while waiting:
            seen = waiting.pop().__globals__  # type: ignore[attr-defined]  # a function
            found = [value for name, value in seen.items() if name in functions]
            assert all(one is not test for one in found)
            waiting += found


@pytest.mark.usefixtures("_without_collector")
def test_a_linked_program_goes_with_its_last_user(program: Program) -> None:
    linked = link(program)
    left = [weakref.ref(linked), *(weakref.ref(test) for test in linked.functions.values())]

    del linked

    assert [one() for one in left if one() is not None] == []


def test_linking_gives_way_after_every_few_rules() -> None:
    program = program_of(compile_text(many_rules(1_000)))
    steps: list[None] = []

    stepped = link(program, lambda: steps.append(None))

    assert len(steps) > len(program.rules) * 3 // 128
    whole = link(program)
    assert [sorted(map(tuple, part)) for part in _postings(stepped)] == [
        sorted(map(tuple, part)) for part in _postings(whole)
    ]


def _postings(linked: object) -> list[list[list[int]]]:
    names = ("_by_action", "_by_purpose", "_by_leaf")
    return [list(getattr(linked, name).lists()) for name in names]
