"""Who calls, what they may do, and what they may ask as whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from consentry.server.admission import admitted
from consentry.server.callers import (
    ANYBODY,
    OPEN,
    BoundPrincipal,
    Caller,
    Callers,
    Identity,
    NotAuthenticatedError,
    NotPermittedError,
    RefusedCause,
    Right,
    certificate_names,
    covers,
)
from consentry.server.decode import decode_request
from consentry.server.decode_known import decode_known
from consentry.v1 import authorization_pb2, decision_pb2

SHOP = Identity(name="shop", rights={Right.DECIDE: frozenset({"marketing"})})
CRM = Identity(
    name="crm",
    rights={Right.DECIDE: None, Right.EXPLAIN: None},
    principal=BoundPrincipal(id="crm", roles=frozenset({"support", "reader"})),
)


def question(**changes: Any) -> authorization_pb2.CheckRequest:
    fields: dict[str, Any] = {
        "action": "read",
        "data": ["customer"],
        "subject": decision_pb2.DataSubject(id="ada"),
        "purpose": "marketing.email",
    }
    return authorization_pb2.CheckRequest(**(fields | changes))


CRM_ASKS = decision_pb2.Principal(id="crm", type="service", roles=["reader", "support"])


class Connection:
    def __init__(self, **properties: Sequence[bytes]) -> None:
        self._properties = properties

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        return self._properties


class Tokens:
    def verify(self, token: str) -> Caller:
        if token != "good":
            raise NotAuthenticatedError(RefusedCause.BAD_TOKEN)
        return Caller(SHOP, 5)


BOTH = Callers(
    identities={"shop": SHOP, "crm": CRM},
    by_certificate={"spiffe://a.example/crm": CRM, "dns:shop.example": SHOP},
    tokens=Tokens(),
    now_us=lambda: 5,
)


@pytest.mark.parametrize(
    ("purposes", "purpose", "is_covered"),
    [
        (None, "marketing", True),
        (None, "", True),
        (frozenset({"marketing"}), "marketing", True),
        (frozenset({"marketing"}), "marketing.email.weekly", True),
        (frozenset({"marketing.email"}), "marketing", False),
        (frozenset({"marketing"}), "marketing_partners", False),
        (frozenset({"marketing"}), "", False),
        (frozenset(), "marketing", False),
    ],
)
def test_a_purpose_covers_those_below_it(
    purposes: frozenset[str] | None, purpose: str, is_covered: bool
) -> None:
    assert covers(purposes, purpose) is is_covered


def test_without_identities_everybody_may_do_everything() -> None:
    assert OPEN.of_headers(None) is ANYBODY
    assert OPEN.of_call((), Connection()) is ANYBODY
    for right in Right:
        ANYBODY.require(right, "marketing")


def test_a_token_says_who_calls_even_beside_a_certificate() -> None:
    crm = Connection(peer_spiffe_id=[b"spiffe://a.example/crm"])

    assert BOTH.of_call((("authorization", "Bearer good"),), crm).name == "shop"
    assert BOTH.of_call((("Authorization", "ignored"),), crm).name == "crm"
    assert BOTH.of_headers("bearer good").name == "shop"


@pytest.mark.parametrize(
    "header", ["good", "Basic good", "Bearer bad", "Bearer", "", "Bearer " + "x" * 9_000]
)
def test_a_bad_token_proves_nothing_even_beside_a_good_certificate(header: str) -> None:
    crm = Connection(peer_spiffe_id=[b"spiffe://a.example/crm"])

    with pytest.raises(NotAuthenticatedError):
        BOTH.of_call((("authorization", header),), crm)
    with pytest.raises(NotAuthenticatedError):
        BOTH.of_headers(header)


def test_two_tokens_prove_nothing() -> None:
    pair = ("authorization", "Bearer good")

    with pytest.raises(NotAuthenticatedError):
        BOTH.of_call((pair, pair), Connection())


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"x509_common_name": [b"crm"], "x509_subject": [b"CN=crm"]},
        {"x509_common_name": [b"spiffe://a.example/crm"]},
        {"peer_uri": [b"spiffe://a.example/crm"]},
        {"peer_uri": [b"SPIFFE://a.example/crm"]},
        {"peer_dns": [b"spiffe://a.example/crm"]},
        {"peer_uri": [b"dns:shop.example.org"]},
        {"peer_spiffe_id": [b"spiffe://a.example/crm"], "peer_dns": [b"shop.example"]},
        {"peer_spiffe_id": [b"spiffe://a.example/\xff"]},
    ],
)
def test_no_other_word_of_a_certificate_proves_an_identity(
    properties: dict[str, list[bytes]],
) -> None:
    with pytest.raises(NotAuthenticatedError):
        BOTH.of_call((), Connection(**properties))


def test_hosts_of_a_certificate_know_no_case() -> None:
    assert certificate_names({"peer_dns": [b"Shop.Example"]}) == ("dns:shop.example",)
    assert BOTH.of_call((), Connection(peer_dns=[b"SHOP.example"])).name == "shop"


def test_a_certificate_is_read_once_and_counts_until_it_ends() -> None:
    time_us, read = 0, []

    def find_end_us(pem: bytes) -> int:
        read.append(pem)
        return 10

    callers = Callers(
        identities={"crm": CRM},
        by_certificate={"spiffe://a.example/crm": CRM},
        now_us=lambda: time_us,
        find_end_us=find_end_us,
    )
    shown = Connection(peer_spiffe_id=[b"spiffe://a.example/crm"], x509_pem_cert=[b"pem"])
    other = Connection(peer_spiffe_id=[b"spiffe://a.example/not"], x509_pem_cert=[b"other"])

    assert callers.of_call((), shown) is callers.of_call((), shown)
    assert read == [b"pem"]
    for _ in range(2):
        with pytest.raises(NotAuthenticatedError):
            callers.of_call((), other)
    time_us = 10
    with pytest.raises(NotAuthenticatedError) as caught:
        callers.of_call((), shown)
    assert caught.value.cause is RefusedCause.ENDED


def test_what_was_proven_ends() -> None:
    BOTH.check_time(Caller(SHOP, 6))
    BOTH.check_time(Caller(SHOP))
    with pytest.raises(NotAuthenticatedError):
        BOTH.check_time(Caller(SHOP, 5))


def test_an_identity_asks_for_its_own_purposes_only() -> None:
    raw = question().SerializeToString()

    assert admitted(raw, Caller(SHOP)) == raw
    for purpose in ("billing", "marketing_partners", ""):
        with pytest.raises(NotPermittedError):
            admitted(question(purpose=purpose).SerializeToString(), Caller(SHOP))


def test_a_purpose_said_twice_is_the_one_that_is_decided() -> None:
    first, last = question().SerializeToString(), question(purpose="billing").SerializeToString()

    with pytest.raises(NotPermittedError):
        admitted(first + last, Caller(SHOP))


def test_a_bound_principal_is_set_where_none_is_said() -> None:
    raw = admitted(question().SerializeToString(), Caller(CRM))

    known = decode_known(raw)
    assert known is not None, "the quick way takes it, so that the answer can be kept"
    assert known == decode_request(authorization_pb2.CheckRequest.FromString(raw))
    assert (known.principal.id, known.principal.kind) == ("crm", "service")
    assert known.principal.roles == {"reader", "support"}


def test_a_bound_principal_may_be_said() -> None:
    raw = question(principal=CRM_ASKS).SerializeToString()

    assert admitted(raw, Caller(CRM)) == raw


@pytest.mark.parametrize(
    "said",
    [
        decision_pb2.Principal(),
        decision_pb2.Principal(id="crm", type="service"),
        decision_pb2.Principal(id="root", type="service", roles=["reader", "support"]),
        decision_pb2.Principal(id="crm", type="person", roles=["reader", "support"]),
        decision_pb2.Principal(id="crm", type="service", roles=["reader", "support", "dpo"]),
        decision_pb2.Principal(id="crm", type="service", roles=["reader"]),
        decision_pb2.Principal(
            id="crm", type="service", roles=["reader", "support"], controller="other"
        ),
        decision_pb2.Principal(
            id="crm", type="service", roles=["reader", "support"],
            attributes=[decision_pb2.Attribute(name="clearance")],
        ),
    ],
)  # fmt: skip
def test_a_bound_identity_asks_as_nobody_else(said: decision_pb2.Principal) -> None:
    with pytest.raises(NotPermittedError):
        admitted(question(principal=said).SerializeToString(), Caller(CRM))


def test_a_principal_in_two_parts_is_looked_at_as_a_whole() -> None:
    rest = authorization_pb2.CheckRequest(principal=decision_pb2.Principal(roles=["dpo"]))
    raw = question(principal=CRM_ASKS).SerializeToString() + rest.SerializeToString()

    with pytest.raises(NotPermittedError):
        admitted(raw, Caller(CRM))
