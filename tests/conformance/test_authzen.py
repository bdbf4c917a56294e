"""AuthZEN Authorization API 1.0 against a real sidecar: every case, paging, and metadata."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consentry.client import Client, event
from tests.conformance.authzen.cases import BASE, CASES, JSON, REPORT, Case, Reply, without
from tests.support.sidecar import running_sidecar

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
[authzen]
is_enabled = true
address = "https://pdp.example/shop"
"""
Ask = Callable[..., Reply]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    folder = tmp_path_factory.mktemp("authzen")
    config = folder / "consentry.toml"
    config.write_text(CONFIG)
    with running_sidecar(ROOT / "policies", folder / "s", "--config", str(config)) as sidecar:
        with Client(sidecar.target) as client:
            given = event(
                "given", "ada", purpose="marketing.email", notice="2026-03", proof_method="form"
            )
            client.record_consent(given)

        def send(path: str, request: Any, method: str = "POST", **headers: str) -> Reply:
            return exchange(sidecar.http, path, request, method, headers)

        yield send


def exchange(address: str, path: str, request: Any, method: str, headers: dict[str, str]) -> Reply:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    connection = http.client.HTTPConnection(address, timeout=30)
    with contextlib.closing(connection):
        sent = {"content-type": JSON} | {k.replace("_", "-"): v for k, v in headers.items()}
        connection.request(method, path, None if request is None else body, sent)
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        raw = response.read()
    is_json = told.get("content-type") == JSON
    return Reply(response.status, told, json.loads(raw) if is_json else raw)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section}: {case.claim}")
def test_authzen_case(case: Case, ask: Ask) -> None:
    reply = ask(BASE + case.path, case.request, case.method, **case.headers)

    assert reply.status == case.status, reply.body
    assert case.holds(reply), reply


def test_cases_are_claims_and_counted(figure: Callable[[str, object], None]) -> None:
    claims = [(case.section, case.claim) for case in CASES]
    counted = Counter(case.section for case in CASES)

    assert len(set(claims)) == len(claims)
    told = ", ".join(f"{section} {count}" for section, count in counted.items())
    figure("AuthZEN: cases of our own by section", f"{len(CASES)} ({told})")


def test_pages_together_are_the_whole_and_nothing_twice(ask: Ask) -> None:
    request = REPORT | {"resource": {"type": "data"}}
    whole = ask(f"{BASE}search/resource", request).body["results"]
    paged, token = [], ""
    for _ in range(len(whole) + 1):
        page = {"limit": 2, "token": token}
        reply = ask(f"{BASE}search/resource", request | {"page": page}).body
        paged += reply["results"]
        token = reply["page"]["next_token"]
        if not token:
            break

    assert token == ""
    assert paged == whole
    assert len(whole) > 4


def test_a_token_goes_on_with_its_own_search_only(ask: Ask) -> None:
    request = REPORT | {"resource": {"type": "data"}, "page": {"limit": 1}}
    token = ask(f"{BASE}search/resource", request).body["page"]["next_token"]
    other = request | {"page": {"token": token}, "action": {"name": "combine"}}

    assert token
    assert ask(f"{BASE}search/resource", request | {"page": {"token": token}}).status == 200
    assert ask(f"{BASE}search/resource", other).status == 400
    assert ask(f"{BASE}search/action", without(REPORT, "action") | {"page": {"token": token}}
               ).status == 400  # fmt: skip


@pytest.mark.parametrize("kind", ["subject", "resource", "action"])
def test_whatever_is_found_is_permitted_when_it_is_asked(ask: Ask, kind: str) -> None:
    searched = REPORT | {"resource": {"type": "data", "id": "customer.number"}}
    results = ask(f"{BASE}search/{kind}", searched).body["results"]

    assert results
    for result in results:
        assert ask(f"{BASE}evaluation", searched | {kind: result}).body["decision"], result


def test_the_metadata_say_where_everything_is(ask: Ask) -> None:
    reply = ask("/.well-known/authzen-configuration", None, "GET")

    assert reply.status == 200
    assert "max-age" in reply.headers["cache-control"]
    assert reply.body["policy_decision_point"] == "https://pdp.example/shop"
    base = "https://pdp.example/shop/access/v1"
    assert reply.body["access_evaluation_endpoint"] == f"{base}/evaluation"
    assert reply.body["search_action_endpoint"] == f"{base}/search/action"
    assert all(value for value in reply.body.values()), "what has no value is left out"


def test_calls_are_counted(ask: Ask) -> None:
    ask(f"{BASE}evaluation", {})
    metrics = ask("/metrics", None, "GET").body.decode()

    assert 'consentry_http_calls_total{method="authzen_evaluation",status="400"}' in metrics
