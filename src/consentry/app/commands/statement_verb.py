"""`consentry statement`: the public statement of what is done with people's data, and why."""

from __future__ import annotations

import argparse

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.policy_files import add_path
from consentry.app.publishing import add_publishing, read_publishable, warn_missing, write_or_tell
from consentry.publish.publisher import Format

_EXAMPLES = """\
examples:
  consentry statement policies --out statement.html
  consentry statement policies --format markdown --language th
  consentry statement policies --since ARCHIVE:DIGEST --out statement.html   what changed, too

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry statement",
        description=(
            "Write the public statement of a policy set: mission, promises, purposes, data, "
            "activities, limits, laws, rights. The same policies give the same bytes."
        ),
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_path(parser)
    parser.add_argument(
        "--format", choices=[kind.value for kind in Format], default="html", help="default: html"
    )
    parser.add_argument(
        "--since",
        metavar="SET",
        help="the version before, a path or ARCHIVE:DIGEST: what changed since is told",
    )
    add_publishing(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Compiles, writes, and says what is not translated."""
    current = read_publishable(options.path)
    previous = None if options.since is None else read_publishable(options.since)
    if current is None or (options.since is not None and previous is None):
        return ExitCode.USAGE
    published = current.publisher.statement(
        Format(options.format),
        options.language,
        current.texts(options.language),
        previous=None if previous is None else previous.program,
    )
    if not write_or_tell("statement", published.text, options.out):
        return ExitCode.USAGE
    warn_missing(published.missing, options.language)
    return ExitCode.OK
