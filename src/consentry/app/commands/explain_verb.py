"""`consentry explain`: why an answer is as it is, and the smallest change that would turn it."""

from __future__ import annotations

import argparse
from typing import Final

from consentry.app.exit_codes import EXIT_CODES_HELP
from consentry.app.output import out
from consentry.app.policy_files import Compiled
from consentry.app.question_input import add_question
from consentry.app.question_verb import answer
from consentry.author.condition_parts import condition_parts
from consentry.author.explain import explain
from consentry.author.explain_json import explanation_json
from consentry.author.explain_text import render_text
from consentry.author.explanation import Question, Reader
from consentry.engine.link import LinkedProgram
from consentry.model.decision import Decision

_EXAMPLES: Final = """\
examples:
  consentry explain policies --principal service:campaign-mailer --action contact \\
      --data customer.contact.email --purpose marketing.email --channel email \\
      --subject s-1 --subject-attr country=DE --at 2026-05-01T09:00:00Z
  consentry explain policies --question asked.json --state /var/lib/consentry
  consentry explain --question asked.json --state /var/lib/consentry \\
      --at 2026-05-01T09:00:00Z --position 812 --policy-digest 3fa2... --for officer

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry explain",
        description=(
            "Say why the answer to one question is as it is: every rule that was looked at, the "
            "laws, the person's own acts, and the smallest changes that would turn it, each of "
            "them tried. 0 permits, 1 denies."
        ),
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_question(parser)
    parser.add_argument(
        "--for",
        dest="reader",
        choices=[reader.value for reader in Reader],
        default=Reader.DEVELOPER.value,
        help="who reads it (default: developer); for the customer it is one sentence",
    )
    parser.add_argument(
        "--no-changes", action="store_true", help="do not search for what would turn the answer"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Compiles, asks, explains."""

    def tell(compiled: Compiled, linked: LinkedProgram, asked: Question) -> Decision:
        told = explain(
            linked,
            asked.request,
            asked.view,
            asked.now_us,
            with_flips=not options.no_changes,
            parts_of=condition_parts(compiled.result, compiled.sources),
        )
        if options.json:
            out().json(explanation_json(told))
        else:
            out().line(render_text(told, Reader(options.reader)).rstrip("\n"))
        return told.decision

    return answer(options, "explain", tell)
