"""How file descriptors are shared out among the doors."""

from __future__ import annotations

import logging
import resource

import pytest

from consentry.app.descriptors import (
    RESERVED,
    TooFewDescriptorsError,
    connection_room,
    raise_descriptor_limit,
)


def allow(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> list[tuple[int, int]]:
    """A system that gives so many; what was asked of it."""
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, wanted: limits.append(wanted))
    return limits


def test_doors_get_what_they_want_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, 20_000, 20_000)

    assert connection_room(4_096, 2) == 4_096


def test_doors_share_what_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    allow(monkeypatch, RESERVED + 100, RESERVED + 100)

    with caplog.at_level(logging.WARNING):
        assert connection_room(4_096, 2) == 50
    assert [record.message for record in caplog.records] == ["connections_limited"]


def test_too_few_are_refused_with_the_number_that_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allow(monkeypatch, 64, 64)

    with pytest.raises(TooFewDescriptorsError, match=r"64 .* at least 288"):
        connection_room(4_096, 2)


def test_a_system_without_a_limit_gives_what_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    assert connection_room(4_096, 2) == 4_096


def test_the_hard_limit_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = allow(monkeypatch, 1_024, 65_536)

    raise_descriptor_limit()
    raise_descriptor_limit()

    assert limits == [(1_024, 65_536), (65_536, 65_536)]
