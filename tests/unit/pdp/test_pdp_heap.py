"""Claims about the heap: what was set aside goes in the end, and a storm is no storm of pauses."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from consentry.pdp.heap import Heap, set_aside


class Node:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.me = self


class Scene:
    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.heap = Heap(lambda: self.now_s, every_s=60)

    def leave_behind(self) -> weakref.ref[Node]:
        """A cycle that was set aside and that nobody needs any more."""
        node = Node()
        self.heap.settle()
        return weakref.ref(node)


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.collect()


def test_what_lives_is_set_aside_at_once() -> None:
    scene = Scene()
    gc.unfreeze()

    scene.heap.settle()

    assert gc.get_freeze_count() > 0


def test_cycles_of_a_storm_wait_and_then_go() -> None:
    scene = Scene()
    scene.heap.settle()
    left = scene.leave_behind()

    scene.heap.settle()
    assert left() is not None

    scene.now_s += 60
    scene.heap.settle()
    assert left() is None


def test_collector_does_not_look_at_what_is_made_to_live_long() -> None:
    gc.unfreeze()
    gc.collect()

    with set_aside():
        made = [Node() for _ in range(5_000)]
        was_looking = gc.isenabled()

    young = {id(one) for generation in range(3) for one in gc.get_objects(generation)}
    assert not was_looking
    assert gc.isenabled()
    assert not any(id(node) in young for node in made)


def test_collector_goes_on_after_a_failure() -> None:
    def fail() -> None:
        with set_aside():
            raise KeyError("missing")

    with pytest.raises(KeyError, match="missing"):
        fail()

    assert gc.isenabled()
