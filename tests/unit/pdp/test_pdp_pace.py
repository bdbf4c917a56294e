"""Claims about long work beside checks: it is cut into pieces, and what is freed is, too."""

from __future__ import annotations

import weakref
from itertools import pairwise

from consentry.pdp.pace import PIECE_S, REST_S, Pace


class Scene:
    """A clock that work moves, and the rests that were taken."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.rests: list[float] = []
        self.pace = Pace(lambda: self.now_s, self.rest)
        self.pace.step()
        self.rests.clear()

    def rest(self, seconds: float) -> None:
        self.now_s += seconds
        self.rests.append(seconds)

    def work(self, seconds: float) -> None:
        self.now_s += seconds
        self.pace.step()


class Thing:
    """Something that can be seen to go."""


def test_work_rests_after_each_piece() -> None:
    scene = Scene()

    for _ in range(8):
        scene.work(PIECE_S * 0.6)

    assert scene.rests == [REST_S] * 4


def test_work_that_comes_after_a_while_rests_at_first() -> None:
    scene = Scene()

    scene.work(60.0)

    assert scene.rests == [REST_S]


def test_a_rest_is_no_work() -> None:
    scene = Scene()

    scene.work(PIECE_S * 1.1)
    scene.work(PIECE_S / 4)

    assert scene.rests == [REST_S]


def test_what_is_let_go_is_freed_with_rests_in_between() -> None:
    scene = Scene()
    things: list[object] = [Thing() for _ in range(1_000)]
    kept = things[10]
    left = [weakref.ref(thing) for thing in things]
    alive_at_rest: list[int] = []

    def rest(seconds: float) -> None:
        scene.rest(seconds)
        alive_at_rest.append(sum(one() is not None for one in left))

    def clock() -> float:
        scene.now_s += 2 * PIECE_S
        return scene.now_s

    Pace(clock, rest).let_go(things)

    assert things == []
    assert [one() for one in left if one() is not None] == [kept]
    assert len(alive_at_rest) > 10
    assert alive_at_rest == sorted(alive_at_rest, reverse=True)
    assert all(a - b < 100 for a, b in pairwise(alive_at_rest))
