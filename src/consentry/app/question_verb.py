"""What every verb that asks one question does around the asking: compile, read, refuse, exit."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from consentry.app.exit_codes import ExitCode
from consentry.app.policy_files import Compiled
from consentry.app.question_input import (
    QuestionError,
    compile_asked,
    problems_of,
    read_question,
    show_broken,
    show_refused,
)
from consentry.author.explanation import Question
from consentry.consent.errors import LedgerError
from consentry.engine.link import LinkedProgram, link
from consentry.model.decision import Decision, Effect
from consentry.model.request import RequestError


def answer(
    options: argparse.Namespace,
    verb: str,
    tell: Callable[[Compiled, LinkedProgram, Question], Decision],
) -> int:
    """The exit status: that of the decision which `tell` asked for and told, or of what failed."""
    try:
        compiled = compile_asked(options)
        result = compiled.result
        if compiled.has_errors or result.symbols is None or result.program is None:
            show_broken(options, compiled)
            return ExitCode.USAGE
        decision = tell(compiled, link(result.program), read_question(options, result.symbols))
    except QuestionError as problem:
        show_refused(options, verb, problem.problems)
        return ExitCode.USAGE
    except RequestError as problem:
        show_refused(options, verb, problems_of(problem))
        return ExitCode.USAGE
    except LedgerError as problem:
        show_refused(options, verb, [str(problem)])
        return ExitCode.LEDGER
    return ExitCode.OK if decision.effect is Effect.PERMIT else ExitCode.FINDINGS
