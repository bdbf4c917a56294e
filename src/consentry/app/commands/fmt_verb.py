"""`consentry fmt`: the one canonical format, in place, never half-written."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import counted, err, out
from consentry.app.policy_files import add_path, diagnostics_json, read_path, show_diagnostics
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.printer import format_module

_EXAMPLES = """\
examples:
  consentry fmt policies                  writes the files that differ
  consentry fmt --check --diff policies   shows what would change, writes nothing
  consentry fmt - < rules.policy          from standard input to standard output

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formatted:
    """One file before and after; `after` is None when it cannot be read as policy."""

    source: Source
    after: str | None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether the canonical text is another one."""
        return self.after is not None and self.after != self.source.text


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry fmt",
        description="Write policies in the canonical format. A file with syntax errors is left.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_path(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a file differs")
    parser.add_argument("--diff", action="store_true", help="show what changes; write nothing")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    return parser


def format_source(source: Source) -> Formatted:
    """The canonical text of one file, or what keeps it from being read."""
    parsed = parse_module(source)
    if any(diagnostic.is_error for diagnostic in parsed.diagnostics):
        return Formatted(source=source, after=None, diagnostics=parsed.diagnostics)
    return Formatted(source=source, after=format_module(parsed.module))


def run(options: argparse.Namespace) -> int:
    """Formats, compares or writes."""
    if options.path == "-":
        return _filter()
    path = Path(options.path)
    sources, unread = read_path(path)
    formatted = [format_source(source) for source in sources]
    is_dry = options.check or options.diff
    changed = [item for item in formatted if item.is_changed]
    if not is_dry:
        root = path.parent if path.is_file() else path
        for item in changed:
            write_atomically(root / item.source.name, item.after or "")
    diagnostics = (*unread, *(d for item in formatted for d in item.diagnostics))
    _report(options, formatted, changed, diagnostics)
    is_findings = any(d.is_error for d in diagnostics) or (options.check and changed)
    return ExitCode.FINDINGS if is_findings else ExitCode.OK


def _report(
    options: argparse.Namespace,
    formatted: list[Formatted],
    changed: list[Formatted],
    diagnostics: tuple[Diagnostic, ...],
) -> None:
    sources = {item.source.name: item.source for item in formatted}
    if options.json:
        out().json(
            {
                "files": len(formatted),
                "changed": [item.source.name for item in changed],
                "is_written": not (options.check or options.diff),
                "diagnostics": diagnostics_json(diagnostics, sources),
            }
        )
        return
    if options.diff:
        for item in changed:
            sys.stdout.write(_diff(item))
    show_diagnostics(err(), diagnostics, sources)
    did = "would be formatted" if options.check or options.diff else "formatted"
    for item in changed:
        out().line(f"{did}: {item.source.name}")
    left = len(formatted) - len(changed) - sum(item.after is None for item in formatted)
    out().line(f"{counted(len(changed), 'file')} {did}, {left:,} as they should be")


def _diff(item: Formatted) -> str:
    return "".join(
        difflib.unified_diff(
            item.source.text.splitlines(keepends=True),
            (item.after or "").splitlines(keepends=True),
            fromfile=item.source.name,
            tofile=f"{item.source.name} (formatted)",
        )
    )


def _filter() -> int:
    source = Source(name="<stdin>", text=sys.stdin.read())
    item = format_source(source)
    if item.after is None:
        show_diagnostics(err(), item.diagnostics, {source.name: source})
        return ExitCode.FINDINGS
    sys.stdout.write(item.after)
    return ExitCode.OK


def write_atomically(path: Path, text: str) -> None:
    """Replaces a file in one step, so that a reader sees the old text or the new, whole.

    Keeps the file's mode, and the link when `path` is one.
    """
    target = path.resolve()
    mode = target.stat().st_mode
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
