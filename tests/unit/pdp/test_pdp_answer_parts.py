"""Claims about a compiler's result in parts: nothing is lost, and no part is long."""

from __future__ import annotations

import contextlib
import io
import pickle
from dataclasses import replace
from typing import Any

import pytest

from consentry.compiler.compile import CompileResult, compile_policies
from consentry.diagnostics.span import Source
from consentry.pdp.answer_parts import ENTRIES, _read_all, read_parts, write_parts
from consentry.pdp.pace import at_once
from consentry.pdp.sources import read_packs
from tests.support.policy_texts import many_rules


@pytest.fixture(scope="module")
def result() -> CompileResult:
    found = compile_policies([Source("many.policy", many_rules(200))], read_packs())
    assert found.program is not None
    return found


def parts_in(answer: bytes) -> list[Any]:
    parts, all_of_them = [], _read_all(io.BytesIO(answer))
    with contextlib.suppress(EOFError):
        for part in all_of_them:
            parts.append(part)  # noqa: PERF402 - to keep what came before the end
    return parts


def test_result_comes_out_as_it_went_in_without_its_trees(result: CompileResult) -> None:
    told = read_parts(write_parts(result), at_once)

    assert told == replace(result, modules=(), symbols=None, book=None, notes=())


def test_no_part_has_more_than_a_few_entries(result: CompileResult) -> None:
    (first, lengths), *parts = parts_in(write_parts(result))

    assert result.program is not None
    assert lengths["rules"] == len(result.program.rules)
    assert len(parts) == sum(-(-length // ENTRIES) for length in lengths.values())
    assert all(len(part) <= ENTRIES for part in parts)
    assert first.program.rules == ()


def test_reading_can_give_way_after_every_part(result: CompileResult) -> None:
    answer, steps = write_parts(result), list[None]()

    read_parts(answer, lambda: steps.append(None))

    assert len(steps) == len(parts_in(answer)) - 1


def test_what_neighbours_have_in_common_is_one_object(result: CompileResult) -> None:
    program = read_parts(write_parts(result), at_once).program

    assert program is not None
    files = [rule.file for rule in program.rules if rule.file == "many.policy"]
    assert len(files) > 10 * ENTRIES
    assert len(set(map(id, files))) <= 3


def test_a_refusal_comes_out_as_well() -> None:
    broken = compile_policies([Source("shop.policy", "permit { nonsense")], read_packs())

    assert read_parts(write_parts(broken), at_once) == replace(broken, modules=())


@pytest.mark.parametrize("said", [42, (42, {}), (None, None)])
def test_something_else_is_not_taken_for_a_result(said: object) -> None:
    with pytest.raises(TypeError):
        read_parts(pickle.dumps(said), at_once)
