"""Claims about the compiling child: the compiler's own result; faults become diagnostics."""

from __future__ import annotations

import marshal
from dataclasses import replace
from pathlib import Path

import pytest
from pdp_fakes import POLICY

from consentry.compiler.compile import CompileResult, compile_policies
from consentry.diagnostics.span import Source
from consentry.pdp.compile_process import compile_in_child
from consentry.pdp.sources import read_packs

SOURCES = (Source("shop.policy", POLICY),)

CHILDREN = {
    "child_crashes": "import os; os.abort()",
    "child_raises": "raise RuntimeError('secret of ada')",
    "child_says_nothing": "",
    "child_talks_nonsense": "print('hello')",
    "child_says_something_else": "import pickle, sys; sys.stdout.buffer.write(pickle.dumps(42))",
    "child_talks_without_end": "import os\nwhile True: os.write(1, b'x' * 65536)",
    "child_hangs": "import sys, threading\nthreading.Event().wait()",
    "child_tells_its_priority": "import os, sys; sys.stdin.read(); sys.exit(os.nice(0))",
    "child_shouts": "import sys; sys.stderr.write('x' * 1_000_000); sys.exit(3)",
}


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in CHILDREN.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def run(module: str, timeout_s: float = 20.0, **bounds: int) -> CompileResult:
    return compile_in_child(SOURCES, {}, module=module, timeout_s=timeout_s, **bounds)


def test_child_gives_what_the_compiler_gives() -> None:
    packs = read_packs()
    here = compile_policies(SOURCES, packs)

    apart = compile_in_child(SOURCES, packs)

    assert apart.program is not None
    assert here.program is not None
    # The bytes of marshalled code depend on who else holds its constants; the code does not.
    assert marshal.loads(apart.program.code) == marshal.loads(here.program.code)
    assert replace(apart.program, code=b"") == replace(here.program, code=b"")
    assert apart.diagnostics == here.diagnostics
    assert (apart.modules, apart.symbols) == ((), None)


@pytest.mark.usefixtures("children")
def test_child_gives_way_to_the_checks() -> None:
    [told] = run("child_tells_its_priority").diagnostics

    assert told.title == "the compiler ended with status 10"


def test_child_reports_the_authors_faults() -> None:
    broken = (Source("shop.policy", "permit { nonsense"),)

    apart = compile_in_child(broken, read_packs())

    assert apart.program is None
    assert apart.diagnostics == compile_policies(broken, read_packs()).diagnostics != ()


@pytest.mark.usefixtures("children")
@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("child_crashes", "F520"),
        ("child_raises", "F520"),
        ("child_says_nothing", "F520"),
        ("child_talks_nonsense", "F520"),
        ("child_says_something_else", "F520"),
        ("child_shouts", "F520"),
        ("no_such_child", "F520"),
    ],
)
def test_fault_of_the_child_is_a_diagnostic(module: str, code: str) -> None:
    result = run(module)

    assert result.program is None
    assert [found.code for found in result.diagnostics] == [code]
    assert "ada" not in result.diagnostics[0].title


@pytest.mark.usefixtures("children")
def test_child_that_hangs_is_ended() -> None:
    assert [found.code for found in run("child_hangs", 0.3).diagnostics] == ["F521"]


@pytest.mark.usefixtures("children")
def test_child_that_talks_without_end_is_ended() -> None:
    result = run("child_talks_without_end", max_answer_bytes=1_000_000)

    assert [found.code for found in result.diagnostics] == ["F522"]


def test_missing_interpreter_is_a_diagnostic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consentry.pdp.compile_process.sys.executable", "/nonexistent/python")

    (found,) = run("consentry.pdp.compile_child").diagnostics

    assert (found.code, found.title) == (
        "F520", "the compiler could not be started: no such file or directory",
    )  # fmt: skip


def test_child_gets_no_secrets_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    (tmp_path / "child_looks.py").write_text(
        f"import os, pathlib; pathlib.Path({str(seen)!r}).write_text(repr(dict(os.environ)))"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CONSENTRY_SECRET", "canary")
    run("child_looks")

    assert "canary" not in seen.read_text()
