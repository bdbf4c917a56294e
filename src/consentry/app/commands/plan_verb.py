"""`consentry plan`: which people a job may touch, as a filter, as SQL, and as a list of members."""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import Console, err, out
from consentry.app.policy_files import Compiled
from consentry.app.question_input import (
    QuestionError,
    add_question_about_everybody,
    compile_asked,
    problems_of,
    read_question_about_everybody,
    show_broken,
    show_refused,
)
from consentry.app.state_input import ledger_of
from consentry.compiler.symbols import Symbols
from consentry.consent.errors import LedgerError
from consentry.consent.sqlite_person import open_people
from consentry.engine.link import link
from consentry.model.program import Program
from consentry.model.request import RequestError
from consentry.model.values import datetime_of
from consentry.plan.errors import PlanRefusedError
from consentry.plan.filters import NEVER
from consentry.plan.formulas import read_formulas
from consentry.plan.members import Classes
from consentry.plan.planner import Planner
from consentry.plan.sql import Dialect, Sql, SqlError, Table, where
from consentry.plan.survey import survey
from consentry.plan.text import filter_json, filter_text

_EXAMPLES: Final = """\
examples:
  consentry plan policies --principal job:newsletter --action contact \\
      --data customer.contact.email --purpose marketing.email --channel email \\
      --state /var/lib/consentry
  consentry plan policies --question asked.json --state /var/lib/consentry \\
      --sql postgresql --column country=country_code --members members.csv

The plan is as of one moment and one position of the ledger.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    planner: Planner
    classes: Classes
    members: dict[str, int]
    position: int | None
    sql: Sql | None


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry plan",
        description=(
            "Say which people a job may touch: one question without a data subject, answered with "
            "a filter over people's attributes, and with those whose place in it the consent "
            "ledger decides. 0 where somebody may be selected, 1 for nobody at all."
        ),
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_question_about_everybody(parser)
    parser.add_argument(
        "--state",
        metavar="FOLDER",
        help="a sidecar's state, for its ledger (default: nobody has said anything)",
    )
    parser.add_argument(
        "--members", metavar="FILE", type=Path, help="write the members as CSV: data_subject,class"
    )
    sql = parser.add_argument_group("SQL")
    sql.add_argument("--sql", choices=[dialect.value for dialect in Dialect], help="say it in SQL")
    sql.add_argument("--id-column", default="id", metavar="NAME", help="(default: id)")
    sql.add_argument(
        "--column", action="append", default=[], metavar="ATTRIBUTE=NAME", help="may repeat"
    )
    sql.add_argument("--alias", default="", metavar="NAME", help="what stands before each column")
    sql.add_argument(
        "--members-table",
        default="consentry_members",
        metavar="NAME",
        help="(default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="the plan as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Compiles, plans, tells."""
    try:
        compiled = compile_asked(options)
        program, symbols = compiled.result.program, compiled.result.symbols
        if compiled.has_errors or program is None or symbols is None:
            show_broken(options, compiled)
            return ExitCode.USAGE
        planned = _plan(options, program, symbols)
        if options.members is not None:
            _write_members(options.members, planned.members)
    except QuestionError as problem:
        show_refused(options, "plan", problem.problems)
        return ExitCode.USAGE
    except RequestError as problem:
        show_refused(options, "plan", problems_of(problem))
        return ExitCode.USAGE
    except (PlanRefusedError, SqlError) as problem:
        show_refused(options, "plan", _told(problem))
        return ExitCode.USAGE
    except LedgerError as problem:
        show_refused(options, "plan", [str(problem)])
        return ExitCode.LEDGER
    if options.json:
        out().json(_json(planned, compiled))
    else:
        _show(out(), planned)
    return ExitCode.FINDINGS if planned.classes.filters == (NEVER,) else ExitCode.OK


def _plan(options: argparse.Namespace, program: Program, symbols: Symbols) -> _Planned:
    request, now_us = read_question_about_everybody(options, symbols)
    table = _table(options)
    planner = Planner(link(program), read_formulas(program), request, now_us)
    classes = Classes(planner)
    members: dict[str, int] = {}
    position: int | None = None
    if options.state is not None:
        with open_people(ledger_of(Path(options.state))) as people:
            position = people.position()
            for page in survey(classes, people, position, now_us):
                members |= dict(page)
    sql = None if options.sql is None else where(classes.filters, table, Dialect(options.sql))
    return _Planned(planner=planner, classes=classes, members=members, position=position, sql=sql)


def _table(options: argparse.Namespace) -> Table:
    columns = {}
    for word in options.column:
        attribute, equals, name = word.partition("=")
        if not equals or not attribute or not name:
            raise QuestionError(f"`{word}` is not ATTRIBUTE=NAME")
        columns[attribute.removeprefix("subject.")] = name
    return Table(
        id_column=options.id_column,
        columns=columns,
        alias=options.alias,
        members=options.members_table,
    )


def _told(problem: Exception) -> list[str]:
    if isinstance(problem, PlanRefusedError):
        return [
            f"{one.file}:{one.line}: `{one.rule}` is no filter: {one.why}: {one.condition}"
            for one in problem.obstacles
        ]
    return [str(problem)]


def _write_members(path: Path, members: dict[str, int]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("data_subject", "class"))
            writer.writerows(members.items())
    except OSError as problem:
        why = (problem.strerror or "unknown error").lower()
        raise QuestionError(f"`{path}` cannot be written: {why}") from None


def _json(planned: _Planned, compiled: Compiled) -> dict[str, Any]:
    planner, program = planned.planner, compiled.result.program
    assert program is not None
    told: dict[str, Any] = {
        "filters": [filter_json(one) for one in planned.classes.filters],
        "members": planned.members,
        "reasons": list(planner.unknowns),
        "masks": {
            leaf: {"function": mask.function, "argument": mask.argument}
            for leaf, mask in sorted(planner.duties.masks.items())
        },
        "obligations": [{"name": one.name, "text": one.text} for one in planner.duties.obligations],
        "policy_digest": program.digest,
        "ledger_position": planned.position,
        "at": _moment(planner.now_us),
        "valid_until": _moment(planner.valid_until_us),
    }
    if planned.sql is not None:
        told["where"] = planned.sql.text
        told["parameters"] = [
            one if isinstance(one, str | int | float) else str(one)
            for one in planned.sql.parameters
        ]
    return told


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else datetime_of(at_us).isoformat().replace("+00:00", "Z")


def _show(console: Console, planned: _Planned) -> None:
    planner = planned.planner
    counts: dict[int, int] = {}
    for number in planned.members.values():
        counts[number] = counts.get(number, 0) + 1
    for number, filter_ in enumerate(planned.classes.filters):
        who = "everybody else" if counts else "everybody"
        if number:
            who = f"{counts.get(number, 0):,} members of class {number}"
        console.line(f"of {who}, those with")
        console.line(filter_text(filter_, 1))
    for reason in planner.unknowns:
        console.line(f"because of {reason}")
    for leaf, mask in sorted(planner.duties.masks.items()):
        argument = "" if mask.argument is None else f" {mask.argument}"
        console.line(f"mask {leaf}: {mask.function}{argument}")
    for duty in planner.duties.obligations:
        console.line(f"must {duty.name}: {duty.text}" if duty.text else f"must {duty.name}")
    if planned.sql is not None:
        console.line(f"WHERE {planned.sql.text}")
        for number, parameter in enumerate(planned.sql.parameters, start=1):
            console.line(f"  {number}: {parameter}")
    at = _moment(planner.now_us)
    position = "" if planned.position is None else f", ledger position {planned.position}"
    err().line(f"as of {at}{position}")
