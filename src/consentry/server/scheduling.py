"""How the system's scheduler treats the threads of calls.

Only one thread at a time runs Python. One that is woken while another runs, and pushes that one
off the core, finds the interpreter taken, and goes to sleep again: two changes of threads for
nothing. A thread of the batch class is as important as any, but waits until the core is given up.
The threads of grpcio's core keep the usual class: they run no Python, and take in what arrives at
once, whoever else has the core.

Source: sched(7), SCHED_BATCH; ADR 49.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def starting_patient_threads() -> Iterator[None]:
    """Threads that this one starts inside push no other off a core; so do those that they start.

    Where the system has no such class, or forbids it, threads are as usual.
    """
    if not hasattr(os, "SCHED_BATCH"):
        yield
        return
    before = os.sched_getscheduler(0)  # 0 is this thread, not the process
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setscheduler(0, before, os.sched_param(0))
