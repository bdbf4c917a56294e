"""`consentry check`: everything that is wrong in a policy set, and nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import counted, out
from consentry.app.policy_files import (
    Compiled,
    add_path,
    compile_path,
    counts_of,
    diagnostics_json,
    show_diagnostics,
)
from consentry.app.system import SystemClock
from consentry.diagnostics.codes import CODES
from consentry.diagnostics.diagnostic import Diagnostic, Severity
from consentry.diagnostics.sarif import render_sarif

_EXAMPLES = """\
examples:
  consentry check policies
  consentry check policies --strict                  every warning is an error
  consentry check policies --error W809 --json       this warning is an error; JSON
  consentry check policies --notes                   facts whose omission may widen, too
  consentry check policies --format sarif > findings.sarif

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry check",
        description="Compile a folder of policies and print every diagnostic; nothing is loaded.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_path(parser)
    parser.add_argument(
        "--format",
        choices=("text", "json", "sarif"),
        default="text",
        help="text for people, JSON, or SARIF 2.1.0 for code hosts (default: text)",
    )
    parser.add_argument(
        "--json", action="store_const", dest="format", const="json", help="like --format json"
    )
    parser.add_argument("--strict", action="store_true", help="take every warning as an error")
    parser.add_argument(
        "--error",
        action="append",
        default=[],
        type=_known_code,
        metavar="CODE",
        help="take this warning or note as an error; may be given several times",
    )
    parser.add_argument(
        "--notes", action="store_true", help="also tell where a fact left out may widen"
    )
    return parser


def _known_code(text: str) -> str:
    if text not in CODES:
        raise argparse.ArgumentTypeError(f"no diagnostic has the code {text!r}")
    return text


def run(options: argparse.Namespace) -> int:
    """Compiles and reports."""
    compiled = compile_path(Path(options.path), now_us=SystemClock().now_us())
    notes = [n for n in compiled.result.notes if options.notes or n.code in options.error]
    diagnostics = tuple(
        _as_asked(diagnostic, options.error, is_strict=options.strict)
        for diagnostic in (*compiled.diagnostics, *notes)
    )
    errors, _ = counts_of(diagnostics)
    match options.format:
        case "sarif":
            _show_sarif(Path(options.path), compiled, diagnostics)
        case "json":
            _show_json(compiled, diagnostics)
        case _:
            _show_text(compiled, diagnostics)
    return ExitCode.FINDINGS if errors else ExitCode.OK


def _as_asked(diagnostic: Diagnostic, codes: Iterable[str], *, is_strict: bool) -> Diagnostic:
    """The diagnostic, as an error where the command line takes it so."""
    is_warning = diagnostic.severity is Severity.WARNING
    if diagnostic.code in codes or (is_warning and is_strict):
        return replace(diagnostic, severity=Severity.ERROR)
    return diagnostic


def _show_json(compiled: Compiled, diagnostics: tuple[Diagnostic, ...]) -> None:
    errors, warnings = counts_of(diagnostics)
    program = compiled.result.program
    report = {
        "is_valid": not errors,
        "errors": errors,
        "warnings": warnings,
        "digest": program.digest if program is not None and not errors else "",
        "diagnostics": diagnostics_json(diagnostics, compiled.sources),
    }
    out().json(report)


def _show_sarif(path: Path, compiled: Compiled, diagnostics: tuple[Diagnostic, ...]) -> None:
    folder = path.parent if path.is_file() else path
    own = {module.file for module in compiled.result.modules}

    def path_of(name: str) -> str:
        return (folder / name).as_posix() if name in own else name

    log = render_sarif(
        diagnostics, compiled.sources, tool_version=version("consentry"), path_of=path_of
    )
    out().json(log)


def _show_text(compiled: Compiled, diagnostics: tuple[Diagnostic, ...]) -> None:
    show_diagnostics(out(), diagnostics, compiled.sources)
    program = compiled.result.program
    errors, _ = counts_of(diagnostics)
    if program is None or errors:
        return
    files = counted(len(compiled.sources), "file")
    rules = counted(len(program.rules), "rule")
    purposes = counted(len(program.purposes), "purpose")
    told = f"ok: {files} (packs included), {purposes}, {rules}, digest {program.digest[:12]}"
    out().line(out().styled(told, "green"))
