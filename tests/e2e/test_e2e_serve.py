"""A sidecar's life as a process: start, reload, drain, and a death that loses nothing."""

from __future__ import annotations

import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consentry.client import Client, ConsentryError, Decision, Subject, event, service
from consentry.v1 import consent_pb2

ADA = "customer-1"


def consent(kind: str, purpose: str, key: str) -> consent_pb2.ConsentEvent:
    return event(
        kind, ADA, purpose=purpose, notice="2026-03", proof_method="form", idempotency_key=key
    )


def may_mail(client: Client) -> Decision:
    return client.check(
        principal=service("campaign-mailer", roles=["marketer"]),
        action="contact",
        data="customer.contact.email",
        subject=Subject(id=ADA, attributes={"country": "DE"}),
        purpose="marketing.email",
        channel="email",
    )


def connect(ready: dict[str, Any]) -> Client:
    return Client(ready["grpc"], timeout_s=10.0, on_error="raise")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sidecar_serves_then_drains_and_leaves_with_zero(
    start: Callable[..., Any], number: signal.Signals
) -> None:
    sidecar = start()
    ready = sidecar.wait_for("ready")
    with connect(ready) as client:
        assert may_mail(client).reason == "consent_missing"

        sidecar.send(number)

        assert sidecar.wait_for("leaving")["signal"] == number.name
        assert sidecar.end() == 0
        with pytest.raises(ConsentryError):
            may_mail(client)


def test_draining_sidecar_is_not_ready_and_still_answers(start: Callable[..., Any]) -> None:
    sidecar = start("--drain-delay-s", "60")
    ready = sidecar.wait_for("ready")
    url = f"http://{ready['http']}/readyz"
    assert urllib.request.urlopen(url, timeout=10).status == 200

    sidecar.send(signal.SIGTERM)
    sidecar.wait_for("draining")

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=10)
    assert refused.value.code == 503
    refused.value.close()
    with connect(ready) as client:
        assert may_mail(client).reason == "consent_missing"
    # A second signal does not wait for the minute to pass.
    sidecar.send(signal.SIGTERM)
    assert sidecar.end() == 0


def test_killed_sidecar_keeps_what_it_acknowledged(start: Callable[..., Any]) -> None:
    sidecar = start()
    with connect(sidecar.wait_for("ready")) as client:
        client.record_consent(consent("given", "marketing", "k-1"))
        position = client.record_consent(consent("withdrawn", "marketing.email", "k-2"))

        sidecar.send(signal.SIGKILL)

    assert sidecar.end() == -signal.SIGKILL
    again = start()
    ready = again.wait_for("ready")
    assert ready["ledger_position"] == position == 2
    with connect(ready) as client:
        decision = may_mail(client)
        assert (decision.is_permitted, decision.reason) == (False, "consent_withdrawn")
        # The same event under the same key is the same event, before and after the death.
        assert client.record_consent(consent("withdrawn", "marketing.email", "k-2")) == position


def test_two_sidecars_do_not_share_a_ledger(start: Callable[..., Any]) -> None:
    start().wait_for("ready")

    second = start()

    assert second.end() == 4


def test_taken_address_leaves_with_three(start: Callable[..., Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        sidecar = start("--listen", f"127.0.0.1:{taken.getsockname()[1]}")

        assert sidecar.end() == 3


@pytest.mark.parametrize(
    "flags", [("--config", "absent.toml"), ("--listen", "0.0.0.0:0"), ("--grace-s", "-1")]
)
def test_wrong_configuration_leaves_with_two(
    start: Callable[..., Any], flags: tuple[str, ...]
) -> None:
    assert start(*flags).end() == 2


def test_hangup_reloads_and_a_broken_set_changes_nothing(
    start: Callable[..., Any], policies: Path
) -> None:
    sidecar = start("--no-watch")
    ready = sidecar.wait_for("ready")
    file = policies / "marketing.policy"
    good = file.read_text()
    with connect(ready) as client:
        assert may_mail(client).reason == "consent_missing"

        file.write_text(good + 'forbid pause "A pause" { for marketing }\n')
        sidecar.send(signal.SIGHUP)
        loaded = sidecar.wait_for("policy_loaded")
        assert loaded["digest"] != ready["digest"]
        assert may_mail(client).reason == "pause"

        file.write_text(good + "forbid pause { for marketting }\n")
        sidecar.send(signal.SIGHUP)
        refused = sidecar.wait_for("policy_refused")
        assert refused["where"].startswith("marketing.policy:")
        assert may_mail(client).policy_digest == loaded["digest"]


def test_watcher_takes_up_a_change_by_itself(start: Callable[..., Any], policies: Path) -> None:
    sidecar = start()
    ready = sidecar.wait_for("ready")

    file = policies / "marketing.policy"
    file.write_text(file.read_text() + 'forbid pause "A pause" { for marketing }\n')

    assert sidecar.wait_for("policy_loaded")["digest"] != ready["digest"]


def test_sidecar_with_broken_policies_waits_for_better_ones(
    start: Callable[..., Any], policies: Path
) -> None:
    file = policies / "marketing.policy"
    good = file.read_text()
    file.write_text(good + "forbid pause { for marketting }\n")
    sidecar = start("--no-watch")
    ready = sidecar.wait_for("serving_without_policies")
    with connect(ready) as client:
        with pytest.raises(ConsentryError):
            may_mail(client)

        file.write_text(good)
        sidecar.send(signal.SIGHUP)
        sidecar.wait_for("policy_loaded")

        assert may_mail(client).reason == "consent_missing"
