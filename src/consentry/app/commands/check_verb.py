"""`consentry check`: everything that is wrong in a policy set, and nothing else."""

from __future__ import annotations

import argparse
from pathlib import Path

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import counted, out
from consentry.app.policy_files import (
    add_path,
    compile_path,
    counts_of,
    diagnostics_json,
    show_diagnostics,
)

_EXAMPLES = """\
examples:
  consentry check policies
  consentry check policies --warnings-as-errors --json

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
    parser.add_argument("--json", action="store_true", help="diagnostics as JSON")
    parser.add_argument(
        "--warnings-as-errors", action="store_true", help="leave with 1 on a warning too"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Compiles and reports."""
    compiled = compile_path(Path(options.path))
    errors, warnings = counts_of(compiled.diagnostics)
    program = compiled.result.program
    is_fine = not errors and not (warnings and options.warnings_as_errors)
    if options.json:
        report = {
            "is_valid": not errors,
            "errors": errors,
            "warnings": warnings,
            "digest": program.digest if program is not None and not errors else "",
            "diagnostics": diagnostics_json(compiled.diagnostics, compiled.sources),
        }
        out().json(report)
    else:
        show_diagnostics(out(), compiled.diagnostics, compiled.sources)
        if program is not None and not errors:
            files = counted(len(compiled.sources), "file")
            rules = counted(len(program.rules), "rule")
            purposes = counted(len(program.purposes), "purpose")
            told = (
                f"ok: {files} (packs included), {purposes}, {rules}, digest {program.digest[:12]}"
            )
            out().line(out().styled(told, "green"))
    return ExitCode.OK if is_fine else ExitCode.FINDINGS
