"""Signed messages: whatever was changed, nothing of it holds."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consentry.server.recording.signatures import (
    MessageKeys,
    NotVerifiedError,
    parse_public_key,
    parse_secret,
    read_secrets,
    verify,
)
from consentry.server.recording.webhooks import RateLimit
from tests.support.webhooks import sign

SECRET = b"s" * 32
OTHER = b"t" * 32
KEYS = MessageKeys(secrets=(SECRET,), tolerance_s=300)
NOW_S = 1_780_000_000
BODY = b'{"kind":"given","subject":"ada","purpose":"marketing.email"}'


def holds(
    headers: Mapping[str, str],
    body: bytes = BODY,
    keys: MessageKeys = KEYS,
    now_s: float = NOW_S,
) -> bool:
    try:
        verify(headers, body, keys, now_s)
    except NotVerifiedError:
        return False
    return True


def test_the_example_of_the_standard_holds() -> None:
    """Standard Webhooks, "Symmetric": its own id, time, body and secret."""
    secret = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    keys = MessageKeys(secrets=(secret,))
    body = b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    assert holds(headers, body, keys, 1_614_265_330)


def test_every_bit_of_body_id_and_time_is_signed() -> None:
    headers = sign(SECRET, "m1", NOW_S, BODY)
    assert holds(headers)

    for place in range(len(BODY)):
        for bit in range(8):
            changed = bytearray(BODY)
            changed[place] ^= 1 << bit
            assert not holds(headers, bytes(changed))
    assert not holds(headers, BODY + b" ")
    assert not holds(headers, b"")
    assert not holds(headers | {"webhook-id": "m2"})
    assert not holds(headers | {"webhook-timestamp": str(NOW_S + 1)})


def test_nothing_moves_between_id_time_and_body() -> None:
    headers = sign(SECRET, "m1", NOW_S, b"1." + BODY)
    moved = headers | {"webhook-id": f"m1.{NOW_S}", "webhook-timestamp": "1"}

    assert not holds(moved, BODY, now_s=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,not base64!"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-signature": " ".join(["v1,AAAA"] * 9)},
        {"webhook-id": ""},
        {"webhook-id": "a b"},
        {"webhook-id": "x" * 257},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "9" * 13},
        {"webhook-timestamp": "٣"},
    ],
)
def test_a_header_that_is_none_does_not_hold(changes: dict[str, str]) -> None:
    headers = sign(SECRET, "m1", NOW_S, BODY)

    assert not holds(headers | changes)
    assert not holds({k: v for k, v in headers.items() if k not in changes})


def test_a_message_holds_for_some_minutes_either_way() -> None:
    headers = sign(SECRET, "m1", NOW_S, BODY)

    assert holds(headers, now_s=NOW_S + 300)
    assert holds(headers, now_s=NOW_S - 300)
    assert not holds(headers, now_s=NOW_S + 301)
    assert not holds(headers, now_s=NOW_S - 301)


def test_keys_can_change_without_a_message_lost() -> None:
    both = MessageKeys(secrets=(OTHER, SECRET))
    old, new = sign(SECRET, "m1", NOW_S, BODY), sign(OTHER, "m1", NOW_S, BODY)
    two = old | {"webhook-signature": f"{new['webhook-signature']} {old['webhook-signature']}"}

    assert holds(old, keys=both)
    assert holds(new, keys=both)
    assert holds(two)
    assert not holds(new)


def test_a_public_key_proves_as_well_and_only_its_own() -> None:
    private = Ed25519PrivateKey.generate()
    text = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    keys = MessageKeys(public_keys=(parse_public_key(text),))
    made = base64.b64encode(private.sign(f"m1.{NOW_S}.".encode() + BODY)).decode()
    headers = sign(SECRET, "m1", NOW_S, BODY) | {"webhook-signature": f"v1a,{made}"}

    assert holds(headers, keys=keys)
    assert not holds(headers, BODY + b" ", keys=keys)
    assert not holds(headers), "a public key is no secret"
    assert not holds(sign(b"", "m1", NOW_S, BODY), keys=keys), "and no secret is none"


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_AAAA", "secret", "whsec_!", "whsec_" + "A" * 200]
)
def test_a_secret_that_is_none_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|a secret has") as told:
        parse_secret(text)
    assert "AAAA" not in str(told.value)


def test_a_file_of_secrets_has_one_a_line() -> None:
    line = "whsec_" + base64.b64encode(SECRET).decode()

    assert read_secrets(f"{line}\n\n {line}\n") == [SECRET, SECRET]
    with pytest.raises(ValueError, match="no secret"):
        read_secrets("\n")


def test_a_bucket_fills_at_its_rate() -> None:
    now = [0.0]
    limit = RateLimit(2.0, 3, lambda: now[0])

    assert [limit.find_wait_s() for _ in range(3)] == [None] * 3
    assert limit.find_wait_s() == 0.5
    now[0] = 0.5
    assert limit.find_wait_s() is None
    assert limit.find_wait_s() == 0.5
    now[0] = 100.0
    assert [limit.find_wait_s() for _ in range(4)] == [None, None, None, 0.5]
    now[0] = 0.0
    assert limit.find_wait_s() == 0.5, "a clock that goes back fills nothing"
