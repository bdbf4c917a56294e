"""Claims about the cache as a container: bounds, order of use, freeing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pdp_fakes import POLICY, snapshot_of

from consentry.consent.ledger import SubjectCell
from consentry.consent.resolver import UNAVAILABLE
from consentry.pdp.audited import NOT_AUDITED
from consentry.pdp.cache import AnswerCache, Entry, entry_size


def entry(own: bytes = b"") -> Entry:
    return Entry(
        snapshot=snapshot_of(POLICY),
        cell=SubjectCell("ada"),
        view=UNAVAILABLE,
        from_us=0,
        until_us=1,
        shared=b"",
        own=own,
        count=lambda: 0,
        audit=NOT_AUDITED,
    )


def fill(cache: AnswerCache, *keys: bytes) -> None:
    for key in keys:
        assert cache.store(key, entry())


def held(cache: AnswerCache, *keys: bytes) -> list[bytes]:
    return [key for key in keys if cache._entries.get(key) is not None]


def test_what_is_not_there_is_none_and_leaves_nothing_behind() -> None:
    cache = AnswerCache()

    assert cache.find(b"a") is None
    assert len(cache) == 0


def test_least_recently_used_goes_first_at_the_bound_of_entries() -> None:
    cache = AnswerCache(max_entries=3)
    fill(cache, b"a", b"b", b"c")
    cache.find(b"a")
    fill(cache, b"d")

    assert held(cache, b"a", b"b", b"c", b"d") == [b"a", b"c", b"d"]
    assert cache.evicted_count == 1


def test_bytes_are_bounded() -> None:
    one = entry_size(b"a", b"x" * 400)
    cache = AnswerCache(max_bytes=3 * one)
    for key in (b"a", b"b", b"c", b"d", b"e"):
        cache.store(key, entry(b"x" * 400))

    assert len(cache) == 3
    assert cache.size_bytes == 3 * one
    assert cache.evicted_count == 2


def test_entry_larger_than_the_cache_is_not_kept() -> None:
    cache = AnswerCache(max_bytes=1_000)

    assert not cache.store(b"a", entry(b"x" * 1_000))
    assert len(cache) == 0


def test_replacing_an_entry_evicts_nothing() -> None:
    cache = AnswerCache(max_entries=2)
    fill(cache, b"a", b"b", b"a")

    assert len(cache) == 2
    assert cache.evicted_count == 0


def test_cache_without_room_keeps_nothing() -> None:
    assert not AnswerCache(max_entries=0).store(b"a", entry())


def test_freeing_takes_what_was_there_and_leaves_what_came_meanwhile() -> None:
    cache = AnswerCache()
    fill(cache, *(b"%d" % number for number in range(200)))
    real_lock, entered = cache._lock, iter(range(100))

    class Meddling:
        @contextmanager
        def held(self) -> Iterator[None]:
            if next(entered) == 2:
                cache._entries[b"new"] = entry()
            with real_lock:
                yield

        def __enter__(self) -> None:
            self.context = self.held()
            self.context.__enter__()

        def __exit__(self, *problem: object) -> None:
            self.context.__exit__(None, None, None)

    cache._lock = Meddling()  # type: ignore[assignment]  # stands in for the lock
    cache.drop_older()
    cache._lock = real_lock

    assert held(cache, b"new") == [b"new"]
    assert len(cache) == 1


def test_checks_go_on_while_older_answers_are_dropped() -> None:
    left_at_steps: list[int] = []

    def step() -> None:
        left_at_steps.append(len(cache))
        assert cache.find(b"999") is not None or len(cache) == 0  # its lock is not held

    cache = AnswerCache(step=step)
    for number in range(1_000):
        cache.store(b"%d" % number, entry())

    cache.drop_older()

    assert len(cache) == 0
    assert len(left_at_steps) > 10
    assert left_at_steps == sorted(set(left_at_steps), reverse=True)


def test_threads_leave_the_cache_whole() -> None:
    cache = AnswerCache(max_entries=50)
    keys = [b"%d" % number for number in range(120)]
    entries = {key: entry() for key in keys}
    problems: list[BaseException] = []

    def work(offset: int) -> None:
        try:
            for number in range(3_000):
                key = keys[(number * 7 + offset * 31) % len(keys)]
                found = cache.find(key)
                assert found is None or found is entries[key]
                if found is None:
                    cache.store(key, entries[key])
                if number % 500 == 0:
                    cache.drop_older()
        except BaseException as problem:  # noqa: BLE001 - told to the test's own thread
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert len(cache) <= 50
    assert cache.size_bytes == sum(entry_size(raw, e.own) for raw, e in cache._entries.items())
