"""Both clients against the sidecar for tests: what they ask, how they fail, try again and end."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from consentry.client import (
    NO_RETRY,
    AsyncClient,
    CacheOptions,
    Client,
    ConsentryError,
    Counts,
    Decision,
    Retry,
    StreamQuestion,
    Tls,
    apply,
    event,
    question,
    service,
)
from consentry.client.questions import QuestionFields
from consentry.client.testing import FakeSidecar

PERMITTED, DENIED = True, False
UNAVAILABLE, OVER = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED


def asked(person: str = "ada") -> QuestionFields:
    return {
        "principal": service("mailer"), "action": "contact", "data": ["customer.email"],
        "subject": person, "purpose": "marketing.email", "channel": "email",
    }  # fmt: skip


class Sync:
    """The synchronous client, called."""

    def run(self, target: str, act: Callable[[Any], Any], **options: Any) -> Any:
        with Client(target, **{"timeout_s": 20.0, **options}) as client:
            return act(client)


class Async:
    """The other one: what `act` asks for is awaited, a stream is read to its end."""

    def run(self, target: str, act: Callable[[Any], Any], **options: Any) -> Any:
        async def whole() -> Any:
            async with AsyncClient(target, **{"timeout_s": 20.0, **options}) as client:
                return await waited(act(_Awaiting(client)))

        return asyncio.run(whole())


async def waited(found: Any) -> Any:
    if inspect.isasyncgen(found):
        return [one async for one in found]
    if isinstance(found, list):
        return [await waited(one) for one in found]
    return await found if inspect.isawaitable(found) else found


class _Awaiting:
    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.fixture(params=[Sync(), Async()], ids=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def sidecar() -> Iterator[FakeSidecar]:
    with FakeSidecar() as fake:
        fake.permit(data_subject="ada")
        yield fake


def test_check_and_permits(caller: Any, sidecar: FakeSidecar) -> None:
    decisions = caller.run(
        sidecar.target,
        lambda c: [c.check(**asked(), correlation_id="c"), c.check(**asked("eve"))],
    )
    yes = caller.run(sidecar.target, lambda c: c.permits(**asked()))

    assert [d.is_permitted for d in decisions] == [PERMITTED, DENIED]
    assert [d.correlation_id for d in decisions] == ["c", ""]
    assert [d.reason for d in decisions] == ["consent_valid", "no_rule"]
    assert yes is True
    assert sidecar.asked[0].principal.id == "mailer"


def test_batch_and_recording(caller: Any, sidecar: FakeSidecar) -> None:
    batch = [question(**asked()), question(**asked("eve"))]
    decisions = caller.run(sidecar.target, lambda c: c.check_batch(batch))
    position = caller.run(
        sidecar.target, lambda c: c.record_consent(event("given", "ada", purpose="p"))
    )

    assert [d.is_permitted for d in decisions] == [PERMITTED, DENIED]
    assert position == 2
    assert sidecar.recorded[0].subject == "ada"


def test_stream_answers_in_order_and_reads_no_further_ahead_than_told(
    caller: Any, sidecar: FakeSidecar
) -> None:
    read: list[int] = []
    ahead: list[int] = []

    def questions() -> Iterator[StreamQuestion]:
        for number in range(200):
            read.append(number)
            ahead.append(len(read) - len(sidecar.asked))
            person = "ada" if number % 2 else "eve"
            yield StreamQuestion(check=question(**asked(person)), correlation_id=str(number))

    decisions = caller.run(sidecar.target, lambda c: _listed(c.stream(questions(), window=16)))

    assert [d.correlation_id for d in decisions] == [str(number) for number in range(200)]
    assert [d.is_permitted for d in decisions] == [DENIED, PERMITTED] * 100
    assert max(ahead) <= 17


def _listed(stream: Any) -> Any:
    return stream if inspect.isasyncgen(stream) else list(stream)


def test_stream_that_gets_no_answer_denies_what_is_left_and_waits_once(
    caller: Any, sidecar: FakeSidecar
) -> None:
    sidecar.delay(30.0)
    # So long that what is ahead does not fit on the way: sending must not wait for ever either.
    long = question(**{**asked(), "data": [f"customer.{'long' * 25}.{n}" for n in range(300)]})
    began_s = time.monotonic()
    decisions = caller.run(sidecar.target, lambda c: _listed(c.stream([long] * 50, timeout_s=0.3)))
    spent_s = time.monotonic() - began_s

    assert [d.reason for d in decisions] == ["unavailable"] * 50
    assert "DEADLINE_EXCEEDED" in decisions[0].error
    assert spent_s < 15.0
    sidecar.delay(0.0)


def test_stream_goes_on_over_another_call_when_the_sidecar_ends_one(caller: Any) -> None:
    with FakeSidecar() as first:
        first.permit()
        counts = Counts()
        broken: list[int] = []

        def questions() -> Iterator[Any]:
            for number in range(60):
                if number == 30:
                    first.fail(UNAVAILABLE)
                    threading.Timer(0.15, first.fail, args=(None,)).start()
                    broken.append(number)
                yield question(**asked())

        retry = Retry(attempts=8, backoff_s=0.05)
        decisions = caller.run(
            first.target,
            lambda c: _listed(c.stream(questions(), window=4)),
            retry=retry,
            metrics=counts,
        )

    assert broken == [30]
    assert [d.error for d in decisions if d.error] == []
    assert [d.is_permitted for d in decisions] == [PERMITTED] * 60
    assert counts.counts["retried", "CheckStream"] >= 1


def test_stream_raises_where_the_client_should(caller: Any, sidecar: FakeSidecar) -> None:
    sidecar.fail(grpc.StatusCode.INTERNAL)

    with pytest.raises(ConsentryError) as caught:
        caller.run(
            sidecar.target,
            lambda c: _listed(c.stream([question(**asked())])),
            on_error="raise",
        )

    assert caught.value.code is grpc.StatusCode.INTERNAL


def test_explanation_that_cannot_be_had_raises_whatever_on_error_says(
    caller: Any, sidecar: FakeSidecar
) -> None:
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(ConsentryError) as caught:
        caller.run(sidecar.target, lambda c: c.explain(**asked(), at=at, with_changes=False))
    with pytest.raises(ValueError, match="time zone"):
        caller.run(
            sidecar.target,
            lambda c: c.explain(**asked(), at=dt.datetime(2026, 1, 1)),  # noqa: DTZ001
        )

    assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("code", "tries"), [(UNAVAILABLE, 3), (grpc.StatusCode.INTERNAL, 1), (OVER, 1)]
)
def test_only_what_cannot_have_been_done_is_tried_again(
    caller: Any, sidecar: FakeSidecar, code: grpc.StatusCode, tries: int
) -> None:
    counts = Counts()
    sidecar.fail(code)
    decision = caller.run(sidecar.target, lambda c: c.check(**asked()), metrics=counts)

    assert decision.reason == "unavailable"
    assert counts.counts["retried", "Check"] == tries - 1
    assert counts.counts["called", "Check", code.name] == 1


def test_deadline_bounds_all_tries_and_may_be_set_for_one_call(
    caller: Any, sidecar: FakeSidecar
) -> None:
    sidecar.fail(UNAVAILABLE)
    retry = Retry(attempts=1_000_000, backoff_s=0.001)
    began_s = time.monotonic()
    decision = caller.run(sidecar.target, lambda c: c.check(**asked(), timeout_s=0.3), retry=retry)
    spent_s = time.monotonic() - began_s

    assert decision.reason == "unavailable"
    assert spent_s < 10.0


def test_hedge_is_off_unless_asked_for_and_takes_what_comes_first(caller: Any) -> None:
    with FakeSidecar() as sidecar:
        sidecar.permit()
        sidecar.delay(0.3)
        plain, hedged = Counts(), Counts()
        caller.run(sidecar.target, lambda c: c.check(**asked()), metrics=plain)
        decision = caller.run(
            sidecar.target, lambda c: c.check(**asked()), metrics=hedged, hedge_after_s=0.05
        )

    assert decision.is_permitted
    assert plain.counts["retried", "Check"] == 0
    assert hedged.counts["retried", "Check"] == 1
    assert len(sidecar.asked) >= 2


def test_hedged_check_without_an_answer_is_a_denial(caller: Any, sidecar: FakeSidecar) -> None:
    sidecar.delay(20.0)
    decision = caller.run(
        sidecar.target, lambda c: c.check(**asked(), timeout_s=0.3), hedge_after_s=0.05
    )
    sidecar.delay(0.0)

    assert decision.reason == "unavailable"


def test_unix_socket(caller: Any, tmp_path: Path) -> None:
    with FakeSidecar(address=f"unix:{tmp_path}/c.sock") as sidecar:
        sidecar.permit()
        assert caller.run(sidecar.target, lambda c: c.permits(**asked()))


def test_tls_with_a_certificate_of_both_sides(caller: Any) -> None:
    key, certificate = self_signed("sidecar.example")
    credentials = grpc.ssl_server_credentials(
        [(key, certificate)], root_certificates=certificate, require_client_auth=True
    )
    with FakeSidecar(tls=credentials) as sidecar:
        sidecar.permit()
        known = Tls(roots=certificate, key=key, certificate=certificate,
                    server_name="sidecar.example")  # fmt: skip
        anonymous = Tls(roots=certificate, server_name="sidecar.example")
        other = Tls(roots=self_signed("sidecar.example")[1], server_name="sidecar.example")
        answers = [
            caller.run(sidecar.target, lambda c: c.permits(**asked()), tls=tls, retry=NO_RETRY)
            for tls in (known, anonymous, other, None)
        ]

    assert answers == [True, False, False, False]


def self_signed(name: str) -> tuple[bytes, bytes]:
    """Key and certificate, PEM; the certificate vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(pem, kind, plain), certificate.public_bytes(pem)


def test_cache_answers_until_the_push_and_then_asks_again(sidecar: FakeSidecar) -> None:
    counts = Counts()
    with Client(sidecar.target, timeout_s=20, cache=CacheOptions(), metrics=counts) as client:
        assert client.cache is not None
        until(lambda: client.cache is not None and client.cache.is_following)
        first, second = client.check(**asked()), client.check(**asked())
        sidecar.withdraw("ada")
        until(lambda: client.cache is not None and len(client.cache) == 0)
        third = client.check(**asked())

    assert [first.is_from_cache, second.is_from_cache, third.is_from_cache] == [False, True, False]
    assert [d.reason for d in (second, third)] == ["consent_valid", "consent_withdrawn"]
    assert counts.counts["cached", "hit"] == 1


def test_cache_of_the_async_client_follows_too(sidecar: FakeSidecar) -> None:
    async def story() -> list[Decision]:
        async with AsyncClient(sidecar.target, timeout_s=20, cache=CacheOptions()) as client:
            assert client.cache is not None
            cache = client.cache
            await asyncio.to_thread(until, lambda: cache.is_following)
            answers = [await client.check(**asked()) for _ in range(2)]
            sidecar.reload("another")
            await asyncio.to_thread(until, lambda: not len(cache))
            return [*answers, await client.check(**asked())]

    assert [d.is_from_cache for d in asyncio.run(story())] == [False, True, False]


def test_cache_of_a_sidecar_that_is_gone_answers_nothing() -> None:
    with FakeSidecar() as sidecar:
        sidecar.permit()
        client = Client(sidecar.target, timeout_s=0.5, cache=CacheOptions())
        until(lambda: client.cache is not None and client.cache.is_following)
        before = [client.check(**asked()) for _ in range(2)][-1]
    until(lambda: client.cache is not None and not client.cache.is_following)
    after = client.check(**asked())
    client.close()

    assert before.is_from_cache
    assert after.reason == "unavailable"


def test_asking_for_a_position_or_under_a_name_is_answered_accordingly(
    sidecar: FakeSidecar,
) -> None:
    with Client(sidecar.target, timeout_s=20, cache=CacheOptions()) as client:
        until(lambda: client.cache is not None and client.cache.is_following)
        kept = client.check(**asked())
        newer = client.check(**asked(), at_least=kept.ledger_position + 1)
        named = client.check(**asked(), correlation_id="c-1")

    assert not newer.is_from_cache
    assert (named.correlation_id, named.is_from_cache) == ("c-1", False)


def test_fake_masks_and_obliges_as_told(sidecar: FakeSidecar) -> None:
    sidecar.permit(masks={"customer.email": "last 4"}, obligations={"log_use": "log it"})
    with Client(sidecar.target, timeout_s=20) as client:
        decision = client.check(**asked())

    assert apply(decision, {"email": "a@example.org"}) == {"email": "•••••••••.org"}
    assert [duty.name for duty in decision.obligations] == ["log_use"]
    with pytest.raises(ValueError, match="no mask"):
        sidecar.permit(masks={"a": "scramble"})


def until(condition: Callable[[], bool]) -> None:
    """Waits for what another thread does; a bounded number of short waits."""
    pause = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never came")
