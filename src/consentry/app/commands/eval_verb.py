"""`consentry eval`: one question, answered by the engine from policies and given events."""

from __future__ import annotations

import argparse
from typing import Final

from consentry.app.decision_text import decision_json, show_decision
from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import out
from consentry.app.question_input import (
    QuestionError,
    add_question,
    compile_asked,
    problems_of,
    read_question,
    show_broken,
    show_refused,
)
from consentry.consent.errors import LedgerError
from consentry.engine.evaluate import evaluate
from consentry.engine.link import link
from consentry.model.decision import Effect
from consentry.model.request import RequestError

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
    try:
        compiled = compile_asked(options)
        result = compiled.result
        if compiled.has_errors or result.symbols is None or result.program is None:
            show_broken(options, compiled)
            return ExitCode.USAGE
        asked = read_question(options, result.symbols)
        decision = evaluate(link(result.program), asked.request, asked.view, asked.now_us)
    except QuestionError as problem:
        show_refused(options, "eval", problem.problems)
        return ExitCode.USAGE
    except RequestError as problem:
        show_refused(options, "eval", problems_of(problem))
        return ExitCode.USAGE
    except LedgerError as problem:
        show_refused(options, "eval", [str(problem)])
        return ExitCode.LEDGER
    if options.json:
        out().json(decision_json(decision))
    else:
        show_decision(out(), decision)
    return ExitCode.OK if decision.effect is Effect.PERMIT else ExitCode.FINDINGS
