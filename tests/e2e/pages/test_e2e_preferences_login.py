"""The preference page behind a proxy that has signed the person in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.support.page_world import PageWorld, page_world

SEEN_AT = "https://privacy.example.com"
SETTINGS = (
    f'public_url = "{SEEN_AT}"\nlogin_header = "X-Customer-Id"\ntrusted_proxies = ["127.0.0.1"]\n'
)
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def behind_proxy() -> Iterator[PageWorld]:
    with page_world(followers=0, settings=SETTINGS) as running:
        yield running


def test_who_is_signed_in_looks_and_presses_without_a_cookie(behind_proxy: PageWorld) -> None:
    ada = {"x-customer-id": "ada"}
    status, looked, page = behind_proxy.ask("GET", "/preferences", ada)
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found is not None
    fields = {"form": found[1], "purpose": "marketing.email", "choice": "give", "revision": "0"}
    sent = ada | FORM | {"origin": SEEN_AT, "sec-fetch-site": "same-origin"}

    pressed, answered, _ = behind_proxy.ask("POST", "/preferences", sent, urlencode(fields))

    assert (status, pressed) == (200, 303)
    assert "set-cookie" not in looked | answered
    assert "/preferences/leave" not in page
    assert 'data-stand="yes"' in behind_proxy.ask("GET", "/preferences", ada)[2]
    refused = [
        behind_proxy.ask("GET", "/preferences", {})[0],
        behind_proxy.ask(
            "POST", "/preferences", sent | {"x-customer-id": "eve"}, urlencode(fields)
        )[0],
        behind_proxy.ask(
            "POST", "/preferences", sent | {"origin": "https://evil.example"}, urlencode(fields)
        )[0],
    ]
    assert refused == [401, 403, 403]


def test_a_link_takes_nobodys_place_who_is_signed_in(behind_proxy: PageWorld) -> None:
    link = behind_proxy.link("sender").partition(behind_proxy.node.http)[2]

    status, headers, page = behind_proxy.ask("GET", link, {"x-customer-id": "ada"})

    assert (status, "set-cookie" in headers) == (409, False)
    assert "/preferences/leave" not in page  # not ours to end
