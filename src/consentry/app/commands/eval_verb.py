"""`consentry eval`: one question, answered by the engine from policies and given events.

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

from consentry.app.decision_text import decision_json, show_decision
from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import err, out
from consentry.app.policy_files import add_path, compile_path, diagnostics_json, show_diagnostics
from consentry.author.scenario import (
    BUILT_IN_TYPES,
    Facts,
    ScenarioError,
    events_of,
    facts_of,
    moment_us,
    request_of,
)
from consentry.compiler.compile import CompileResult
from consentry.compiler.symbols import Symbols
from consentry.consent.resolver import SubjectView
from consentry.diagnostics.span import Source, Span
from consentry.engine.evaluate import evaluate
from consentry.engine.link import link
from consentry.lang.parse import parse_module
from consentry.lang.tree import Check, Name, PartyRef, TestDecl, Text
from consentry.model.consent import ConsentEvent
from consentry.model.decision import Decision, Effect
from consentry.model.request import Request, RequestError

_EXAMPLES: Final = """\
examples:
  consentry eval policies --principal service:campaign-mailer --action contact \\
      --data customer.contact.email --purpose marketing.email --channel email \\
      --subject s-1 --subject-attr country=DE \\
      --event 'gave marketing under notice "2026-03" on 2026-03-10' --at 2026-05-01T09:00:00Z
  consentry eval policies --principal person:ana --role support --action read \\
      --data customer.contact --purpose service.support --subject s-1 --context ticket=SR-7

"""
_FILE: Final = "<command line>"
_NOWHERE: Final = Span(_FILE, 0, 0, 1, 1)
# Option, owner of the attribute, help.
_FACT_OPTIONS: Final = (
    ("--principal-attr", "principal", "an attribute of the principal"),
    ("--subject-attr", "subject", "an attribute of the person"),
    ("--recipient-attr", "recipient", "an attribute, or the country, of the recipient"),
    ("--resource-attr", "resource", "an attribute of the record, or collected_at"),
    ("--context", "context", "an attribute of the context"),
    ("--signal", "signal", "a signal, such as gpc=true"),
)


class UsageError(Exception):
    """The command line cannot be turned into a question."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry eval",
        description="Answer one question from a policy set; 0 permits, 1 denies.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_path(parser)
    asks = parser.add_argument_group("the question")
    asks.add_argument(
        "--principal", required=True, metavar="KIND:ID", help="service:, person:, agent: or job:"
    )
    asks.add_argument("--role", action="append", default=[], help="a role; may repeat")
    asks.add_argument("--controller", help="the controller that the principal acts for")
    asks.add_argument("--action", required=True, help="such as read or contact")
    asks.add_argument("--data", required=True, nargs="+", metavar="PATH", help="nodes of the tree")
    asks.add_argument("--subject", required=True, metavar="ID", help="whose data it is")
    asks.add_argument("--purpose", default="", help="what for")
    asks.add_argument("--channel", help="such as email")
    asks.add_argument("--recipient", metavar="KIND:NAME", help="recipient:ID, role: or country:")
    asks.add_argument("--partial", action="store_true", help="grant what may be granted")
    facts = parser.add_argument_group("facts", "typed by the `attributes` of the policies")
    for option, owner, text in _FACT_OPTIONS:
        facts.add_argument(
            option, dest=f"{owner}_facts", action="append", default=[], metavar="K=V", help=text
        )
    facts.add_argument(
        "--event", action="append", default=[], metavar="TEXT", help="as after `given` in a test"
    )
    facts.add_argument("--at", metavar="TIME", help="a date or a UTC time (default: now)")
    parser.add_argument("--json", action="store_true", help="the decision as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Compiles, asks, prints."""
    compiled = compile_path(Path(options.path))
    if compiled.has_errors or compiled.result.symbols is None:
        if options.json:
            told = diagnostics_json(compiled.diagnostics, compiled.sources)
            out().json({"error": "the policies have errors", "diagnostics": told})
        else:
            show_diagnostics(err(), compiled.diagnostics, compiled.sources)
        return ExitCode.USAGE
    try:
        decision = decide(options, compiled.result, compiled.result.symbols)
    except (UsageError, ScenarioError) as problem:
        return _refuse(options, [str(problem)])
    except RequestError as problem:
        return _refuse(options, [f"{v.field}: {v.message}" for v in problem.violations])
    if options.json:
        out().json(decision_json(decision))
    else:
        show_decision(out(), decision)
    return ExitCode.OK if decision.effect is Effect.PERMIT else ExitCode.FINDINGS


def _refuse(options: argparse.Namespace, problems: Sequence[str]) -> int:
    if options.json:
        out().json({"error": "no question could be asked", "problems": list(problems)})
    for problem in problems:
        err().line(f"consentry eval: {problem}")
    return ExitCode.USAGE


def decide(options: argparse.Namespace, result: CompileResult, symbols: Symbols) -> Decision:
    """The engine's answer to the question of the command line.

    Raises:
        UsageError, ScenarioError: the words of the command line do not make a question.
        RequestError: the engine takes no such question.
    """
    if result.program is None:
        raise UsageError("the policies have errors")
    test = _read(options, symbols)
    facts = facts_of(symbols, test.facts)
    events = events_of(test.events, symbols, options.subject)
    now_us = moment_us(test.at) if test.at is not None else time.time_ns() // 1000
    position = len(events)
    revision = max((event.position for event in events), default=0)
    view = SubjectView(events=events, revision=revision, position=position, read_at_us=now_us)
    request = _request(options, facts)
    _refuse_future(events, now_us)
    return evaluate(link(result.program), request, view, now_us)


def _refuse_future(events: Sequence[ConsentEvent], now_us: int) -> None:
    # It would be silently invisible, which on a command line is a typo in a year.
    for event in events:
        if event.received_at_us > now_us:
            raise UsageError(f"an event ({event.kind}) is later than --at; it would not be seen")


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
        raise UsageError("a fact, an event or the moment cannot be read")
    tests = [item for item in parsed.module.declarations if isinstance(item, TestDecl)]
    if len(tests) != 1:
        raise UsageError("a fact or an event may not hold a declaration")
    return tests[0]


def _pair(symbols: Symbols, owner: str, word: str) -> str:
    name, equals, value = word.partition("=")
    if not equals:
        raise UsageError(f"`{word}` is not NAME=VALUE")
    declared = symbols.attributes.get((owner, name))
    type_name = declared.type if declared is not None else BUILT_IN_TYPES.get((owner, name))
    if type_name is None:
        raise UsageError(f"`{owner}.{name}` is not a declared attribute")
    if type_name.startswith("list of "):
        item_type = type_name.removeprefix("list of ")
        items = [_literal(item_type, item.strip()) for item in value.split(",") if item.strip()]
        return f"{name} = [{', '.join(items)}]"
    return f"{name} = {_literal(type_name, value)}"


def _literal(type_name: str, value: str) -> str:
    if type_name not in ("text", "ip"):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _request(options: argparse.Namespace, facts: Facts) -> Request:
    principal = facts.by_owner.setdefault("principal", {})
    if options.role:
        principal["roles"] = tuple(options.role)
    if options.controller:
        principal["controller"] = options.controller
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
        raise UsageError(f"{option} `{word}` is not KIND:NAME with a kind of {', '.join(kinds)}")
    return PartyRef(kind=_name(kind), name=Text(value=name, span=_NOWHERE), span=_NOWHERE)
