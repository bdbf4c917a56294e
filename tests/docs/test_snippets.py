"""Every command and snippet of the documentation is run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from consentry.author.policy_tests import run_policy_tests
from consentry.compiler.compile import CompileResult, compile_policies
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.pdp.sources import read_packs
from tests.support.sidecar import RunningSidecar, running_sidecar
from tests.support.snippets import Snippet, documents, missing_line, snippets_of, steps_of
from tests.support.tools import go_program, tool

ROOT = Path(__file__).resolve().parents[2]
ALL = [snippet for document in documents(ROOT) for snippet in snippets_of(document)]
KNOWN = {"policy", "console", "python", "json", "toml", "yaml", "text", "promql", "sh"}


def of(language: str) -> list[Snippet]:
    return [snippet for snippet in ALL if snippet.language == language]


def by_id(snippet: Snippet) -> str:
    return snippet.id


def compiled(snippet: Snippet) -> CompileResult:
    return compile_policies([Source("snippet.policy", snippet.body)], read_packs())


def test_every_block_says_what_it_is() -> None:
    unknown = [(s.id, s.language) for s in ALL if s.language not in KNOWN]
    unrun = [s.id for s in of("sh") if "not-run" not in s.words]

    assert ALL
    assert unknown == []
    assert unrun == []


@pytest.mark.parametrize("snippet", of("policy"), ids=by_id)
def test_policy_snippet_does_what_its_page_says(snippet: Snippet) -> None:
    if "fragment" in snippet.words:
        assert parse_module(Source("snippet.policy", snippet.body)).diagnostics == ()
        return

    result = compiled(snippet)
    errors = [d.code for d in result.diagnostics if d.is_error]

    if expected := snippet.option("error"):
        assert expected in errors
        return
    assert errors == []
    if "test" in snippet.words:
        report = run_policy_tests(result)
        assert report.outcomes
        assert report.is_passed, report


PARSERS = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}


@pytest.mark.parametrize("snippet", [s for s in ALL if s.language in PARSERS], ids=by_id)
def test_data_snippet_parses(snippet: Snippet) -> None:
    assert PARSERS[snippet.language](snippet.body)


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    state = tmp_path_factory.mktemp("state")
    with running_sidecar(ROOT / "policies", state) as running:
        yield running


@pytest.fixture(scope="module")
def workplaces(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """For each page a copy of what a reader has: policies and the deployment files.

    The snippets of one page build upon one another; those of two pages do not.
    """
    made: dict[Path, Path] = {}

    def workplace_of(page: Path) -> Path:
        if page not in made:
            made[page] = tmp_path_factory.mktemp("workplace")
            for name in ("policies", "deploy", "docs", "proto"):
                shutil.copytree(ROOT / name, made[page] / name)
        return made[page]

    return workplace_of


def environment(sidecar: RunningSidecar) -> dict[str, str]:
    programs = (Path(sys.executable).parent, tool("helm").parent)
    return os.environ | {
        "PATH": os.pathsep.join([*(str(p) for p in programs), os.environ["PATH"]]),
        "CONSENTRY_TARGET": sidecar.target,
        "CONSENTRY_HTTP": sidecar.http,
        "NO_COLOR": "1",
    }


@pytest.mark.parametrize("snippet", of("console"), ids=by_id)
def test_console_snippet_runs(
    snippet: Snippet, sidecar: RunningSidecar, workplaces: Callable[[Path], Path]
) -> None:
    if snippet.option("needs") == "go":
        if shutil.which("go") is None:
            pytest.skip("go is not installed; continuous integration has it")
        go_program("grpcurl")
    workplace = workplaces(snippet.file)
    for step in steps_of(snippet.body):
        done = subprocess.run(
            ["bash", "-c", step.command],
            cwd=workplace,
            env=environment(sidecar),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == int(snippet.option("exit", "0")), output
        assert missing_line(step.expected, output) is None, output


@pytest.mark.parametrize("snippet", of("python"), ids=by_id)
def test_python_snippet_runs(snippet: Snippet, sidecar: RunningSidecar, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", snippet.body],
        cwd=tmp_path,
        env=environment(sidecar),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    shown = re.findall(r"^print\(.*\)  # (.*)$", snippet.body, re.MULTILINE)
    assert missing_line(tuple(shown), done.stdout) is None, done.stdout
