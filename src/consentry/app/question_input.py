"""A question from the command line: options, or a JSON file, with events given or from a ledger.

Facts and events are typed by the policy set's own declarations: they are put into the words of a
policy test and read by the language's parser, so that there is one grammar for both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from consentry.app.output import err, out
from consentry.app.policy_files import (
    Compiled,
    add_path,
    compile_path,
    diagnostics_json,
    show_diagnostics,
)
from consentry.author.explanation import Question
from consentry.author.scenario import (
    BUILT_IN_TYPES,
    Facts,
    ScenarioError,
    events_of,
    facts_of,
    moment_us,
    request_of,
)
from consentry.compiler.symbols import Symbols
from consentry.consent.resolver import SubjectView
from consentry.diagnostics.span import Source, Span
from consentry.lang.parse import parse_module
from consentry.lang.tree import Check, Name, PartyRef, TestDecl, Text
from consentry.model.consent import ConsentEvent
from consentry.model.request import Request, RequestError

_FILE: Final = "<command line>"
_NOWHERE: Final = Span(_FILE, 0, 0, 1, 1)
# Option, owner of the attribute, help.
_FACT_OPTIONS: Final[tuple[tuple[str, str, str], ...]] = (
    ("--principal-attr", "principal", "an attribute of the principal"),
    ("--subject-attr", "subject", "an attribute of the person"),
    ("--recipient-attr", "recipient", "an attribute, or the country, of the recipient"),
    ("--resource-attr", "resource", "an attribute of the record, or collected_at"),
    ("--context", "context", "an attribute of the context"),
    ("--signal", "signal", "a signal, such as gpc=true"),
)
_OF_EVERYBODY: Final = ("principal", "action", "data")
_REQUIRED: Final = (*_OF_EVERYBODY, "subject")


class QuestionError(Exception):
    """The command line cannot be turned into a question; `problems` say why, for its author."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def add_question(parser: argparse.ArgumentParser) -> None:
    """The options of every verb that asks one question."""
    add_path(parser)
    asks = _add_asked(parser)
    asks.add_argument("--subject", metavar="ID", help="whose data it is")
    asks.add_argument("--partial", action="store_true", help="grant what may be granted")
    facts = _add_facts(parser, _FACT_OPTIONS)
    facts.add_argument(
        "--event", action="append", default=[], metavar="TEXT", help="as after `given` in a test"
    )
    past = parser.add_argument_group("a sidecar's own state")
    past.add_argument(
        "--state", metavar="FOLDER", help="take the person's events from this sidecar's ledger"
    )
    past.add_argument(
        "--position", type=int, metavar="N", help="only events up to this ledger position"
    )
    past.add_argument(
        "--policy-digest", metavar="HEX", help="the archived policy set, in place of PATH"
    )
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.set_defaults(asks_for=_REQUIRED)


def add_question_about_everybody(parser: argparse.ArgumentParser) -> None:
    """The options of a verb whose question is about no one person."""
    add_path(parser)
    _add_asked(parser)
    _add_facts(parser, [option for option in _FACT_OPTIONS if option[1] != "subject"])
    parser.set_defaults(
        asks_for=_OF_EVERYBODY,
        subject=None, subject_facts=[], partial=False, event=[], policy_digest=None,
    )  # fmt: skip


def _add_asked(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    asks = parser.add_argument_group("the question")
    asks.add_argument("--principal", metavar="KIND:ID", help="service:, person:, agent: or job:")
    asks.add_argument("--role", action="append", default=[], help="a role; may repeat")
    asks.add_argument("--controller", help="the controller that the principal acts for")
    asks.add_argument("--action", help="such as read or contact")
    asks.add_argument("--data", nargs="+", metavar="PATH", help="nodes of the tree")
    asks.add_argument("--purpose", default="", help="what for")
    asks.add_argument("--channel", help="such as email")
    asks.add_argument("--recipient", metavar="KIND:NAME", help="recipient:ID, role: or country:")
    asks.add_argument(
        "--question",
        metavar="FILE",
        help="a CheckRequest as JSON, in place of the options above; - reads standard input",
    )
    return asks


def _add_facts(
    parser: argparse.ArgumentParser, options: Sequence[tuple[str, str, str]]
) -> argparse._ArgumentGroup:
    facts = parser.add_argument_group("facts", "typed by the `attributes` of the policies")
    for option, owner, text in options:
        facts.add_argument(
            option, dest=f"{owner}_facts", action="append", default=[], metavar="K=V", help=text
        )
    facts.add_argument("--at", metavar="TIME", help="a date or a UTC time (default: now)")
    return facts


def compile_asked(options: argparse.Namespace) -> Compiled:
    """The policy set that is asked: the archived one, or that of the path.

    Raises:
        QuestionError: there is no such set in the archive.
    """
    if options.policy_digest is None:
        return compile_path(Path(options.path))
    if options.state is None:
        raise QuestionError("--policy-digest needs --state, whose archive has the set")
    from consentry.app.state_input import compile_archived  # noqa: PLC0415 - seldom needed

    return compile_archived(Path(options.state), options.policy_digest)


def read_question(options: argparse.Namespace, symbols: Symbols) -> Question:
    """The question of the command line.

    Raises:
        QuestionError: the words do not make a question.
        LedgerError: the ledger of `--state` cannot be read.
    """
    try:
        test, request, now_us = _read_asked(options, symbols)
        subject_id = request.data_subject.id if request.data_subject is not None else ""
        if options.state is not None:
            return Question(
                request=request, view=_ledger_view(options, subject_id, now_us), now_us=now_us
            )
        if options.position is not None:
            raise QuestionError("--position needs --state, whose ledger has positions")
        events = events_of(test.events, symbols, subject_id)
    except ScenarioError as problem:
        raise QuestionError(str(problem)) from None
    _refuse_future(events, now_us)
    return Question(request=request, view=_given_view(events, now_us), now_us=now_us)


def read_question_about_everybody(
    options: argparse.Namespace, symbols: Symbols
) -> tuple[Request, int]:
    """The question of the command line, without a data subject, and its moment.

    Raises:
        QuestionError: the words do not make a question, or it is about one person.
    """
    try:
        _, request, now_us = _read_asked(options, symbols)
    except ScenarioError as problem:
        raise QuestionError(str(problem)) from None
    if options.question is not None and request.data_subject is not None:
        raise QuestionError("a plan is about everybody: leave `subject` out")
    return replace(request, data_subject=None), now_us


def _read_asked(options: argparse.Namespace, symbols: Symbols) -> tuple[TestDecl, Request, int]:
    """The body of a test that says the facts, the request, and the moment."""
    test = _read(options, symbols)
    now_us = moment_us(test.at) if test.at is not None else time.time_ns() // 1000
    if options.question is not None:
        return test, _request_of_file(options), now_us
    return test, _request(options, facts_of(symbols, test.facts)), now_us


def show_broken(options: argparse.Namespace, compiled: Compiled) -> None:
    """Says that the policies have errors, and which."""
    if options.json:
        told = diagnostics_json(compiled.diagnostics, compiled.sources)
        out().json({"error": "the policies have errors", "diagnostics": told})
    else:
        show_diagnostics(err(), compiled.diagnostics, compiled.sources)


def show_refused(options: argparse.Namespace, verb: str, problems: Sequence[str]) -> None:
    """Says that no question could be asked, and why."""
    if options.json:
        out().json({"error": "no question could be asked", "problems": list(problems)})
    for problem in problems:
        err().line(f"consentry {verb}: {problem}")


def problems_of(error: RequestError) -> list[str]:
    """What the engine says is wrong with a request, one line a field."""
    return [f"{violation.field}: {violation.message}" for violation in error.violations]


def _given_view(events: Sequence[ConsentEvent], now_us: int) -> SubjectView:
    revision = max((event.position for event in events), default=0)
    return SubjectView(events, revision=revision, position=len(events), read_at_us=now_us)


def _ledger_view(options: argparse.Namespace, subject_id: str, now_us: int) -> SubjectView:
    if options.event:
        raise QuestionError("--event and --state are two sources of events: give one")
    from consentry.app.state_input import read_person  # noqa: PLC0415 - seldom needed

    return read_person(Path(options.state), subject_id, options.position, now_us)


def _request_of_file(options: argparse.Namespace) -> Request:
    given = [f"--{name}" for name in options.asks_for if getattr(options, name)]
    given += [option for option, owner, _ in _FACT_OPTIONS if getattr(options, f"{owner}_facts")]
    if given:
        raise QuestionError(f"--question holds the whole question: leave out {', '.join(given)}")
    from consentry.app.question_json import read_request  # noqa: PLC0415 - seldom needed

    try:
        return read_request(options.question)
    except RequestError as problem:
        raise QuestionError(*problems_of(problem)) from None
    except OSError as problem:
        why = (problem.strerror or "unknown error").lower()
        raise QuestionError(f"`{options.question}` cannot be read: {why}") from None
    except ValueError as problem:
        raise QuestionError(f"`{options.question}` is not a CheckRequest: {problem}") from None


def _refuse_future(events: Sequence[ConsentEvent], now_us: int) -> None:
    # It would be silently invisible, which on a command line is a typo in a year.
    for event in events:
        if event.received_at_us > now_us:
            raise QuestionError(f"an event ({event.kind}) is later than --at; it would not be seen")


def _read(options: argparse.Namespace, symbols: Symbols) -> TestDecl:
    """Parses facts, events and the moment as the body of a policy test."""
    lines = ["test command_line {"]
    for _option, owner, _text in _FACT_OPTIONS:
        pairs = [_pair(symbols, owner, word) for word in getattr(options, f"{owner}_facts")]
        if pairs:
            lines.append(f"given {owner} {{ {', '.join(pairs)} }}")
    lines += [f"given {event}" for event in options.event]
    lines += [f"at {options.at}"] if options.at else []
    lines += ['check service "x" may read x for x', "expect permit", "}"]
    source = Source(name=_FILE, text="\n".join(lines) + "\n")
    parsed = parse_module(source)
    if any(diagnostic.is_error for diagnostic in parsed.diagnostics):
        show_diagnostics(err(), parsed.diagnostics, {_FILE: source})
        raise QuestionError("a fact, an event or the moment cannot be read")
    tests = [item for item in parsed.module.declarations if isinstance(item, TestDecl)]
    if len(tests) != 1:
        raise QuestionError("a fact or an event may not hold a declaration")
    return tests[0]


def _pair(symbols: Symbols, owner: str, word: str) -> str:
    name, equals, value = word.partition("=")
    if not equals:
        raise QuestionError(f"`{word}` is not NAME=VALUE")
    declared = symbols.attributes.get((owner, name))
    type_name = declared.type if declared is not None else BUILT_IN_TYPES.get((owner, name))
    if type_name is None:
        raise QuestionError(f"`{owner}.{name}` is not a declared attribute")
    if type_name.startswith("list of "):
        item_type = type_name.removeprefix("list of ")
        items = [_literal(item_type, item.strip()) for item in value.split(",") if item.strip()]
        return f"{name} = [{', '.join(items)}]"
    return f"{name} = {_literal(type_name, value)}"


def _literal(type_name: str, value: str) -> str:
    if type_name not in ("text", "ip", "purpose"):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _request(options: argparse.Namespace, facts: Facts) -> Request:
    missing = [f"--{name}" for name in options.asks_for if not getattr(options, name)]
    if missing:
        raise QuestionError(f"say {', '.join(missing)}, or give the question as a file")
    principal = facts.by_owner.setdefault("principal", {})
    if options.role:
        principal["roles"] = tuple(options.role)
    if options.controller:
        principal["controller"] = options.controller
    if options.subject is not None:
        facts.by_owner.setdefault("subject", {})["id"] = options.subject
    check = Check(
        principal=_party("--principal", options.principal),
        facts=(),
        action=_name(options.action),
        data=tuple(_name(path) for path in options.data),
        purpose=_name(options.purpose),
        channel=_name(options.channel) if options.channel else None,
        recipient=_party("--recipient", options.recipient) if options.recipient else None,
        span=_NOWHERE,
    )
    return replace(request_of(check, facts), partial=options.partial)


def _name(text: str) -> Name:
    return Name(text=text, span=_NOWHERE)


def _party(option: str, word: str) -> PartyRef:
    kind, colon, name = word.partition(":")
    kinds: tuple[str, ...] = ("service", "person", "agent", "job")
    if option == "--recipient":
        kinds = ("recipient", "role", "country", *kinds)
    if not colon or not name or kind not in kinds:
        raise QuestionError(f"{option} `{word}` is not KIND:NAME with a kind of {', '.join(kinds)}")
    return PartyRef(kind=_name(kind), name=Text(value=name, span=_NOWHERE), span=_NOWHERE)
