"""CheckStream and Watch on real sockets: order, errors, limits, ends, and what they cost others."""

from __future__ import annotations

import contextlib
import queue
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from server_world import AUTHORIZATION, World, call, channel_to, question, serving

from consentry.v1 import authorization_pb2, decision_pb2, wire_pb2

CHECK = AUTHORIZATION + "Check"
CHECK_STREAM = AUTHORIZATION + "CheckStream"
WATCH = AUTHORIZATION + "Watch"
ASKED = question()
OK, INVALID, PRECONDITION = 0, 3, 9
# With the last stream the connection ends, and either may be heard first.
ENDED = (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


def item(name: str = "", at_least: int = 0, **changes: Any) -> bytes:
    return authorization_pb2.CheckStreamRequest(
        check=question(**changes), correlation_id=name, at_least=at_least
    ).SerializeToString()


def read_item(raw: bytes) -> authorization_pb2.CheckStreamResponse:
    return authorization_pb2.CheckStreamResponse.FromString(raw)


def read_watch(raw: bytes) -> authorization_pb2.WatchResponse:
    return authorization_pb2.WatchResponse.FromString(raw)


class Asker:
    """One CheckStream, asked by hand."""

    def __init__(self, channel: grpc.Channel, **options: Any) -> None:
        self._asked: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.call: Any = channel.stream_stream(CHECK_STREAM)(
            iter(self._asked.get, None), timeout=60, **options
        )

    def ask(self, raw: bytes) -> None:
        self._asked.put(raw)

    def answer(self) -> authorization_pb2.CheckStreamResponse:
        return read_item(next(self.call))

    def close(self) -> None:
        self._asked.put(None)


def watching(channel: grpc.Channel) -> Any:
    return channel.unary_stream(WATCH)(b"", timeout=60)


def test_answers_come_in_order_each_with_its_own_name() -> None:
    names = [f"c-{number}" for number in range(500)]
    with serving() as world, channel_to(world.bound.grpc[0]) as channel:
        answers = list(
            map(read_item, channel.stream_stream(CHECK_STREAM)(map(item, names), timeout=60))
        )

    assert [answer.correlation_id for answer in answers] == names
    assert [answer.response.moment.correlation_id for answer in answers] == names
    assert {answer.response.effect for answer in answers} == {decision_pb2.EFFECT_PERMIT}
    assert world.decider.asked == names


def test_bad_question_gets_an_error_of_its_own_and_ends_nothing() -> None:
    bad_person = item("bad", principal=decision_pb2.Principal(type="root"))
    broken_inside = wire_pb2.RawStreamRequest(check=b"\xff", correlation_id="c")
    with serving() as world, channel_to(world.bound.grpc[0]) as channel:
        asker = Asker(channel)
        questions = [
            item("a"), bad_person, b"\xff\xff", broken_inside.SerializeToString(),
            item("x" * 200), item("later", at_least=8), item("z"),
        ]  # fmt: skip
        for raw in questions:
            asker.ask(raw)
        answers = [asker.answer() for _ in questions]
        asker.close()

    codes = [answer.error.code for answer in answers]
    assert codes == [OK, INVALID, INVALID, INVALID, 8, PRECONDITION, OK]
    assert [a.correlation_id for a in answers] == ["a", "bad", "", "c", "", "later", "z"]


def test_consistency_token_may_stand_beside_the_call_too() -> None:
    with serving() as world, channel_to(world.bound.grpc[0]) as channel:
        asker = Asker(channel, metadata=(("consentry-at-least", "8"),))
        asker.ask(item("a"))
        behind = asker.answer()
        world.decider.position = 8
        asker.ask(item("b"))
        there = asker.answer()
        asker.close()

    assert behind.error.code == PRECONDITION
    assert there.response.moment.ledger_position == 8


def test_streams_over_the_limit_are_refused_and_places_come_back() -> None:
    with serving(stream_limit=2) as world, channel_to(world.bound.grpc[0]) as channel:
        asker, watcher = Asker(channel), watching(channel)
        asker.ask(item())
        asker.answer()
        next(watcher)

        with pytest.raises(grpc.RpcError) as refused:
            next(watching(channel))
        call(channel, CHECK, ASKED.SerializeToString())
        watcher.cancel()
        until(lambda: world.sidecar.pools.stream.count_in_flight() == 1)
        next(watching(channel))

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(world.metrics.refused.series())[("stream",)] == 1


def test_callers_who_vanish_leave_no_thread_busy_and_no_bug() -> None:
    with serving() as world:
        for _ in range(5):
            with channel_to(world.bound.grpc[0]) as channel:
                asker = Asker(channel)
                asker.ask(item())
                asker.answer()
                next(watching(channel))
        until(lambda: world.sidecar.pools.stream.count_in_flight() == 0)
        streams, watchers = len(world.sidecar.streams), world.sidecar.watch.count()
        handled = [(labels[3], n) for labels, n in world.metrics.grpc_handled.series() if n]

    assert (streams, watchers) == (0, 0)
    # A caller's last word may be heard before its leaving is.
    assert {code for code, _ in handled} <= {"CANCELLED", "OK"}
    assert sum(count for _, count in handled) == 10


def test_watch_begins_with_everything_and_then_tells_who_moved() -> None:
    with serving() as world, channel_to(world.bound.grpc[0]) as channel:
        watcher = watching(channel)
        first = read_watch(next(watcher))
        world.ledger.tell({"ada"}, 9)
        second = read_watch(next(watcher))
        world.ledger.tell(None, 10)
        third = read_watch(next(watcher))

    answer = authorization_pb2.CheckResponse.FromString(
        world.decider.check_bytes(ASKED.SerializeToString())
    )
    assert (first.drop_everything, first.instance) == (True, b"instance")
    assert first.policy_digest == world.policies.current.digest
    assert first.valid_for_us == 2_000_000
    assert [(m.handle, m.ledger_position) for m in second.moved] == [(answer.keeping.handle, 9)]
    assert (second.drop_everything, second.ledger_position) == (False, 9)
    assert (third.drop_everything, third.ledger_position) == (True, 10)


def test_watch_never_names_a_person() -> None:
    with serving() as world, channel_to(world.bound.grpc[0]) as channel:
        watcher = watching(channel)
        next(watcher)
        world.ledger.tell({"ada-lovelace"}, 1)
        told = next(watcher)

    assert b"ada" not in told


def test_watch_tells_a_new_policy_set_at_once() -> None:
    with (
        serving(watch_bound_s=3600.0) as world,
        channel_to(world.bound.grpc[0]) as channel,
    ):
        watcher = watching(channel)
        next(watcher)
        world.policies.current.digest = "e" * 64
        for listener in world.policies.listeners:
            listener(None)
        told = read_watch(next(watcher))

    assert (told.policy_digest, told.drop_everything) == ("e" * 64, False)


def test_heartbeats_come_by_themselves_and_promise_no_more_than_the_ledger_can() -> None:
    world = World()
    world.ledger.lease = held_for(60_000)
    with serving(world, watch_bound_s=0.1), channel_to(world.bound.grpc[0]) as channel:
        watcher = watching(channel)
        beats = [read_watch(next(watcher)) for _ in range(3)]
        world.ledger.lease = held_for(10_000_000)
        late = [read_watch(next(watcher)) for _ in range(2)][-1]

    assert [beat.valid_for_us for beat in beats] == [40_000] * 3
    assert not any(beat.drop_everything for beat in beats[1:])
    assert late.valid_for_us == 0


def held_for(age_us: int) -> Any:
    return SimpleNamespace(bound_us=2_000_000, age_us=lambda: age_us)


def test_malformed_watch_is_refused() -> None:
    with (
        serving() as world,
        channel_to(world.bound.grpc[0]) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        next(channel.unary_stream(WATCH)(b"\xff", timeout=20))

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_streams_that_owe_nothing_end_first_when_the_sidecar_leaves() -> None:
    world = World()
    with serving(world, grace_s=30.0), channel_to(world.bound.grpc[0]) as channel:
        idle, busy, watcher = Asker(channel), Asker(channel), watching(channel)
        for asker in (idle, busy):
            asker.ask(item())
            asker.answer()
        next(watcher)
        world.decider.may_answer.clear()
        busy.ask(item("owed"))
        until(lambda: world.decider.asked[-1] == "owed")
        stop = threading.Thread(target=world.sidecar.stop, kwargs={"grace_s": 30.0})
        stop.start()

        ends = [status_of_end(watcher), status_of_end(idle.call)]
        still_owed = stop.is_alive()
        world.decider.may_answer.set()
        owed = busy.answer()
        ends.append(status_of_end(busy.call))
        stop.join(20)

    assert ends[:2] == [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED]
    assert ends[2] in ENDED
    assert still_owed
    assert owed.correlation_id == "owed"
    assert not stop.is_alive()


def test_a_row_of_questions_is_answered_before_the_sidecar_leaves() -> None:
    asked = 300
    with serving(grace_s=30.0) as world, channel_to(world.bound.grpc[0]) as channel:
        asker = Asker(channel)
        asker.ask(item())
        asker.answer()
        for number in range(asked):
            asker.ask(item(str(number)))
        asker.answer()
        stop = threading.Thread(target=world.sidecar.stop, kwargs={"grace_s": 30.0})
        stop.start()
        names = [asker.answer().correlation_id for _ in range(asked - 1)]
        end = status_of_end(asker.call)
        stop.join(20)

    assert names == [str(number) for number in range(1, asked)]
    assert end in ENDED


@contextlib.contextmanager
def stalled_streams(world: World, count: int) -> Iterator[list[Any]]:
    """Streams whose callers send all the time and never read, until the way back is full."""
    request = item("stalled", data=[f"customer.{'long' * 25}.{n}" for n in range(60)])
    with contextlib.ExitStack() as stack:
        calls = []
        for _ in range(count):
            channel = stack.enter_context(channel_to(world.bound.grpc[0]))
            calls.append(channel.stream_stream(CHECK_STREAM)(iter(lambda: request, None)))
        yield calls
        for stalled in calls:
            stalled.cancel()


def test_stalled_readers_and_flooded_watchers_slow_nobody(
    figure: Callable[[str, object], None],
) -> None:
    """8 CheckStreams and 8 Watches whose readers do not read, against a sidecar without any."""
    with serving() as world, serving() as quiet, contextlib.ExitStack() as stack:
        beside, alone = (stack.enter_context(channel_to(w.bound.grpc[0])) for w in (world, quiet))
        stack.enter_context(stalled_streams(world, 8))
        watchers = [
            watching(stack.enter_context(channel_to(world.bound.grpc[0]))) for _ in range(8)
        ]
        for watcher in watchers:
            next(watcher)
        for position in range(20_000):
            world.ledger.tell({f"person-{position}"}, position)
        until(lambda: is_still(world))
        ratio = ratio_of_times(beside, alone)
        other = Asker(beside)
        other.ask(item("other"))
        answered = other.answer().correlation_id
        open_streams = len(world.sidecar.streams)

    figure("streams: a check beside 16 that are stalled, ratio to none", f"{ratio:.2f}")
    assert answered == "other"
    assert open_streams == 17
    assert ratio < 1.5, ratio


def test_the_ratio_above_notices_a_sidecar_that_is_slowed() -> None:
    with serving() as slowed, serving() as quiet, contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(channel_to(w.bound.grpc[0])) for w in (slowed, quiet))
        answer, pause = slowed.decider.check_bytes, threading.Event()

        def answer_late(*args: Any, **members: Any) -> Any:
            pause.wait(0.01)
            return answer(*args, **members)

        slowed.decider.check_bytes = answer_late

        assert ratio_of_times(one, other) > 1.5


def ratio_of_times(one: grpc.Channel, other: grpc.Channel) -> float:
    """How much longer a check takes here than there: the least of several looks.

    What slows a sidecar does so each time; what else the machine does, hits one side of one look.
    """
    looks = (paired_times(one, other, 150) for _ in range(4))
    return min(statistics.median(here) / statistics.median(there) for here, there in looks)


def paired_times(one: grpc.Channel, other: grpc.Channel, count: int) -> tuple[list[float], ...]:
    """Times of checks, one here and one there in turns, so that noise hits both."""
    raw, spent = ASKED.SerializeToString(), ([], [])  # type: tuple[bytes, tuple[list[float], ...]]
    for _ in range(count):
        for times, channel in zip(spent, (one, other), strict=True):
            began = time.perf_counter()
            call(channel, CHECK, raw)
            times.append(time.perf_counter() - began)
    return spent


def is_still(world: World) -> bool:
    """Whether no stream is answered any more, their ways back being full, and nothing spins."""
    asked, spent_s = len(world.decider.asked), time.process_time()
    threading.Event().wait(0.3)
    return len(world.decider.asked) == asked and time.process_time() - spent_s < 0.15


def status_of_end(stream: Any) -> grpc.StatusCode:
    """How a stream ended, whatever it said before."""
    with contextlib.suppress(grpc.RpcError):
        for _ in stream:
            pass
    code: grpc.StatusCode = stream.code()
    return code


def until(condition: Any) -> None:
    """Waits for what another thread does; a bounded number of short waits."""
    pause = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never came")
