"""Tokens: whose count, how long, and what becomes of them when keys change."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from consentry.pdp.url_file import UrlFile
from consentry.server.callers import Identity, NotAuthenticatedError, Right
from consentry.server.token_keys import MAX_JWKS_BYTES, FollowedKeys, KeySetError, read_keys
from consentry.server.tokens import MAX_REMEMBERED, Issuer, TokenVerifier
from tests.support.certificates import TokenIssuer, key_set

SHOP = Identity(name="shop", rights={Right.DECIDE: None})
CRM = Identity(name="crm", rights={Right.DECIDE: None})


class World:
    """A verifier whose keys and clocks the test moves."""

    def __init__(self, issuer: TokenIssuer, *others: TokenIssuer) -> None:
        self.raw = key_set(issuer)
        self.failure: OSError | None = None
        self.steady_s = 0.0
        self.ahead_s = 0.0
        self.fetched = 0
        self.keys = self.follow()
        self.keys.refresh()
        issuers = [
            Issuer(
                name=issuer.name, audiences=("consentry",), keys=self.keys, identities={"a": SHOP}
            )
        ]
        for other in others:
            keys = self.follow(key_set(other))
            keys.refresh()
            issuers.append(
                Issuer(name=other.name, audiences=("consentry",), keys=keys, identities={"a": CRM})
            )
        self.verifier = TokenVerifier(issuers, self.now_us)

    def follow(self, raw: bytes | None = None) -> FollowedKeys:
        def fetch() -> bytes:
            self.fetched += 1
            if self.failure is not None:
                raise self.failure
            return self.raw if raw is None else raw

        return FollowedKeys(
            fetch, name="i", monotonic_s=lambda: self.steady_s, interval_s=60, max_age_s=100
        )

    def now_us(self) -> int:
        return int((time.time() + self.ahead_s) * 1_000_000)

    def refuses(self, token: str) -> bool:
        try:
            self.verifier.verify(token)
        except NotAuthenticatedError:
            return True
        return False


def test_a_token_is_verified_once_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = TokenIssuer()
    world = World(issuer)
    token = issuer.token("a", lives_s=60)
    first = world.verifier.verify(token)

    monkeypatch.setattr(world.verifier, "_verify", lambda _: pytest.fail("verified again"))

    assert world.verifier.verify(token) is first
    assert first.identity is SHOP
    world.ahead_s = 60 + 29
    assert world.verifier.verify(token) is first
    monkeypatch.undo()
    world.ahead_s = 60 + 31
    assert world.refuses(token)


def test_a_token_that_another_differs_from_in_one_letter_is_another() -> None:
    issuer = TokenIssuer()
    world = World(issuer)
    token = issuer.token("a")
    world.verifier.verify(token)

    for index in range(0, len(token), 7):
        changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
        if index < len(token) - 1:  # the last letter of base64 has bits that say nothing
            assert world.refuses(changed), index


@pytest.mark.parametrize("part", [0, 1])
def test_a_token_that_is_nested_deeply_is_a_bad_token(part: int) -> None:
    issuer = TokenIssuer()
    parts = issuer.token("a").split(".")
    parts[part] = base64.urlsafe_b64encode(b"[" * 5_000).rstrip(b"=").decode()

    assert World(issuer).refuses(".".join(parts))


def test_keys_that_went_take_their_tokens_along() -> None:
    issuer = TokenIssuer()
    world = World(issuer)
    old = issuer.token("a")
    world.verifier.verify(old)
    newer = issuer.next_key("two")

    world.raw = key_set(issuer, newer)
    world.keys.refresh()
    assert not world.refuses(old)
    assert not world.refuses(newer.token("a"))

    world.raw = key_set(newer)
    world.keys.refresh()
    assert world.refuses(old)
    assert not world.refuses(newer.token("a"))


def test_a_key_of_the_same_name_that_is_another_key_counts_no_longer() -> None:
    issuer = TokenIssuer()
    world = World(issuer)
    old = issuer.token("a")
    world.verifier.verify(old)

    world.raw = key_set(issuer.next_key(issuer.key_id))
    world.keys.refresh()

    assert world.refuses(old)


def test_keys_that_cannot_be_had_stay_for_a_time_and_then_prove_nothing() -> None:
    issuer = TokenIssuer()
    world = World(issuer)
    world.failure = OSError(5, "gone")
    world.steady_s = 99
    world.keys.try_refresh()
    assert not world.refuses(issuer.token("a"))

    world.steady_s = 101
    world.keys.try_refresh()
    assert world.refuses(issuer.token("a"))


def test_an_issuer_speaks_for_its_own_identities_only() -> None:
    one, two = TokenIssuer("https://one.example"), TokenIssuer("https://two.example")
    world = World(one, two)

    assert world.verifier.verify(one.token("a")).identity is SHOP
    assert world.verifier.verify(two.token("a")).identity is CRM
    assert world.refuses(one.token("a", iss=two.name))


def test_signatures_count_by_the_configuration_and_not_by_the_token() -> None:
    issuer = TokenIssuer()
    world = World(issuer)
    only = Issuer(
        name=issuer.name,
        audiences=("consentry",),
        keys=world.keys,
        identities={"a": SHOP},
        algorithms=("ES256",),
    )
    verifier = TokenVerifier([only], world.now_us)

    with pytest.raises(NotAuthenticatedError):
        verifier.verify(issuer.token("a"))


def test_a_key_that_is_not_there_is_looked_for_seldom() -> None:
    issuer = TokenIssuer()
    world = World(issuer)
    unknown = issuer.next_key("two")
    wanted = world.keys._is_wanted

    assert world.refuses(unknown.token("a"))
    assert not wanted.is_set(), "the keys were fetched a moment ago"
    world.steady_s = 6
    assert world.refuses(unknown.token("a"))
    assert wanted.is_set()


def test_what_is_remembered_is_bounded() -> None:
    issuer = TokenIssuer()
    world = World(issuer)
    verified = (world.verifier.verify(issuer.token("a")), world.keys)
    for number in range(MAX_REMEMBERED + 5):
        world.verifier._remember(number.to_bytes(32), verified, world.verifier._generation)

    assert len(world.verifier._known) == MAX_REMEMBERED


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{}", b"[]", b'{"keys": 1}', b'{"keys": []}', b'{"keys": [1, null, {}]}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "!"}]}',
        json.dumps({"keys": [{}] * 65}).encode(),
        b'{"keys": ' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_key_set_is_refused(raw: bytes) -> None:
    with pytest.raises(KeySetError):
        read_keys(raw)


def test_two_keys_of_one_name_are_refused() -> None:
    issuer = TokenIssuer()

    with pytest.raises(KeySetError, match="same id"):
        read_keys(key_set(issuer, issuer.next_key(issuer.key_id)))


def test_without_a_name_only_a_single_key_is_meant() -> None:
    issuer = TokenIssuer()
    one = read_keys(key_set(issuer))
    two = read_keys(key_set(issuer, issuer.next_key("two")))

    assert one.find(None) is one.keys["one"]
    assert two.find(None) is None
    assert two.find("two") is two.keys["two"]


@contextmanager
def issuing(answers: Sequence[bytes]) -> Iterator[str]:
    """A server on this machine that gives these answers in turn, the last one for ever."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/keys"
        server.shutdown()
        thread.join()


def test_keys_come_from_a_url_and_are_followed() -> None:
    issuer = TokenIssuer()
    newer = issuer.next_key("two")
    changed = threading.Event()
    with issuing([key_set(issuer), key_set(newer)]) as url:
        file = UrlFile(url, what="the key set", accept="*/*", max_bytes=MAX_JWKS_BYTES)
        keys = FollowedKeys(
            file.fetch,
            name="i",
            monotonic_s=time.monotonic,
            interval_s=0.01,
            max_age_s=100,
            on_change=lambda: ("two" in keys.current().keys and changed.set()) or None,
        )
        keys.start()
        assert changed.wait(20)
        keys.close()

    assert list(keys.current().keys) == ["two"]


def test_a_key_set_that_is_too_large_is_refused() -> None:
    with issuing([b" " * (MAX_JWKS_BYTES + 1)]) as url:
        file = UrlFile(url, what="the key set", accept="*/*", max_bytes=MAX_JWKS_BYTES)
        keys = FollowedKeys(
            file.fetch, name="i", monotonic_s=time.monotonic, interval_s=60, max_age_s=100
        )
        with pytest.raises(KeySetError, match="larger"):
            keys.refresh()
