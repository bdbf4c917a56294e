"""`consentry record`: the record of processing activities that the GDPR asks for (Art. 30)."""

from __future__ import annotations

import argparse

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import counted, err
from consentry.app.policy_files import add_path
from consentry.app.publishing import add_publishing, read_publishable, warn_missing, write_or_tell
from consentry.publish.record import render_record_csv, render_record_html

_EXAMPLES = """\
examples:
  consentry record policies --out record.csv
  consentry record policies --format html --language th --out record.html
  consentry record policies --strict            fails where the record has gaps

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry record",
        description=(
            "Write the record of processing activities, one row for each permit. What the law "
            "asks for and the policies do not say stands in the last column as a gap."
        ),
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_path(parser)
    parser.add_argument("--format", choices=["csv", "html"], default="csv", help="default: csv")
    parser.add_argument("--strict", action="store_true", help="leave with 1 where there are gaps")
    add_publishing(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Compiles, writes, and says how many gaps there are."""
    found = read_publishable(options.path)
    if found is None:
        return ExitCode.USAGE
    rows, wording = found.publisher.record(options.language, found.texts(options.language))
    if options.format == "csv":
        text = render_record_csv(rows, wording)
    else:
        text = render_record_html(rows, found.program, wording)
    if not write_or_tell("record", text, options.out):
        return ExitCode.USAGE
    warn_missing(wording.missing, options.language)
    gaps = sum(len(row.gaps) for row in rows)
    if gaps:
        err().line(f"{counted(gaps, 'gap')} in {counted(len(rows), 'activity', 'activities')}")
    return ExitCode.FINDINGS if gaps and options.strict else ExitCode.OK
