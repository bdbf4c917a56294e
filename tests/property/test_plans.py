"""A plan selects exactly those whom a check of each would permit, in Python and on real tables.

The engine decides about every person one by one; the plan is made without any of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from random import Random

import psycopg
import pytest
from comparing import PolicySet, build_policy_set, draw_lawful_set, read_packs
from generated import NOW_US, draw_events, draw_request
from generated_laws import draw_lawful_request
from generated_people import draw_people_policies, draw_person

from consentry.consent.resolver import SubjectView
from consentry.diagnostics.span import Source
from consentry.engine.evaluate import evaluate
from consentry.model.decision import Effect
from consentry.model.request import DataSubject, Request, RequestError
from consentry.model.values import Value, datetime_of
from consentry.plan.errors import PlanRefusedError
from consentry.plan.filters import Filter, selects
from consentry.plan.formulas import read_formulas
from consentry.plan.members import Classes
from consentry.plan.planner import Planner
from consentry.plan.sql import Dialect, Sql, Table, where
from tests.support.postgres import Cluster

POLICY_SETS = 24
MANY_POLICY_SETS = 600
QUESTIONS_EACH = 4
PEOPLE = 60
TYPES = {
    "text": ("TEXT", "text"),
    "number": ("REAL", "numeric"),
    "flag": ("INTEGER", "boolean"),
    "date": ("TEXT", "date"),
    "time": ("INTEGER", "timestamptz"),
}


@dataclass
class Person:
    id: str
    attributes: dict[str, Value]
    view: SubjectView


@dataclass
class Case:
    """One question about many people, planned."""

    policies: PolicySet
    request: Request
    people: list[Person]
    filters: tuple[Filter, ...]
    classes: Mapping[str, int]

    def permitted(self) -> set[str]:
        """Whom the engine permits, asked one by one."""
        found = set()
        for person in self.people:
            asked = DataSubject(id=person.id, attributes=person.attributes)
            request = replace(self.request, data_subject=asked)
            try:
                decision = evaluate(self.policies.linked, request, person.view, NOW_US)
            except RequestError:  # what has to be said of a person is missing
                continue
            if decision.effect is Effect.PERMIT:
                found.add(person.id)
        return found

    def selected(self) -> set[str]:
        """Whom the filters select."""
        return {
            person.id
            for person in self.people
            if selects(
                self.filters[self.classes.get(person.id, 0)],
                {**person.attributes, "id": person.id},
            )
        }


def draw_people(random: Random) -> list[Person]:
    people = []
    for number in range(PEOPLE):
        events = [] if random.random() < 0.4 else draw_events(random)
        count = len(events)
        view = SubjectView(events, revision=count, position=count, read_at_us=NOW_US)
        people.append(Person(f"p-{number}", draw_person(random), view))
    return people


def plan(policies: PolicySet, request: Request, people: list[Person]) -> Case:
    asked = replace(request, data_subject=None, partial=False)
    formulas = read_formulas(policies.linked.program)
    classes = Classes(Planner(policies.linked, formulas, asked, NOW_US))
    numbers = {person.id: classes.number_of(person.view) for person in people}
    known = {one: number for one, number in numbers.items() if number}
    return Case(policies, replace(request, partial=False), people, classes.filters, known)


def planned_cases(packs: dict[str, Source], seeds: int) -> Iterator[Case | PlanRefusedError]:
    for seed in range(seeds):
        random = Random(seed)
        try:
            policies = build_policy_set(draw_people_policies(random), packs)
        except AssertionError:  # a right where it may not stand: the compiler refuses it
            continue
        for _ in range(QUESTIONS_EACH):
            request = draw_request(random)
            try:
                yield plan(policies, request, draw_people(random))
            except PlanRefusedError as refusal:
                yield refusal


def told(case: Case) -> str:
    return f"{case.policies.text}\n{case.request}\n{case.filters}"


@pytest.fixture(scope="module")
def packs() -> dict[str, Source]:
    return read_packs()


@pytest.mark.parametrize(
    "sets", [POLICY_SETS, pytest.param(MANY_POLICY_SETS, marks=pytest.mark.slow)]
)
def test_plan_selects_whom_checks_permit(
    packs: dict[str, Source], figure: Callable[[str, object], None], sets: int
) -> None:
    compared = permitted = refused = 0
    for case in planned_cases(packs, sets):
        if isinstance(case, PlanRefusedError):
            refused += 1
            continue
        expected = case.permitted()
        assert case.selected() == expected, told(case)
        compared += len(case.people)
        permitted += len(expected)

    figure(f"plan, {sets} policy sets: people asked one by one", compared)
    figure(f"plan, {sets} policy sets: of whom permitted", permitted)
    figure(f"plan, {sets} policy sets: disagreements", 0)
    figure(f"plan, {sets} policy sets: questions refused", refused)
    assert permitted > compared // 20


def test_plan_under_shipped_laws_selects_whom_checks_permit(packs: dict[str, Source]) -> None:
    permitted = 0
    for seed in range(10):
        random = Random(seed)
        policies = draw_lawful_set(seed, packs)
        people = draw_people(random)
        request = draw_lawful_request(random)
        known = request.data_subject.attributes if request.data_subject else {}
        for person in people:
            drawn = {"country", "born"} & person.attributes.keys()
            person.attributes = {name: person.attributes[name] for name in drawn}
            person.attributes |= {n: v for n, v in known.items() if random.random() < 0.5}
        case = plan(policies, request, people)
        expected = case.permitted()
        assert case.selected() == expected, told(case)
        permitted += len(expected)
    assert permitted


def test_sql_of_plan_selects_whom_checks_permit_in_sqlite(
    packs: dict[str, Source], figure: Callable[[str, object], None]
) -> None:
    compared = rows = permitted = 0
    with closing(sqlite3.connect(":memory:")) as database:
        for case in planned_cases(packs, 8):
            if isinstance(case, PlanRefusedError):
                continue
            expected = case.permitted()
            assert rows_in_sqlite(database, case) == expected, told(case)
            compared += 1
            rows += len(case.people)
            permitted += len(expected)
    figure("plan, SQL in SQLite: rows compared, none otherwise", rows)
    assert permitted > rows // 20
    assert compared > 16


def test_sql_of_plan_selects_whom_checks_permit_in_postgresql(
    packs: dict[str, Source], postgres: Cluster, figure: Callable[[str, object], None]
) -> None:
    compared = rows = permitted = 0
    with psycopg.connect(
        postgres.conninfo(), autocommit=True, cursor_factory=psycopg.RawCursor
    ) as database:
        for case in planned_cases(packs, 6):
            if isinstance(case, PlanRefusedError):
                continue
            expected = case.permitted()
            assert rows_in_postgresql(database, case) == expected, told(case)
            compared += 1
            rows += len(case.people)
            permitted += len(expected)
    figure("plan, SQL in PostgreSQL: rows compared, none otherwise", rows)
    assert permitted > rows // 20
    assert compared > 12


def test_test_that_is_left_out_is_noticed(
    packs: dict[str, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison sees a plan that forgets where a forbid only may apply."""
    monkeypatch.setattr(Planner, "_never", Planner._certain)
    cases = (case for case in planned_cases(packs, 12) if isinstance(case, Case))
    assert any(case.selected() != case.permitted() for case in cases)


def attributes_of(case: Case) -> dict[str, str]:
    specs = case.policies.linked.program.attributes
    return {spec.name: spec.type for spec in specs if spec.owner.value == "subject"}


def rows_in_sqlite(database: sqlite3.Connection, case: Case) -> set[str]:
    def held(value: Value | None) -> object:
        return value.isoformat() if isinstance(value, date) else value

    types = attributes_of(case)
    columns = ", ".join(f'"{name}" {TYPES[type_name][0]}' for name, type_name in types.items())
    database.execute("DROP TABLE IF EXISTS customers")
    database.execute("DROP TABLE IF EXISTS consentry_members")
    database.execute(f"CREATE TABLE customers (id TEXT, {columns})")
    database.execute(
        "CREATE TABLE consentry_members (data_subject TEXT PRIMARY KEY, class INTEGER)"
    )
    for person in case.people:
        row = [person.id, *(held(person.attributes.get(name)) for name in types)]
        database.execute(f"INSERT INTO customers VALUES ({', '.join('?' * len(row))})", row)
    database.executemany("INSERT INTO consentry_members VALUES (?, ?)", case.classes.items())
    sql = where(case.filters, Table(alias="c"), Dialect.SQLITE)
    return {row[0] for row in database.execute(query(sql), sql.parameters)}


def rows_in_postgresql(database: psycopg.Connection[tuple[str]], case: Case) -> set[str]:
    types = attributes_of(case)

    def held(name: str, value: Value | None) -> object:
        return datetime_of(value) if types[name] == "time" and isinstance(value, int) else value

    columns = ", ".join(f'"{name}" {TYPES[type_name][1]}' for name, type_name in types.items())
    run = database.execute
    run("DROP TABLE IF EXISTS customers; DROP TABLE IF EXISTS consentry_members")
    run(f"CREATE TABLE customers (id text, {columns})".encode())
    run("CREATE TABLE consentry_members (data_subject text PRIMARY KEY, class integer)")
    with database.cursor() as cursor:
        for person in case.people:
            row = [person.id, *(held(name, person.attributes.get(name)) for name in types)]
            places = ", ".join(f"${number + 1}" for number in range(len(row)))
            cursor.execute(f"INSERT INTO customers VALUES ({places})".encode(), row)
        cursor.executemany("INSERT INTO consentry_members VALUES ($1, $2)", case.classes.items())
    sql = where(case.filters, Table(alias="c"), Dialect.POSTGRESQL)
    return {row[0] for row in run(query(sql).encode(), sql.parameters)}


def query(sql: Sql) -> str:
    return f"SELECT c.id FROM customers AS c WHERE {sql.text}"
