"""Rules of the house that no tool checks: sizes of files and functions, nothing left open."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def tracked(pattern: str) -> list[Path]:
    """Files that git knows or would add, that exist and are not generated."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    names = subprocess.check_output(command, cwd=ROOT, text=True).split("\n")
    paths = sorted({ROOT / name for name in names if name})
    return [path for path in paths if path.exists() and "_pb2" not in path.name]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def long_functions(text: str, limit: int) -> list[str]:
    return [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in functions(ast.parse(text))
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > limit
    ]


def test_python_files_stay_under_the_limit() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in tracked("*.py")}

    assert sizes
    assert {str(p): n for p, n in sizes.items() if n > MAX_FILE_LINES} == {}


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_functions_stay_under_the_limit(folder: str) -> None:
    found = {
        str(path.relative_to(ROOT)): long
        for path in tracked(f"{folder}/*.py")
        if (long := long_functions(path.read_text(), MAX_FUNCTION_LINES))
    }

    assert found == {}


def test_the_function_rule_notices_a_long_function() -> None:
    text = "def long():\n" + "    x = 1\n" * 60

    assert long_functions(text, MAX_FUNCTION_LINES) == ["long (61 lines)"]


def test_nothing_is_left_open() -> None:
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|NotImplemented" + r"Error")

    found = {
        str(path.relative_to(ROOT)): match.group()
        for pattern in ("src/*.py", "tests/*.py", "*.policy")
        for path in tracked(pattern)
        if (match := marks.search(path.read_text()))
    }

    assert found == {}


def test_bare_subject_is_never_a_name_for_a_principal() -> None:
    """`subject` alone means two things in this field; code says data_subject or principal."""
    offenders = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in tracked("src/consentry/*.py")
        for node in functions(ast.parse(path.read_text()))
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.arg == "subject"
    }

    assert offenders == set()
