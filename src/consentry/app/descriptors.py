"""File descriptors: as many as the system gives, shared out so that no door takes another's.

A flood of connections must leave the door of health, the ledger and the policy files what they need
(ADR 39).
"""

from __future__ import annotations

import logging
import resource
from typing import Final

log = logging.getLogger(__name__)

RESERVED: Final = 256
"""For everything but gRPC connections: health, HTTP, the ledger, policies, a compiling child."""
LEAST: Final = 16


class TooFewDescriptorsError(OSError):
    """The system gives this process fewer descriptors than a sidecar needs."""


def raise_descriptor_limit() -> None:
    """Takes all descriptors that this process may have; the usual limit is far lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connection_room(wanted: int, door_count: int) -> int:
    """How many connections each of `door_count` addresses may hold: `wanted`, or what fits.

    Raises:
        TooFewDescriptorsError: not even a few fit.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return wanted
    room = (limit - RESERVED) // door_count
    if room < LEAST:
        needed = RESERVED + LEAST * door_count
        raise TooFewDescriptorsError(
            f"{limit} file descriptors (ulimit -n) are too few: at least {needed} are needed"
        )
    if room < wanted:
        log.warning("connections_limited", extra={"wanted": wanted, "limit": room})
    return min(wanted, room)
