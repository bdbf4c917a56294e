"""The real rooms behind the doors: policies, ledger, cache and engine, asked by the real client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from server_world import CONSENT, POLICY, call, channel_to

from consentry.app.system import ProcessIds, SystemClock
from consentry.client import Client, event, question, service
from consentry.client.questions import QuestionFields
from consentry.consent.sqlite import SqliteLedger
from consentry.pdp.decision_point import DecisionPoint
from consentry.pdp.policy_store import PolicyStore
from consentry.pdp.sources import read_packs, read_policy_folder
from consentry.server.codec import ProtoCodec
from consentry.server.options import ServerOptions
from consentry.server.sidecar import Sidecar
from consentry.telemetry.metrics import Metrics
from consentry.v1 import consent_pb2, policy_pb2

POLICIES = """
data customer {
    contact { email "E-mail address" phone "Telephone number" }
    name
}
purpose marketing "Tell you about our products" {
    basis consent
    purpose email "By e-mail"
}
permit mail_campaign "The mailer writes to people who asked" {
    who  service "campaign-mailer"
    may  read, contact
    data customer.contact, customer.name
    for  marketing.email
}
mask short_phone "Only the last four digits" {
    data customer.contact.phone
    as   last 4
}
"""
ASKED: QuestionFields = {
    "principal": service("campaign-mailer", roles=["marketer"]),
    "action": "contact",
    "data": ["customer.contact"],
    "subject": "ada",
    "purpose": "marketing.email",
    "channel": "email",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("whole")
    (folder / "policies").mkdir()
    (folder / "policies" / "a.policy").write_text(POLICIES)
    clock, ids, metrics = SystemClock(), ProcessIds(), Metrics()
    store = PolicyStore(
        read_sources=lambda: read_policy_folder(folder / "policies"),
        packs=read_packs(),
        clock=clock,
        settle=lambda: None,
    )
    loaded = store.load_first()
    assert loaded.is_reloaded, loaded.diagnostics
    ledger = SqliteLedger(folder / "consent.sqlite", clock=clock, ids=ids)
    decider = DecisionPoint(
        policies=store, ledger=ledger, codec=ProtoCodec(), clock=clock, ids=ids, metrics=metrics
    )
    sidecar = Sidecar(
        decider=decider,
        ledger=ledger,
        policies=store,
        metrics=metrics,
        clock=clock,
        options=ServerOptions(
            listen=(f"unix:{folder}/c.sock",), health_listen=None, http_listen=None
        ),
    )
    bound = sidecar.start()
    with Client(bound.grpc[0], timeout_s=20) as client:
        yield SimpleNamespace(
            client=client, target=bound.grpc[0], metrics=metrics, ledger=ledger, sidecar=sidecar
        )
    sidecar.stop()
    ledger.close()


def asked(subject: str) -> QuestionFields:
    return {**ASKED, "subject": subject}


def test_withdrawal_denies_the_very_next_check(running: Any) -> None:
    client: Client = running.client
    before = client.check(**asked("ada"))
    given_at = client.record_consent(
        event("given", "ada", purpose="marketing", proof_method="web_form")
    )
    during = [client.check(**asked("ada")) for _ in range(3)]
    client.record_consent(event("withdrawn", "ada", purpose="marketing.email"))
    after = client.check(**asked("ada"))

    assert (before.is_permitted, before.reason) == (False, "consent_missing")
    assert [d.is_permitted for d in during] == [True] * 3
    assert during[0].ledger_position >= given_at
    assert {f.data: f.mask is not None for f in during[0].fields} == {
        "customer.contact.email": False, "customer.contact.phone": True,
    }  # fmt: skip
    assert (after.is_permitted, after.reason) == (False, "consent_withdrawn")
    assert dict(running.metrics.cache_requests.series())["hit",] >= 2


def test_what_the_policies_do_not_know_is_denied_and_not_an_error(running: Any) -> None:
    client: Client = running.client

    unknown_purpose = client.check(**{**asked("bob"), "purpose": "treatmnt"})
    no_person = client.check(**asked(""))

    assert (unknown_purpose.is_answered, unknown_purpose.reason) == (True, "purpose_unknown")
    assert (no_person.is_answered, no_person.reason) == (True, "subject_unresolved")


def test_batch_is_answered_under_one_position(running: Any) -> None:
    client: Client = running.client
    client.record_consent(event("given", "eve", purpose="marketing", proof_method="web_form"))
    bad = question(**asked("eve"))
    bad.context.add(name="x")

    decisions = client.check_batch([question(**asked("eve")), bad, question(**asked("bob"))])

    assert [d.is_permitted for d in decisions] == [True, False, False]
    assert [d.is_answered for d in decisions] == [True, False, True]
    assert len({d.ledger_position for d in decisions if d.is_answered}) == 1


def test_state_and_history_agree_with_what_was_recorded(running: Any) -> None:
    told = event("given", "zoe", purpose="marketing", proof_method="web_form", notice="1")
    running.client.record_consent(told)
    running.client.record_consent(event("objected", "zoe", purpose="marketing.email"))
    with channel_to(running.target) as channel:
        state = consent_pb2.GetConsentResponse.FromString(
            call(
                channel,
                CONSENT + "GetConsent",
                consent_pb2.GetConsentRequest(subject="zoe").SerializeToString(),
            )
        )
        history = consent_pb2.ListConsentEventsResponse.FromString(
            call(
                channel,
                CONSENT + "ListConsentEvents",
                consent_pb2.ListConsentEventsRequest(subject="zoe").SerializeToString(),
            )
        )

    states = {p.purpose: (p.state, list(p.rights)) for p in state.purposes}
    assert states == {
        "marketing": ("consent_given", []),
        "marketing.email": ("consent_given", ["objected"]),
    }
    assert [e.event.kind for e in history.events] == [
        consent_pb2.EVENT_KIND_GIVEN,
        consent_pb2.EVENT_KIND_OBJECTED,
    ]
    assert history.events[0].event.idempotency_key == told.idempotency_key


def test_same_key_with_the_same_content_is_a_replay(running: Any) -> None:
    told = event("given", "ivy", purpose="marketing", proof_method="web_form")
    request = consent_pb2.RecordConsentRequest(events=[told]).SerializeToString()
    with channel_to(running.target) as channel:
        first, again = (
            consent_pb2.RecordConsentResponse.FromString(
                call(channel, CONSENT + "RecordConsent", request)
            )
            for _ in range(2)
        )

    assert (first.recorded[0].is_replay, again.recorded[0].is_replay) == (False, True)
    assert first.recorded[0].event_id == again.recorded[0].event_id


def test_policies_are_validated_with_the_diagnostics_of_the_command_line(running: Any) -> None:
    wrong = POLICIES.replace("for  marketing.email", "for  marketing.emial")
    with channel_to(running.target) as channel:
        answers = [
            policy_pb2.ValidatePoliciesResponse.FromString(
                call(
                    channel,
                    POLICY + "ValidatePolicies",
                    policy_pb2.ValidatePoliciesRequest(
                        files=[policy_pb2.PolicyFile(name="b.policy", text=text)]
                    ).SerializeToString(),
                    timeout=60,
                )
            )
            for text in (POLICIES, wrong)
        ]

    assert [a.is_valid for a in answers] == [True, False]
    assert len(answers[0].digest) == 64
    found = next(d for d in answers[1].diagnostics if d.severity == policy_pb2.SEVERITY_ERROR)
    assert found.code.startswith("R2")
    assert "marketing.emial" in found.rendered
    assert found.file == "b.policy"


def test_ledger_that_was_closed_takes_readiness_away(running: Any, tmp_path: Path) -> None:
    clock = SystemClock()
    ledger = SqliteLedger(tmp_path / "c.sqlite", clock=clock, ids=ProcessIds())
    store = SimpleNamespace(
        current=object(), is_fresh=lambda: True, on_change=lambda listener: None
    )
    sidecar = Sidecar(
        decider=SimpleNamespace(),  # type: ignore[arg-type]
        ledger=ledger,
        policies=store,  # type: ignore[arg-type]
        metrics=Metrics(),
        clock=clock,
        options=ServerOptions(),
    )
    before = sidecar.find_unreadiness()
    ledger.close()

    assert before is None
    assert sidecar.find_unreadiness() == "ledger_unavailable"
