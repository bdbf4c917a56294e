"""Threads that run Python for calls push no other off a core; see ADR 49."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest
from server_world import AUTHORIZATION, call, channel_to, question, serving

CHECK = AUTHORIZATION + "Check"

pytestmark = pytest.mark.skipif(
    not hasattr(os, "SCHED_BATCH"), reason="only Linux has this class of threads"
)


def classes_of_call_threads() -> list[int]:
    """The class of each thread in which one check after the other was answered."""
    classes: list[int] = []
    with serving() as world, channel_to(world.bound.grpc[0]) as channel:
        world.decider.on_call = lambda: classes.append(os.sched_getscheduler(0))
        for _ in range(8):
            call(channel, CHECK, question().SerializeToString())
    return classes


def test_a_check_runs_in_a_thread_that_waits_its_turn() -> None:
    assert classes_of_call_threads() == [os.SCHED_BATCH] * 8


def test_whoever_starts_the_server_stays_as_they_were() -> None:
    before = os.sched_getscheduler(0)
    with serving():
        assert os.sched_getscheduler(0) == before == os.SCHED_OTHER


def test_threads_that_take_in_what_arrives_wait_for_nobody() -> None:
    """Those of grpcio's core bear its name; they are there before the server starts or after."""
    with serving() as world, channel_to(world.bound.grpc[0]) as channel:
        call(channel, CHECK, question().SerializeToString())
        tasks = Path("/proc/self/task").iterdir()
        core = [task for task in tasks if (task / "comm").read_text().strip() == "event_engine"]
        classes = {os.sched_getscheduler(int(task.name)) for task in core}

    assert core
    assert classes == {os.SCHED_OTHER}


def test_where_the_system_forbids_it_calls_are_answered_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbid(*_: object) -> NoReturn:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbid)

    assert classes_of_call_threads() == [os.SCHED_OTHER] * 8
