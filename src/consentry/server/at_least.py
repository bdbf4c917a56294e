"""Calls that must see a ledger position wait for it, for as long as their caller does.

Only where a ledger is written elsewhere, too: one that is its own source is never behind a position
that it has given out. A check that has to wait runs in the pool of calls that may.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, TypeAlias

from consentry.server.calls import AT_LEAST, Call, RawBehaviour

MAX_WAIT_S: Final = 10.0
"""For callers without a deadline."""

WaitFor: TypeAlias = Callable[[int, float], bool]
"""Waits until the ledger shows a position, at most so many seconds; whether it does."""


def waiting(behaviour: RawBehaviour, wait_for: WaitFor) -> RawBehaviour:
    """`behaviour`, once the ledger shows what the call says, or the caller's time is up."""

    @functools.wraps(behaviour)
    def after_waiting(raw: bytes, call: Call) -> bytes:
        if call.at_least:
            # A little is left for the answer: it says where the ledger stands.
            wait_for(call.at_least, max(0.0, min(call.remaining_s * 0.9, MAX_WAIT_S)))
        return behaviour(raw, call)

    return after_waiting


def asks_for_position(metadata: object) -> bool:
    """Whether a call's metadata name a position."""
    return any(key == AT_LEAST for key, _ in metadata or ())  # type: ignore[attr-defined]
