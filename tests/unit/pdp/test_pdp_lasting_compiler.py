"""Claims about the compiler that stays: used again, replaced after a fault, gone when idle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pdp_fakes import POLICY

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.span import Source
from consentry.pdp import compile_child, lasting_compiler
from consentry.pdp.compile_process import CompilerProcess
from consentry.pdp.lasting_compiler import LastingCompiler
from consentry.pdp.sources import read_packs

SOURCES = (Source("shop.policy", POLICY),)
PACKS = read_packs()
FAULTY = {
    "abort": "import os; os.abort()",
    "hang": "import threading; threading.Event().wait()",
    "leave": "import sys; sys.exit(0)",
}
CHILD = """
import pathlib, sys
import consentry.compiler.compile as compiler
from consentry.pdp import compile_child, lasting_compiler
real = compiler.compile_policies
def compiling(sources, packs, **options):
    fault = pathlib.Path({fault!r})
    if fault.exists():
        text = fault.read_text()
        fault.unlink()
        exec(text)
    return real(sources, packs, **options)
compiler.compile_policies = compiling
{first}
compile_child.main()
"""


class Faults:
    """A folder with a child that does, once, what is written into a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fault = folder / "fault"

    def child(self, first: str = "") -> Callable[[], CompilerProcess]:
        """How to start a compiler of that kind; `first` is run in it before its work."""
        text = CHILD.format(fault=str(self._fault), first=first)
        (self._folder / "faulty_child.py").write_text(text)
        return lambda: CompilerProcess("faulty_child")

    def happen(self, text: str) -> None:
        """At the next compilation."""
        self._fault.write_text(text)


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Faults(tmp_path)


@pytest.fixture
def compiler(faults: Faults) -> Iterator[LastingCompiler]:
    made = LastingCompiler(start=faults.child())
    yield made
    made.close()


def digest(compiler: LastingCompiler) -> str:
    program = compiler.compile(SOURCES, PACKS).program
    assert program is not None
    return program.digest


def codes(compiler: LastingCompiler) -> list[str]:
    return [found.code for found in compiler.compile(SOURCES, PACKS).diagnostics if found.is_error]


def has_left(pid: int) -> bool:
    """Whether the process has ended and nobody has to wait for it."""
    return not Path(f"/proc/{pid}").exists()


def test_one_child_serves_many_policy_sets(compiler: LastingCompiler) -> None:
    first = digest(compiler)
    pid = compiler.pid
    broken = compiler.compile((Source("shop.policy", "permit { nonsense"),), PACKS)

    assert digest(compiler) == first
    assert compiler.pid == pid
    here = compile_policies((Source("shop.policy", "permit { nonsense"),), PACKS)
    assert broken.program is None
    assert broken.diagnostics == here.diagnostics


@pytest.mark.parametrize("how", ["abort", "raise MemoryError"])
def test_child_that_crashes_is_told_and_replaced(
    compiler: LastingCompiler, faults: Faults, how: str
) -> None:
    first, pid = digest(compiler), compiler.pid
    faults.happen(FAULTY.get(how, how))

    assert codes(compiler) == ["F520"]
    assert digest(compiler) == first
    assert compiler.pid != pid


def test_child_that_hangs_is_ended_and_replaced(compiler: LastingCompiler, faults: Faults) -> None:
    first, pid = digest(compiler), compiler.pid
    faults.happen(FAULTY["hang"])
    compiler.timeout_s = 0.5

    assert codes(compiler) == ["F521"]
    assert pid is not None
    assert has_left(pid)
    compiler.timeout_s = 30
    assert digest(compiler) == first


def test_child_that_left_meanwhile_is_replaced_without_a_word(
    compiler: LastingCompiler, faults: Faults
) -> None:
    first, pid = digest(compiler), compiler.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    assert digest(compiler) == first

    faults.happen(FAULTY["leave"])
    assert digest(compiler) == first


def test_child_that_grew_leaves_after_its_answer(faults: Faults) -> None:
    compiler = LastingCompiler(start=faults.child("compile_child.MAX_LASTING_BYTES = 1"))
    pids = set()
    for _ in range(2):
        digest(compiler)
        pids.add(compiler.pid)
        assert compiler.pid is not None
        os.waitid(os.P_PID, compiler.pid, os.WEXITED | os.WNOWAIT)
    compiler.close()

    assert len(pids) == 2


def test_child_that_has_nothing_to_do_leaves(faults: Faults) -> None:
    compiler = LastingCompiler(idle_s=0.01, start=faults.child())
    first = digest(compiler)
    for thread in threading.enumerate():
        if thread.name == "compiler-idle":
            thread.join()

    assert compiler.pid is None
    assert digest(compiler) == first
    compiler.close()


def test_close_ends_a_child_that_is_at_work(
    compiler: LastingCompiler, faults: Faults, tmp_path: Path
) -> None:
    digest(compiler)
    pid, is_hanging = compiler.pid, tmp_path / "is_hanging"
    assert pid is not None
    os.mkfifo(is_hanging)
    faults.happen(f"open({str(is_hanging)!r}, 'w').close()\n{FAULTY['hang']}")
    told: list[list[str]] = []
    asking = threading.Thread(target=lambda: told.append(codes(compiler)))
    asking.start()
    is_hanging.read_text()

    compiler.close()
    asking.join()

    assert has_left(pid)
    assert told == [["F520"]]
    assert codes(compiler) == ["F520"]
    assert compiler.pid is None


def test_first_set_is_compiled_here_only_while_it_is_small(
    compiler: LastingCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = compiler.compile_first(SOURCES, PACKS)
    assert compiler.pid is None

    monkeypatch.setattr(lasting_compiler, "SMALL_CHARACTERS", 10)
    apart = compiler.compile_first(SOURCES, PACKS)

    assert compiler.pid is not None
    assert here.program is not None
    assert apart.program is not None
    assert apart.program.digest == here.program.digest


def test_child_leaves_when_its_sidecar_is_gone() -> None:
    child = CompilerProcess()
    assert child.compile(SOURCES, PACKS).program is not None
    process = child._child
    assert process.stdin is not None
    process.stdin.close()

    assert process.wait(20) == 0
    child.close()


def test_time_limit_is_that_of_one_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []
    monkeypatch.setattr(
        compile_child.resource, "setrlimit", lambda _what, pair: limits.append(pair[0])
    )
    monkeypatch.setattr(compile_child, "MAX_CPU_S", 7)

    compile_child._limit_time()

    used = compile_child.resource.getrusage(compile_child.resource.RUSAGE_SELF)
    assert 6 <= limits[0] - int(used.ru_utime + used.ru_stime) <= 8


def test_memory_of_a_child_is_not_that_of_its_large_parent() -> None:
    """Else every child of a sidecar that has grown would leave after its first answer."""
    child = (
        "import sys; from consentry.pdp import compile_child; print(compile_child._peak_bytes())"
    )
    parent = (
        "import subprocess, sys\n"
        "held = bytearray(300 * 1024 * 1024)\n"
        "held[::4096] = b'1' * len(held[::4096])\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", parent], capture_output=True, text=True, check=True
    )
    assert 0 < int(done.stdout) < 200 * 1024 * 1024


def test_child_rests_after_short_pieces_of_its_own_work() -> None:
    rests: list[float] = []

    with compile_child.resting(rest=rests.append):
        while len(rests) < 3:
            sum(range(1_000))
    seen = len(rests)
    began_s = time.process_time()
    while time.process_time() - began_s < 10 * compile_child.WORK_S:
        sum(range(1_000))

    assert set(rests) == {compile_child.REST_S}
    assert len(rests) == seen


def test_child_that_gets_no_time_does_not_rest_as_well() -> None:
    rests: list[float] = []
    looks = 0

    def stands_still() -> float:
        nonlocal looks
        looks += 1
        return 1.0

    with compile_child.resting(stands_still, rests.append):
        while looks < 3:
            sum(range(1_000))

    assert rests == []


@pytest.mark.parametrize(("verb", "gives_way"), [("compile_first", False), ("compile", True)])
def test_child_gives_way_unless_nobody_asks_anything_yet(
    faults: Faults, tmp_path: Path, verb: str, gives_way: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lasting_compiler, "SMALL_CHARACTERS", 0)
    told = tmp_path / "rested"
    first = (
        "real_resting = compile_child.resting\n"
        f"compile_child.resting = lambda: (pathlib.Path({str(told)!r}).touch(), real_resting())[1]"
    )
    compiler = LastingCompiler(start=faults.child(first))

    result = getattr(compiler, verb)(SOURCES, PACKS)
    compiler.close()

    assert result.program is not None
    assert told.exists() is gives_way


def test_child_loads_the_compiler_when_it_knows_whether_to_give_way() -> None:
    script = (
        "import sys, consentry.pdp.compile_child\n"
        "print([name for name in sys.modules if name.startswith(('lark', 'consentry.compiler'))])"
    )

    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )

    assert told.stdout.strip() == "[]"
