"""Mailboxes of watchers: bounded, and never less than the truth."""

from __future__ import annotations

import threading

from consentry.server.handles import Handles, new_handles
from consentry.server.watch import MAX_WAITING, Mailbox, News


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
