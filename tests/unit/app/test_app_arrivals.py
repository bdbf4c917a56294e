"""Signals that reach a waiting main thread whichever thread they strike, and in their order."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from consentry.app.arrivals import arriving_signals


def strike(number: int) -> None:
    """The signal comes to the thread that calls this, and wakes no other."""
    signal.pthread_kill(threading.get_ident(), number)


def test_signal_that_strikes_another_thread_wakes_the_main_thread() -> None:
    with arriving_signals() as arrived, ThreadPoolExecutor(1) as other:
        other.submit(strike, signal.SIGTERM).result()
        assert arrived.wait_for(20) == signal.SIGTERM


def test_signal_that_came_before_anybody_waited_is_found() -> None:
    with arriving_signals() as arrived:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        assert [arrived.wait(), arrived.wait()] == [signal.SIGHUP, signal.SIGTERM]


def test_no_signal_is_none_after_the_time() -> None:
    with arriving_signals() as arrived:
        assert arrived.wait_for(0.01) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_former_handlers_come_back(number: int) -> None:
    before = signal.getsignal(number)
    with arriving_signals():
        assert signal.getsignal(number) != before
    assert signal.getsignal(number) == before
    assert signal.set_wakeup_fd(-1) == -1
