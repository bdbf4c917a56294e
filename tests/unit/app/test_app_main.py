"""The command line itself: verbs, help, what is imported when."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from consentry.app.exit_codes import ExitCode
from consentry.app.main import VERBS, build_parser, load_verb, run
from consentry.app.output import Console, console, counted


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_parser_with_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = load_verb(verb).build_parser()

    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--help"])

    assert caught.value.code == 0
    assert f"usage: consentry {verb}" in capsys.readouterr().out


def test_help_names_every_verb_and_exit_status() -> None:
    text = build_parser().format_help()

    assert all(f"  {verb} " in text for verb in VERBS)
    assert all(f"  {int(code)} " in text for code in ExitCode)


@pytest.mark.parametrize("words", [[], ["chekc"], ["check", "--no-such-flag"]])
def test_wrong_usage_leaves_with_two(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(words)

    assert caught.value.code == ExitCode.USAGE


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("consentry 0.")


def test_author_verbs_do_not_load_the_server() -> None:
    code = (
        "import sys; from consentry.app.main import load_verb; "
        "[load_verb(v) for v in ('check', 'fmt', 'test', 'eval', 'version')]; "
        "print([m for m in ('grpc', 'google.protobuf', 'starlette', 'uvicorn', 'apsw', 'pydantic')"
        " if m in sys.modules])"
    )

    told = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert told.strip() == "[]"


def test_colour_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert console(Terminal()).has_colour
    assert not console(io.StringIO()).has_colour

    monkeypatch.setenv("NO_COLOR", "1")
    assert not console(Terminal()).has_colour


def test_style_adds_nothing_without_colour() -> None:
    assert Console(io.StringIO(), has_colour=False).styled("x", "red") == "x"
    assert Console(io.StringIO(), has_colour=True).styled("x", "red") == "\x1b[31mx\x1b[0m"


def test_counted_speaks_plainly() -> None:
    assert [counted(n, "error") for n in (0, 1, 1200)] == ["0 errors", "1 error", "1,200 errors"]
