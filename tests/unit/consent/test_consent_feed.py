"""Claims about feed and lease: what is proven, what is a gap, when to open and to give up."""

from __future__ import annotations

import pytest

from consentry.consent.errors import LedgerDivergedError
from consentry.consent.feed import DRIFT, Feed, FeedTimes, Frame, Place, Step
from tests.support.consent_events import gave

MS = 1_000
TIMES = FeedTimes.within(2_000 * MS)


def new_feed() -> Feed:
    return Feed(TIMES, 0, lambda: 0.0)


def begun(at_us: int = 0, position: int = 10) -> tuple[Feed, int]:
    """A feed whose first session, opened at `at_us`, stands at `position`."""
    feed = new_feed()
    number = feed.opened(at_us)
    feed.take(number, Frame(after=None, place=Place(position, b"d")), at_us)
    return feed, number


def frame(after: int, *positions: int, elapsed_us: int = 0, age_us: int = 0) -> Frame:
    return Frame(
        after=after,
        place=Place(positions[-1] if positions else after),
        entries=tuple(gave(1, position=position) for position in positions),
        elapsed_us=elapsed_us,
        age_us=age_us,
    )


def test_a_frame_proves_the_time_of_the_asking_and_what_elapsed_since_at_the_source() -> None:
    feed, _ = begun(at_us=1_000 * MS)

    # It was under way for three seconds: that makes it prove no more.
    proven_at_us = feed.prove(frame(10, elapsed_us=500 * MS), 4_500 * MS)

    assert proven_at_us == 1_500 * MS - 500 * MS // DRIFT


def test_what_the_source_does_not_know_itself_is_not_proven() -> None:
    feed, _ = begun(at_us=1_000 * MS)

    assert feed.prove(frame(10, age_us=300 * MS), 1_100 * MS) == 700 * MS


def test_a_proof_is_never_taken_back_and_never_of_the_future() -> None:
    feed, _ = begun(at_us=1_000 * MS)
    feed.prove(frame(10), 1_000 * MS)

    assert feed.prove(frame(10, age_us=900 * MS), 1_001 * MS) == 1_000 * MS
    assert feed.prove(frame(10, elapsed_us=9_000 * MS), 1_001 * MS) == 1_001 * MS


def test_a_page_that_is_not_the_last_proves_nothing() -> None:
    feed, _ = begun(at_us=1_000 * MS)

    page = Frame(after=10, place=Place(11), is_complete=False)

    assert feed.prove(page, 1_000 * MS) is None


def test_events_are_given_once_and_in_order() -> None:
    feed, number = begun()

    first = feed.take(number, frame(10, 11, 12), 1)
    again = feed.take(number, frame(11, 12, 13), 2)

    assert first is not None
    assert again is not None
    assert [e.position for e in (*first, *again)] == [11, 12, 13]
    assert feed.place == Place(13)


def test_a_lost_frame_is_seen_at_the_next() -> None:
    feed, number = begun()

    assert feed.take(number, frame(12, 13), 1) is None
    assert feed.place == Place(10, b"d")


def test_an_older_session_is_not_listened_to() -> None:
    feed, number = begun()
    feed.closed(number, 1)
    feed.opened(2)

    assert feed.take(number, frame(10, 11), 3) is None


@pytest.mark.parametrize(
    "told",
    [
        Frame(after=10, place=Place(10, b"other")),
        Frame(after=None, place=Place(10, b"d")),
        Frame(after=None, place=Place(9)),
    ],
    ids=["other digest", "begins at the same place", "begins before"],
)
def test_a_source_with_other_events_is_refused(told: Frame) -> None:
    feed, number = begun()

    with pytest.raises(LedgerDivergedError):
        feed.take(number, told, 1)


def test_a_source_that_is_behind_is_waited_for() -> None:
    """Another node that has not caught up yet: what it says is true, though not news."""
    feed, number = begun(position=10)

    assert feed.take(number, Frame(after=10, place=Place(7, b"x")), 1) == ()
    assert feed.place == Place(10, b"d")


def test_a_silent_session_is_closed_in_time_for_another_attempt_within_the_bound() -> None:
    feed, number = begun(at_us=0)
    silent_us = feed.next_us()

    assert feed.step(silent_us - 1) is Step.WAIT
    assert feed.step(silent_us) is Step.CLOSE
    feed.closed(number, silent_us)
    assert feed.step(silent_us) is Step.OPEN
    assert 2 * silent_us < TIMES.bound_us


def test_a_session_is_renewed_before_the_clocks_drift_apart() -> None:
    feed, number = begun(at_us=0)
    for at_us in range(0, TIMES.renew_us, TIMES.heartbeat_us):
        assert feed.step(at_us) is Step.WAIT
        feed.take(number, frame(10), at_us)

    assert feed.step(TIMES.renew_us) is Step.CLOSE


def test_failed_attempts_are_made_less_often_up_to_a_limit() -> None:
    feed, now_us, waits = new_feed(), 0, []
    for _ in range(8):
        number = feed.opened(now_us)
        feed.closed(number, now_us)
        waits.append(feed.next_us() - now_us)
        now_us = feed.next_us()

    assert waits[:3] == [50 * MS, 100 * MS, 200 * MS]
    assert waits[-1] == TIMES.last_retry_us


def test_followers_cut_off_together_do_not_come_back_together() -> None:
    times = set()
    for tenth in range(10):
        feed = Feed(TIMES, 0, lambda tenth=tenth: tenth / 10)  # type: ignore[misc]  # bound now
        feed.closed(feed.opened(0), 0)
        times.add(feed.next_us())

    assert len(times) == 10
