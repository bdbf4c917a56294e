"""Mailboxes of watchers: bounded, and never less than the truth."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from consentry.server.handles import Handles, new_handles
from consentry.server.watch import MAX_WAITING, Mailbox, News, WatchHub
from consentry.telemetry.metrics import Metrics
from consentry.v1.authorization_pb2 import WatchResponse


def taken(mailbox: Mailbox) -> News:
    assert mailbox.wait(0.0)
    return mailbox.take()


def test_first_news_are_that_everything_moved() -> None:
    mailbox = Mailbox()

    assert taken(mailbox) == News(has_all_moved=True)
    assert taken(mailbox) == News()


def test_moves_that_wait_are_told_once_each_with_the_latest_position() -> None:
    mailbox = Mailbox()
    taken(mailbox)
    mailbox.put([1, 2], 5)
    mailbox.put([2], 6)

    assert taken(mailbox) == News(moved={1: 5, 2: 6})


def test_too_many_waiting_moves_become_a_move_of_all() -> None:
    mailbox = Mailbox()
    taken(mailbox)
    mailbox.put(range(MAX_WAITING), 5)
    mailbox.put([MAX_WAITING], 6)

    assert taken(mailbox) == News(has_all_moved=True)


def test_move_after_a_move_of_all_is_told_beside_it() -> None:
    mailbox = Mailbox()
    mailbox.put_all()
    mailbox.put([1], 5)

    assert taken(mailbox) == News(has_all_moved=True, moved={1: 5})


def test_waiting_ends_when_the_mailbox_is_closed() -> None:
    mailbox = Mailbox()
    taken(mailbox)
    got: list[bool] = []
    waiting = threading.Thread(target=lambda: got.append(mailbox.wait(60.0)))
    waiting.start()
    mailbox.close()
    waiting.join(10)

    assert got == [False]


def test_handles_agree_within_an_instance_and_nowhere_else() -> None:
    one, other = new_handles(), new_handles()

    assert one.of("ada") == Handles(one.instance, one.key).of("ada")
    assert one.of("ada") != one.of("eve")
    assert one.of("ada") != other.of("ada")


class _LateLedger:
    """A worker's: hears of what others recorded when it is asked for its position."""

    lease = None

    def __init__(self) -> None:
        self.unread: list[tuple[str, int]] = []
        self._shown = 0

    def on_change(self, listener: Any) -> None:
        self._tell = listener

    def position(self) -> int:
        while self.unread:
            name, self._shown = self.unread.pop()
            self._tell((name,), self._shown)
        return self._shown


def test_what_a_message_promises_covers_what_other_workers_recorded_before_it() -> None:
    ledger, handles = _LateLedger(), new_handles()
    hub = WatchHub(
        ledger=ledger,  # type: ignore[arg-type]  # what a message asks it for
        policies=SimpleNamespace(current=None, on_change=lambda _: None),  # type: ignore[arg-type]
        handles=handles,
        clock=SimpleNamespace(now_us=lambda: 1),  # type: ignore[arg-type]  # as above
        metrics=Metrics(),
        bound_s=0.01,
    )
    stream: Any = SimpleNamespace(owe_nothing=lambda _: None, is_leaving=False)
    watch = hub.watch(b"", stream)
    first = WatchResponse.FromString(next(watch))
    ledger.unread.append(("ada", 7))

    told = WatchResponse.FromString(next(watch))

    assert first.drop_everything
    assert [(m.handle, m.ledger_position) for m in told.moved] == [(handles.of("ada"), 7)]
    assert told.ledger_position == 7
