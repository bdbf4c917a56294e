"""What a parent and its workers tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from consentry.server.handles import Handles
from consentry.server.options import Listen

LINKS: Final = ("writes", "control", "commands", "reloads", "wakes")
"""The socket pairs of a worker, in the order of its arguments: two on which it asks, two on which
it is asked, one on which it is woken when the ledger moved. The counter's file comes after them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a worker is to be."""

    number: int
    settings: dict[str, Any]
    listen: tuple[Listen, ...]
    handles: Handles
    has_writer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a worker stands. `unreadiness` is a reason code, None where it is ready."""

    unreadiness: str | None
    has_policies: bool
    has_ledger: bool
    can_record: bool
