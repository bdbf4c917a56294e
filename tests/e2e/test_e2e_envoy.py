"""A real Envoy asks a real sidecar, with the configuration of deploy/envoy."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from consentry.client import Client, event
from tests.support.envoy import (
    EXT_AUTHZ,
    Answer,
    Envoy,
    Login,
    manager_of,
    proxy_config,
    running_envoy,
    telling_service,
)
from tests.support.sidecar import RunningSidecar, running_sidecar

ROOT = Path(__file__).resolve().parents[2]
MAIL = {"x-country": "DE"}
SIGNALS = """
attributes signal { gpc: flag? }
forbid signal_heard "The person's browser asks for silence" {
    for  service.support
    when has signal.gpc and signal.gpc
}
"""
NORMALISED = (
    "/customers//c-7/address",
    "//customers/c-7/address",
    "/customers/x/../c-7/address",
    "/customers/x/%2e%2e/c-7/address",
    "/customers/./c-7/address",
)
"""Paths that the example makes one with one reading."""
AMBIGUOUS = (
    "/customers/c-7%2Fc-8/address",
    "/customers/c-7%5Cc-8/address",
    "/customers/c-7;v=1/address",
    "/customers/c-7%3Bv=1/address",
    "/customers/c-7%252Fx/address",
    "/customers/c-7%00/address",
)
UNKNOWN = ("/customers/c-7/address/", "/CUSTOMERS/c-7/address", "/customers/c-7/Address")


@dataclass(frozen=True)
class Shop:
    """A service behind a proxy that asks a sidecar."""

    sidecar: RunningSidecar
    envoy: Envoy
    trusting: Envoy
    login: Login

    def support(
        self, path: str = "/customers/c-7/address", envoy: Envoy | None = None, **headers: str
    ) -> Answer:
        token = self.login.token(sub="mia", roles=["support"])
        sent = {"authorization": f"Bearer {token}", "x-ticket": "SR-1"} | headers
        return (envoy or self.envoy).ask(path, headers=sent)

    def mail(self, customer: str, **headers: str) -> Answer:
        return self.envoy.ask(f"/mail/{customer}", method="POST", headers=MAIL | headers, body=b"x")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("envoy")
    login = Login()
    keys = folder / "keys.json"
    keys.write_text(json.dumps(login.key_set()))
    settings = ROOT / "deploy" / "envoy" / "consentry.toml"
    policies = Path(shutil.copytree(ROOT / "policies", folder / "policies"))
    (policies / "signals.policy").write_text(SIGNALS)
    with (
        running_sidecar(policies, folder / "s", "--config", str(settings)) as sidecar,
        telling_service() as service,
    ):
        config = proxy_config(service=service, sidecar=sidecar.target, keys=keys)
        trusting = proxy_config(service=service, sidecar=sidecar.target, keys=keys)
        manager = manager_of(trusting)
        # A proxy that hands on whatever it gets: the sidecar has to see through it alone.
        manager |= {"normalize_path": False, "merge_slashes": False}
        manager["path_with_escaped_slashes_action"] = "KEEP_UNCHANGED"
        manager["common_http_protocol_options"]["headers_with_underscores_action"] = "ALLOW"
        # And that lets through whatever the filter calls an error: a denial is none.
        ext_authz = next(f for f in manager["http_filters"] if f["name"] == EXT_AUTHZ)
        ext_authz["typed_config"]["failure_mode_allow"] = True
        with running_envoy(config, folder) as envoy, running_envoy(trusting, folder) as other:
            yield Shop(sidecar, envoy, other, login)


def test_a_permitted_request_goes_on_and_says_under_which_decision(shop: Shop) -> None:
    answer = shop.support()

    assert answer.status == 200
    reached = answer.told["headers"]
    assert reached["x-consentry-reason"] == "contract_necessary"
    assert "customer.contact.email" in reached["x-consentry-fields"]
    assert reached["x-consentry-valid-until"].endswith("Z")
    assert int(reached["x-consentry-consent-age-us"]) >= 0
    assert answer.headers["x-consentry-decision-id"] == reached["x-consentry-decision-id"]
    assert "x-consentry-fields" not in answer.headers, "what a client need not know"


def test_the_access_log_says_why(shop: Shop) -> None:
    answer = shop.mail("log-1")
    line = shop.envoy.next_log_line()
    while line["decision_id"] != answer.headers["x-consentry-decision-id"]:
        line = shop.envoy.next_log_line()

    assert (line["code"], line["effect"], line["reason"]) == (403, "deny", "consent_missing")
    assert line["consent_age_us"] is not None


def test_a_denial_is_told_as_problem_details_or_as_a_page(shop: Shop) -> None:
    told = shop.mail("nobody")
    page = shop.mail("nobody", accept="text/html,application/xhtml+xml,*/*;q=0.8")

    assert told.status == page.status == 403
    assert told.headers["content-type"] == "application/problem+json"
    assert told.told["reason"] == "consent_missing"
    assert told.told["decision_id"] == told.headers["x-consentry-decision-id"]
    assert page.headers["content-type"].startswith("text/html")
    assert b"consent_missing" in page.body


def test_a_withdrawal_counts_from_the_next_request_on(shop: Shop) -> None:
    with Client(shop.sidecar.target) as client:
        client.record_consent(
            event("given", "ada", purpose="marketing.email", notice="2026-03", proof_method="form")
        )
        before = shop.mail("ada")
        client.record_consent(event("withdrawn", "ada", purpose="marketing.email"))
        after = shop.mail("ada")

    assert (before.status, after.status) == (200, 403)
    assert after.told["reason"] == "consent_withdrawn"


def test_masks_and_obligations_reach_the_service(shop: Shop) -> None:
    reached = shop.envoy.ask("/reports/orders/c-7").told["headers"]

    assert reached["x-consentry-masks"] == "customer.number=hash,customer.orders.total=round:10"
    assert reached["x-consentry-obligations"].startswith("no_small_groups")


def test_what_a_client_sends_under_our_names_never_arrives(shop: Shop) -> None:
    spoofed = {
        "x-consentry-masks": "none",
        "x-consentry-denied-fields": "none",
        "X-Consentry-Fields": "everything",
        "x-consentry-invented": "1",
    }
    token = shop.login.token(sub="mia", roles=["support"])
    sent = {"authorization": f"Bearer {token}", "x-ticket": "SR-1"} | spoofed

    reached = shop.envoy.ask("/customers/c-7/address", headers=sent).told["headers"]
    lenient = shop.trusting.ask(
        "/customers/c-7/address", headers=sent | {"x_consentry_reason": "sure"}
    ).told["headers"]

    assert reached["x-consentry-masks"] == "customer.contact.phone=last:4"
    assert "x-consentry-denied-fields" not in reached
    assert "everything" not in reached["x-consentry-fields"]
    assert "x-consentry-invented" not in reached
    assert "x_consentry_reason" not in lenient


def test_claims_count_only_from_a_token_that_the_proxy_verified(shop: Shop) -> None:
    forged = Login().token(sub="mia", roles=["support"])
    path = "/customers/c-7/address"

    missing = shop.envoy.ask(path, headers={"x-ticket": "SR-1"})
    assert (missing.status, missing.told["reason"]) == (403, "request_incomplete")
    answer = shop.envoy.ask(path, headers={"authorization": f"Bearer {forged}", "x-ticket": "SR-1"})
    assert answer.status == 401, "by the proxy, before the sidecar is asked"


@pytest.mark.parametrize("path", [*NORMALISED, *AMBIGUOUS])
def test_no_path_with_two_readings_gets_past_the_sidecar_alone(shop: Shop, path: str) -> None:
    answer = shop.support(path, envoy=shop.trusting)

    assert (answer.status, answer.told["reason"]) == (400, "path_ambiguous")


@pytest.mark.parametrize("path", AMBIGUOUS)
def test_no_path_with_two_readings_gets_past_the_example(shop: Shop, path: str) -> None:
    assert shop.support(path).status == 400


@pytest.mark.parametrize("path", NORMALISED)
def test_what_the_example_normalises_all_read_the_same(shop: Shop, path: str) -> None:
    answer = shop.support(path)

    assert (answer.status, answer.told["path"]) == (200, "/customers/c-7/address")


@pytest.mark.parametrize("path", UNKNOWN)
def test_a_path_that_is_nearly_one_of_the_mapping_is_none(shop: Shop, path: str) -> None:
    for envoy in (shop.trusting, shop.envoy):
        answer = shop.support(path, envoy=envoy)
        assert (answer.status, answer.told["reason"]) == (403, "request_unmapped")


def test_a_route_that_no_mapping_knows_is_refused(shop: Shop) -> None:
    answer = shop.envoy.ask("/admin")

    assert (answer.status, answer.told["reason"]) == (403, "request_unmapped")


def test_a_body_is_kept_for_the_service(shop: Shop) -> None:
    with Client(shop.sidecar.target) as client:
        client.record_consent(
            event("given", "body", purpose="marketing.email", notice="2026-03", proof_method="form")
        )

    for size in (0, 1, 65_536, 300_000):
        answer = shop.envoy.ask("/mail/body", method="POST", headers=MAIL, body=b"b" * size)
        assert (answer.status, answer.told["body_bytes"]) == (200, size)


def test_a_browsers_signal_is_told_to_the_policies(shop: Shop) -> None:
    silent = shop.support()
    opted_out = shop.support(**{"sec-gpc": "1"})

    assert silent.status == 200
    assert (opted_out.status, opted_out.told["reason"]) == (403, "signal_heard")


def test_a_slow_sidecar_is_an_error_and_no_denial(shop: Shop) -> None:
    os.kill(shop.sidecar.pid, signal.SIGSTOP)
    # Back when it stands: the signal is only on its way when `kill` returns.
    os.waitid(os.P_PID, shop.sidecar.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        answer = shop.mail("slow")
    finally:
        os.kill(shop.sidecar.pid, signal.SIGCONT)

    assert answer.status == 503
    assert shop.mail("slow").status == 403, "and when it is back, it answers"


def test_without_a_sidecar_nothing_goes_on(tmp_path: Path) -> None:
    login = Login()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(login.key_set()))
    with telling_service() as service:
        config = proxy_config(service=service, sidecar="127.0.0.1:1", keys=keys)
        with running_envoy(config, tmp_path) as envoy:
            assert envoy.ask("/mail/c-7", method="POST", headers=MAIL, body=b"").status == 503
            assert envoy.ask("/healthz").status == 200


UNREACHABLE = """
[ledger]
kind = "upstream"
upstream = ["127.0.0.1:1"]
"""


def test_undecided_is_an_error_that_is_never_let_through(tmp_path: Path) -> None:
    """No ledger can be reached, and the proxy lets through whatever it calls an error."""
    settings = tmp_path / "consentry.toml"
    settings.write_text((ROOT / "deploy" / "envoy" / "consentry.toml").read_text() + UNREACHABLE)
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(Login().key_set()))
    with (
        running_sidecar(ROOT / "policies", tmp_path / "s", "--config", str(settings)) as sidecar,
        telling_service() as service,
    ):
        config = proxy_config(service=service, sidecar=sidecar.target, keys=keys)
        filters = manager_of(config)["http_filters"]
        ext_authz = next(each for each in filters if each["name"] == EXT_AUTHZ)
        ext_authz["typed_config"]["failure_mode_allow"] = True
        with running_envoy(config, tmp_path) as envoy:
            answer = envoy.ask("/mail/ada", method="POST", headers=MAIL, body=b"")

    assert answer.status == 503
    assert answer.told["reason"] == "consent_state_unavailable"
    assert answer.headers["retry-after"] == "1"
