"""The clock for dates never goes back, whatever the machine's does."""

from __future__ import annotations

import logging

import pytest

from consentry.app.system import SystemClock

HOUR_US = 3_600_000_000


class Machine:
    def __init__(self) -> None:
        self.us = 10 * HOUR_US

    def read_ns(self) -> int:
        return self.us * 1000


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_time_stands_still_until_a_clock_set_back_has_caught_up(machine: Machine) -> None:
    clock = SystemClock(machine.read_ns)
    before = clock.now_us()

    machine.us -= HOUR_US
    held = clock.now_us()
    machine.us += HOUR_US + 5
    after = clock.now_us()

    assert (held, after) == (before, before + 5)


def test_clock_does_not_start_before_what_is_known_to_have_been(machine: Machine) -> None:
    clock = SystemClock(machine.read_ns)

    clock.start_from(machine.us + HOUR_US)

    assert clock.now_us() == machine.us + HOUR_US


def test_clock_is_not_taken_back_by_an_old_ledger(machine: Machine) -> None:
    clock = SystemClock(machine.read_ns)
    clock.start_from(machine.us - HOUR_US)

    assert clock.now_us() == machine.us


def test_setting_back_is_told_once_and_small_corrections_are_not(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SystemClock(machine.read_ns)
    clock.now_us()
    machine.us -= 1_000
    clock.now_us()
    assert caplog.records == []

    machine.us -= HOUR_US
    for _ in range(3):
        clock.now_us()

    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.WARNING, "clock_went_back")
    assert vars(record)["behind_s"] == 3600
