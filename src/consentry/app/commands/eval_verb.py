"""`consentry eval`: one question, answered by the engine from policies and given events."""

from __future__ import annotations

import argparse
from typing import Final

from consentry.app.decision_text import decision_json, show_decision
from consentry.app.exit_codes import EXIT_CODES_HELP
from consentry.app.output import out
from consentry.app.policy_files import Compiled
from consentry.app.question_input import add_question
from consentry.app.question_verb import answer
from consentry.author.explanation import Question
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram
from consentry.model.decision import Decision

_EXAMPLES: Final = """\
examples:
  consentry eval policies --principal service:campaign-mailer --action contact \\
      --data customer.contact.email --purpose marketing.email --channel email \\
      --subject s-1 --subject-attr country=DE \\
      --event 'gave marketing under notice "2026-03" on 2026-03-10' --at 2026-05-01T09:00:00Z
  consentry eval policies --principal person:ana --role support --action read \\
      --data customer.contact --purpose service.support --subject s-1 --context ticket=SR-7

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry eval",
        description="Answer one question from a policy set; 0 permits, 1 denies.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_question(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Compiles, asks, prints."""

    def tell(_compiled: Compiled, linked: LinkedProgram, asked: Question) -> Decision:
        decision = evaluate(linked, asked.request, asked.view, asked.now_us)
        if options.json:
            out().json(decision_json(decision))
        else:
            show_decision(out(), decision)
        return decision

    return answer(options, "eval", tell)
