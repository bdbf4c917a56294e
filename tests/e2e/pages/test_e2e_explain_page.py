"""The page that explains an answer, in a real browser against a real sidecar."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from consentry.client import Client, event
from tests.support.browser import axe_violations, opened
from tests.support.page_world import PageWorld

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ASKED = {
    "principal": {"type": "service", "id": "campaign-mailer"},
    "action": "contact",
    "data": ["customer.contact.email"],
    "subject": {
        "id": "explained",
        "attributes": [{"name": "country", "value": {"text": "DE"}}],
    },
    "purpose": "marketing.email",
    "channel": "email",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picked_request_is_explained_as_a_tree_and_asked_again_by_paste(
    world: PageWorld, browser: Browser, scheme: str, figure: Callable[[str, object], None]
) -> None:
    person = f"picked-{scheme}"
    page = opened(browser, color_scheme=scheme)
    answer = page.goto(world.url("/explain"))
    assert answer is not None
    assert answer.status == 200

    page.locator("[name=principal_id]").fill("campaign-mailer")
    page.locator("[name=action]").select_option("contact")
    page.locator("[name=data]").select_option("customer.contact.email")
    page.locator("[name=purpose]").select_option("marketing.email")
    page.locator("[name=channel]").select_option("email")
    page.locator("[name=subject_id]").fill(person)
    page.locator('[name="attribute:subject.country"]').fill("DE")
    page.get_by_role("button", name="Explain what is picked").click()

    verdict = page.locator(".verdict")
    assert "consent_missing" in verdict.inner_text()
    assert "mail_newsletter" in page.locator("#tree ~ details").first.inner_text()
    assert page.locator("#changes + ol li").count() >= 1

    with Client(world.node.target) as client:
        client.record_consent(
            event("given", person, purpose="marketing.email", notice="2026-03", proof_method="form")
        )
    page.get_by_role("button", name="Explain what is pasted").click()
    assert verdict.get_attribute("data-effect") == "permit"
    assert "consented to" in page.locator("#ledger + ul").inner_text()

    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    found = axe_violations(page)
    figure(f"axe violations, explain page, {scheme}", len(found))
    assert found == []


def ask(
    world: PageWorld, text: str | None, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    connection = HTTPConnection(world.node.http, timeout=30)
    try:
        body = None if text is None else urlencode({"json": text})
        sent = {"content-type": "application/x-www-form-urlencoded"} if body else {}
        method = "GET" if body is None else "POST"
        connection.request(method, "/explain", body, sent | (headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_pasted_request_is_read_as_grpc_tools_write_it(world: PageWorld) -> None:
    status, page = ask(world, json.dumps(ASKED))

    assert status == 200
    assert "consent_missing" in page


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{", "this is no request"),
        ('{"nonsense": 1}', "this is no request"),
        ("[" * 5_000, "this is no"),
        (json.dumps(ASKED | {"data": []}), "data"),
        (json.dumps(ASKED | {"action": "x" * 50_000}), "larger than"),
    ],
)
def test_what_is_no_request_is_told_as_such(world: PageWorld, text: str, wanted: str) -> None:
    status, page = ask(world, text)

    assert status == 400
    alert = re.search(r'role="alert">([^<]*)<', page)
    assert alert is not None
    assert wanted in alert[1]
    assert "Traceback" not in page


def test_what_is_pasted_never_becomes_part_of_the_page(world: PageWorld) -> None:
    said = "</textarea><script>alert(1)</script>"

    for text in (json.dumps(ASKED | {"action": said}), said):
        page = ask(world, text)[1]
        assert "<script" not in page


def test_a_page_elsewhere_cannot_ask(world: PageWorld) -> None:
    asked = json.dumps(ASKED)

    assert ask(world, asked, {"host": "rebound.example"})[0] == 403
    assert ask(world, asked, {"sec-fetch-site": "cross-site"})[0] == 403
    assert ask(world, None, {"host": f"localhost:{world.node.http.rpartition(':')[2]}"})[0] == 200


def test_the_page_is_off_by_default(world: PageWorld) -> None:
    connection = HTTPConnection(world.followers[0].http, timeout=30)
    for path in ("/explain", "/preferences"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 404
    connection.close()
