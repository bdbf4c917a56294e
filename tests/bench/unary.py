"""Server CPU per unary Check, hit and miss, next to a bare grpcio echo of the same shape."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc

from consentry.v1 import (
    authorization_pb2,
    consent_pb2,
    consent_pb2_grpc,
    decision_pb2,
    wire_pb2,
)
from tests.bench.measure import Series, paired_rounds, pin
from tests.bench.requests import newsletter_check, newsletter_consent
from tests.bench.wire import Caller, fresh_numbers
from tests.support.sidecar import running_sidecar

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def echo_server(answer: bytes) -> Iterator[tuple[str, int]]:
    """A bare server in a process of its own: its address and process id."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(answer)
        command = [sys.executable, "-m", "tests.bench.echo_server", file.name]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield f"127.0.0.1:{int(process.stdout.readline())}", process.pid
        finally:
            process.kill()
            process.communicate()


def record_consent(target: str) -> None:
    """Lets the person of the timed question agree."""
    with grpc.insecure_channel(target) as channel:
        request = consent_pb2.RecordConsentRequest(events=[newsletter_consent()])
        consent_pb2_grpc.ConsentServiceStub(channel).RecordConsent(request, timeout=10)


def must_permit(answer: bytes) -> bytes:
    """The answer, if it is the permit that the comparison is about.

    Raises:
        ValueError: it is anything else; a benchmark of wrong answers is worth nothing.
    """
    decoded = authorization_pb2.CheckResponse.FromString(answer)
    if decoded.effect != decision_pb2.EFFECT_PERMIT:
        raise ValueError(f"expected a permit, got {decoded.reason}")
    return answer


def measure(*, rounds: int, calls: int, in_flight: int, say: Callable[[str], None]) -> Series:
    """Microseconds of server CPU per call: `echo`, `echo again`, `hit`, `miss`, and `all on`.

    `all on` is a hit and `miss, all on` a miss with the decision log; the others are without it.
    """
    with ExitStack() as stack:
        ours = stack.enter_context(our_caller("--config", _config(stack, is_logged=False)))
        logged = stack.enter_context(our_caller("--config", _config(stack, is_logged=True)))
        hit_body = newsletter_check()
        answer = must_permit(ours.call("Check", hit_body))
        must_permit(logged.call("Check", hit_body))
        target, pid = stack.enter_context(echo_server(answer))
        bare = Caller(target, pid)
        stack.callback(bare.close)
        pin(pid, 0)
        pin(0, 1)
        numbers = fresh_numbers()
        same = [hit_body] * calls

        def known(caller: Caller) -> Callable[[], float]:
            return lambda: caller.server_us_per_call(same, in_flight=in_flight)

        def fresh(caller: Caller) -> Callable[[], float]:
            return lambda: caller.server_us_per_call(
                [newsletter_check(next(numbers)) for _ in range(calls)], in_flight=in_flight
            )

        sides = {
            "echo": known(bare),
            "hit": known(ours),
            "miss": fresh(ours),
            "hit, all on": known(logged),
            "miss, all on": fresh(logged),
            "echo again": known(bare),
        }
        series = paired_rounds(sides, rounds=rounds, progress=say)
        must_permit(ours.call("Check", newsletter_check(next(numbers))))
    return series


def _config(stack: ExitStack, *, is_logged: bool) -> str:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    file = folder / "consentry.toml"
    file.write_text(f"[audit]\nis_enabled = {'true' if is_logged else 'false'}\n")
    return str(file)


@contextmanager
def our_caller(*flags: str) -> Iterator[Caller]:
    """A sidecar with the policies of the project, on the first core, that knows the consent."""
    with (
        tempfile.TemporaryDirectory() as state,
        running_sidecar(ROOT / "policies", Path(state), "--no-watch", *flags) as sidecar,
    ):
        record_consent(sidecar.target)
        caller = Caller(sidecar.target, sidecar.pid)
        pin(sidecar.pid, 0)
        yield caller
        caller.close()


def measure_batch(*, rounds: int, say: Callable[[str], None]) -> Series:
    """Microseconds of server CPU per check in batches of 1,000: all hits, all misses."""
    size, batches = 1000, 4
    with ExitStack() as stack:
        caller = stack.enter_context(our_caller("--config", _config(stack, is_logged=False)))
        pin(0, 1)
        numbers = fresh_numbers()

        def batch(*, is_fresh: bool) -> bytes:
            request = authorization_pb2.CheckBatchRequest()
            for _ in range(size):
                body = newsletter_check(next(numbers) if is_fresh else 0)
                request.items.add().check.MergeFromString(body)
            return request.SerializeToString()

        def per_check(bodies: list[bytes]) -> float:
            return caller.server_us_per_call(bodies, method="CheckBatch", in_flight=2) / size

        same = [batch(is_fresh=False)] * batches
        first = authorization_pb2.CheckBatchResponse.FromString(caller.call("CheckBatch", same[0]))
        must_permit(first.results[-1].response.SerializeToString())
        sides = {
            "hit": lambda: per_check(same),
            "miss": lambda: per_check([batch(is_fresh=True) for _ in range(batches)]),
        }
        return paired_rounds(sides, rounds=rounds, progress=say)


def measure_stream(*, rounds: int, messages: int, say: Callable[[str], None]) -> Series:
    """Microseconds of server CPU per message of a CheckStream, the sides as in `measure`."""
    with ExitStack() as stack:
        ours = stack.enter_context(our_caller("--config", _config(stack, is_logged=False)))
        numbers = fresh_numbers()

        def asked(number: int = 0) -> bytes:
            check = newsletter_check(number)
            return wire_pb2.RawStreamRequest(check=check).SerializeToString()

        answer = must_permit(ours.call("Check", newsletter_check()))
        raw = wire_pb2.RawStreamResponse(response=answer).SerializeToString()
        with echo_server(raw) as (target, pid):
            bare = Caller(target, pid)
            pin(pid, 0)
            pin(0, 1)
            same = [asked()] * messages
            sides = {
                "echo": lambda: bare.server_us_per_message(same),
                "hit": lambda: ours.server_us_per_message(same),
                "miss": lambda: ours.server_us_per_message([asked(next(numbers)) for _ in same]),
                "echo again": lambda: bare.server_us_per_message(same),
            }
            series = paired_rounds(sides, rounds=rounds, progress=say)
            bare.close()
    return series
