"""What keeps a question about everybody from becoming a filter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A condition that a filter cannot express: which rule's, where, how it reads, and why."""

    rule: str
    file: str
    line: int
    condition: str
    why: str


class PlanRefusedError(Exception):
    """A condition that matters cannot be expressed, and none is ever dropped.

    `obstacles` names each such condition once.
    """

    def __init__(self, *obstacles: Obstacle) -> None:
        super().__init__("; ".join(f"{one.rule}: {one.why}" for one in obstacles))
        self.obstacles = obstacles
