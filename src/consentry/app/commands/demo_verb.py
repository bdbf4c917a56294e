"""`consentry demo`: the story of one consent, told by real processes; ends by itself."""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from pathlib import Path

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import err, out


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry demo",
        description=(
            "Start a real sidecar in a temporary folder and let three departments ask it. Every "
            "step asserts what it tells; a step that does not hold is named, with status 1."
        ),
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--policies",
        type=Path,
        default=Path("policies"),
        metavar="DIR",
        help="the shop's policies (default: policies); they are copied, not changed",
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Tells the story; leaves nothing behind, however it ends."""
    from consentry.app.demo.narrator import Narrator, StepFailedError  # noqa: PLC0415 - demo only
    from consentry.app.demo.story import Story  # noqa: PLC0415 - the product does not load it

    if not options.policies.is_dir():
        err().line(f"consentry demo: there is no folder {options.policies}; say --policies DIR")
        return ExitCode.USAGE
    # Whoever ends the story ends its processes too: SIGTERM takes the way of Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began_s = time.monotonic()
    console = out()
    with tempfile.TemporaryDirectory(prefix="consentry-demo-") as folder:
        try:
            with Story(Narrator(console), options.policies, Path(folder)) as story:
                story.tell()
        except StepFailedError as problem:
            console.line()
            err().line(err().styled(f"The story does not hold: {problem}", "red"))
            return ExitCode.FINDINGS
    console.line()
    took_s = time.monotonic() - began_s
    console.line(console.styled(f"The story holds, step by step. ({took_s:.1f} s)", "green"))
    return ExitCode.OK
