"""Claims about the heap: cycles of replaced sets go, and a storm is no storm of pauses."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from consentry.pdp.heap import Heap


class Node:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.me = self


class Scene:
    def __init__(self, max_rules: int = 5_000) -> None:
        self.now_s = 1_000.0
        self.heap = Heap(lambda: self.now_s, every_s=60, max_rules=max_rules)

    def leave_behind(self) -> weakref.ref[Node]:
        """A cycle that was set aside and that nobody needs any more."""
        node = Node()
        self.heap.settle(100)
        return weakref.ref(node)


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.collect()


def test_what_lives_is_set_aside_at_once() -> None:
    scene = Scene()
    gc.unfreeze()

    scene.heap.settle(100)

    assert gc.get_freeze_count() > 0


def test_cycles_of_a_storm_wait_and_then_go() -> None:
    scene = Scene()
    scene.heap.settle(100)
    left = scene.leave_behind()

    scene.heap.settle(100)
    assert left() is not None

    scene.now_s += 60
    scene.heap.settle(100)
    assert left() is None


def test_many_rules_are_not_waited_for() -> None:
    scene = Scene(max_rules=300)
    scene.heap.settle(100)
    left = scene.leave_behind()

    scene.heap.settle(100)
    assert left() is not None

    scene.heap.settle(200)
    assert left() is None
