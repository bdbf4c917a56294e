"""`Plan` over gRPC: whom a job may touch, on a real table, against checks of each person."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import grpc
import pytest

from consentry.client import (
    AsyncClient,
    Client,
    ConsentryError,
    SqlTable,
    Subject,
    event,
    job,
)
from consentry.client.plan import plan_bytes
from consentry.client.questions import PlanFields
from consentry.v1 import authorization_pb2, plan_pb2
from tests.support.sidecar import RunningSidecar, running_sidecar

POLICIES = """
attributes subject { country: text?, points: number = 0, tags: list of text? }
tag club "Of the club"
data customer { email "E-mail address"  phone "Telephone number" }
purpose marketing "Tell you about our products" {
    basis consent
    purpose email "By e-mail"
    purpose club  "For the club"
}
purpose service "Deliver what you ordered" { basis contract }
permit newsletter "The newsletter goes to those who asked for it" {
    who job "newsletter"  may contact  data customer  for marketing.email
    when subject.country in ["DE", "FR"] or subject.points >= 10
}
permit club_mail { who anyone  may contact  data customer  for marketing.club
    when subject.tags overlaps ["club"]
}
permit parcels { who anyone  may read  data customer  for service }
forbid objected { for marketing  when rights.objected }
mask short_phone { data customer.phone  as last 4 }
oblige unsubscribe_link "Every message carries a way out" { for marketing }
"""
ASKED: PlanFields = {
    "principal": job("newsletter"),
    "action": "contact",
    "data": "customer",
    "purpose": "marketing.email",
    "channel": "email",
}
TABLE = SqlTable("sqlite", columns={"country": "country_code"})


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    folder = tmp_path_factory.mktemp("plan")
    (folder / "policies").mkdir()
    (folder / "policies" / "a.policy").write_text(POLICIES)
    with running_sidecar(folder / "policies", folder / "state") as sidecar:
        yield sidecar


@pytest.fixture(scope="module")
def client(sidecar: RunningSidecar) -> Iterator[Client]:
    with Client(sidecar.target, timeout_s=20, on_error="raise") as client:
        yield client


@pytest.fixture(scope="module")
def customers(client: Client) -> dict[str, dict[str, Any]]:
    """Customers by id; many of them said something."""
    chance = random.Random(7)
    people = {
        f"c-{number}": {
            "country": chance.choice(["DE", "FR", "US", None]),
            "points": chance.choice([None, 3, 10, 12]),
        }
        for number in range(80)
    }
    said = []
    for who in people:
        if chance.random() < 0.6:
            said.append(event("given", who, purpose="marketing", proof_method="form"))
        if chance.random() < 0.2:
            said.append(event("withdrawn", who, purpose="marketing.email"))
        if chance.random() < 0.2:
            said.append(event("objected", who, purpose="marketing"))
    client.record_consent(said)
    return people


def table_of(customers: dict[str, dict[str, Any]]) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE customers (id TEXT, country_code TEXT, points INTEGER)")
    rows = [(who, said["country"], said["points"]) for who, said in customers.items()]
    database.executemany("INSERT INTO customers VALUES (?, ?, ?)", rows)
    return database


def permitted(client: Client, customers: dict[str, dict[str, Any]]) -> set[str]:
    return {
        who
        for who, said in customers.items()
        if client.permits(subject=Subject(id=who, attributes=said), **ASKED)
    }


def test_plan_selects_the_rows_that_checks_would_permit(
    client: Client, customers: dict[str, dict[str, Any]]
) -> None:
    plan = client.plan(sql=TABLE, **ASKED)

    with closing(table_of(customers)) as database:
        plan.save_members(database)
        query = f"SELECT id FROM customers WHERE {plan.where}"
        selected = {row[0] for row in database.execute(query, plan.parameters)}
    assert selected == permitted(client, customers)
    assert 0 < len(selected) < len(customers)


def test_plan_brings_masks_obligations_and_where_it_comes_from(client: Client) -> None:
    plan = client.plan(**ASKED)

    assert plan.masks["customer.phone"].function == "last"
    assert {duty.name for duty in plan.obligations} >= {"unsubscribe_link"}
    assert plan.ledger_position > 0
    assert len(plan.policy_digest) == 64
    assert not plan.where
    assert plan.filters[0] == plan_pb2.Filter(some=plan_pb2.FilterList())  # nobody, without a word


def test_plan_shows_what_was_recorded_before_it(client: Client) -> None:
    position = client.record_consent(
        event("given", "late", purpose="marketing", proof_method="form")
    )
    assert "late" in client.plan(at_least=position, **ASKED).members
    client.record_consent(event("withdrawn", "late", purpose="marketing"))
    assert "late" not in client.plan(**ASKED).members


def test_what_needs_no_consent_names_nobody(client: Client) -> None:
    asked: PlanFields = {**ASKED, "action": "read", "purpose": "service"}
    plan = client.plan(sql=TABLE, **asked)
    assert plan.where == "(1 = 1)"
    assert not plan.members


def test_unknown_purpose_selects_nobody_and_says_why(client: Client) -> None:
    asked: PlanFields = {**ASKED, "purpose": "fun"}
    plan = client.plan(sql=TABLE, **asked)
    assert (plan.where, plan.reasons) == ("1 = 0", ("purpose_unknown",))


def test_condition_that_no_filter_says_is_refused_with_its_rule(client: Client) -> None:
    asked: PlanFields = {**ASKED, "purpose": "marketing.club"}
    with pytest.raises(ConsentryError) as refusal:
        client.plan(**asked)
    assert refusal.value.code is grpc.StatusCode.FAILED_PRECONDITION
    assert "club_mail: inexpressible" in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda m: m.ClearField("question"), "question: required"),
        (lambda m: m.question.subject.MergeFrom(type(m.question.subject)(id="x")), "subject"),
        (lambda m: setattr(m.question, "partial", True), "question.partial: not_allowed"),
        (lambda m: setattr(m.sql, "alias", "a\x00b"), "sql.alias: control_character"),
        (lambda m: m.sql.SetInParent(), "sql.dialect: unknown_value"),
        (lambda m: m.question.principal.ClearField("id"), "principal.id: required"),
    ],
)
def test_malformed_question_is_refused_by_field(
    sidecar: RunningSidecar, change: Any, field: str
) -> None:
    message = authorization_pb2.PlanRequest.FromString(plan_bytes(None, **ASKED))
    change(message)
    with grpc.insecure_channel(sidecar.target) as channel:
        ask: Any = channel.unary_stream("/consentry.v1.AuthorizationService/Plan")
        with pytest.raises(grpc.RpcError) as refusal:
            list(ask(message.SerializeToString(), timeout=20))
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
    assert field in refusal.value.details()  # type: ignore[attr-defined]


def test_asyncio_client_plans_the_same(sidecar: RunningSidecar, client: Client) -> None:
    async def ask() -> Any:
        async with AsyncClient(sidecar.target) as asking:
            return await asking.plan(sql=TABLE, **ASKED)

    told, here = asyncio.run(ask()), client.plan(sql=TABLE, **ASKED)
    assert (told.where, told.parameters, told.members) == (
        here.where,
        here.parameters,
        here.members,
    )
