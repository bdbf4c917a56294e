"""Claims about the watcher, step by step: no threads, no waiting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consentry.pdp.watcher import PolicyWatcher


class FakeStore:
    def __init__(self) -> None:
        self.reload_count = 0
        self.confirm_count = 0
        self.outcome = True

    def reload_if_changed(self) -> bool:
        self.reload_count += 1
        return self.outcome

    def confirm(self) -> None:
        self.confirm_count += 1


class Scene:
    def __init__(self) -> None:
        self.look: object = "v1"
        self.store = FakeStore()
        self.watcher = PolicyWatcher(look=lambda: self.look, store=self.store)

    def steps(self, *looks: object) -> list[bool]:
        results = []
        for look in looks:
            self.look = look
            results.append(self.watcher.step())
        return results


def test_loads_after_two_equal_looks() -> None:
    assert Scene().steps("v1", "v1") == [False, True]


def test_does_not_load_while_files_are_still_changing() -> None:
    scene = Scene()

    assert scene.steps("a", "ab", "abc", "abc", "abc") == [False, False, False, True, False]
    assert scene.store.reload_count == 1


def test_unchanged_folder_is_confirmed_and_not_loaded_again() -> None:
    scene = Scene()
    scene.steps("v1", "v1", "v1", "v1")

    assert (scene.store.reload_count, scene.store.confirm_count) == (1, 2)


def test_going_back_to_what_is_loaded_loads_nothing() -> None:
    scene = Scene()
    scene.steps("v1", "v1", "v2", "v1", "v1")

    assert scene.store.reload_count == 1


def test_change_back_after_a_refused_set_is_loaded() -> None:
    scene = Scene()
    scene.steps("good", "good", "bad", "bad", "good", "good")

    assert scene.store.reload_count == 3


def test_passing_fault_is_tried_again_ever_more_rarely() -> None:
    scene = Scene()
    scene.store.outcome = False

    tries = scene.steps(*["v1"] * 20)

    assert [number for number, tried in enumerate(tries) if tried] == [1, 4, 9, 18]


def test_change_ends_the_pause_after_a_passing_fault() -> None:
    scene = Scene()
    scene.store.outcome = False
    scene.steps("v1", "v1")
    scene.store.outcome = True

    assert scene.steps("v2", "v2") == [False, True]


def test_what_was_loaded_is_tried_again_after_a_passing_fault() -> None:
    """The store confirms nothing after a failed try, so the set would age for ever."""
    scene = Scene()
    scene.steps("good", "good")
    scene.store.outcome = False
    scene.steps("gone", "gone")
    scene.store.outcome = True

    assert scene.steps("good", "good", "good") == [False, True, False]


def test_one_look_is_enough_where_things_come_whole() -> None:
    scene = Scene()
    scene.watcher = PolicyWatcher(look=lambda: scene.look, store=scene.store, settles=False)

    assert scene.steps("v1", "v1", "v2") == [True, False, True]


def test_thread_stops_when_told_and_survives_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    waits: Iterator[bool] = iter([False, False, True])
    looks: list[int] = []

    def look() -> object:
        looks.append(1)
        raise RuntimeError("bug")

    watcher = PolicyWatcher(look=look, store=FakeStore(), wait=lambda _: next(waits))
    watcher.start()
    watcher.close()

    assert len(looks) == 2
    assert caplog.messages == ["policy_watch_failed"] * 2
