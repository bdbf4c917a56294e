"""WatchConsent: a ledger's changes, for sidecars that follow this one.

One thread a follower. It reads what came after the follower's place, sends it, and waits for more
or for the heartbeat. Nothing is kept for a follower but its place: one that does not read stops its
own thread at the send, and goes on later from where it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Final

from google.protobuf.message import DecodeError

from consentry.consent.entries import Entry, Erasure
from consentry.consent.errors import LedgerDivergedError, LedgerUnavailableError
from consentry.server.consent_codec import encode_event
from consentry.server.errors import LeavingError
from consentry.server.faults import Faults, malformed
from consentry.server.health import CONSENT_SERVICE
from consentry.server.ports import FeedPage, FeedPlace, LedgerFeed
from consentry.server.streams import OpenStream, StreamBehaviour
from consentry.server.wire_values import timestamp_of
from consentry.v1 import consent_pb2 as wire

PAGE: Final = 100
MAX_CATCH_UP: Final = 20_000
"""Who is further behind forgets everything and begins anew: that is quicker."""
_CATCH_UP_S: Final = 0.25
"""How long a node that is behind a follower is waited for; it has others to turn to."""
_MIN_HEARTBEAT_MS: Final = 50
_MAX_HEARTBEAT_MS: Final = 10_000
_DEFAULT_HEARTBEAT_MS: Final = 250


class ConsentFeedMethods:
    """Behaviours of a ledger node; `read_us` is a steady clock."""

    def __init__(self, feed: LedgerFeed, read_us: Callable[[], int]) -> None:
        self._feed: Final = feed
        self._read_us: Final = read_us

    def streams(self) -> dict[str, StreamBehaviour]:
        """By full method name."""
        return {f"/{CONSENT_SERVICE}/WatchConsent": self.watch}

    def watch(self, raw: bytes, stream: OpenStream) -> Iterator[bytes]:
        """The messages of one follower, until it goes or the sidecar leaves.

        Raises:
            RequestError: the request is malformed.
            LedgerUnavailableError: there is nothing to follow yet, or less than the follower has.
            LedgerDivergedError: this ledger does not hold what the follower has.
            LeavingError: the sidecar leaves.
        """
        began_us = self._read_us()
        request = _decode(raw)
        heartbeat_s = (request.heartbeat_ms or _DEFAULT_HEARTBEAT_MS) / 1_000
        has_left = threading.Event()
        stream.owe_nothing(has_left.set)
        position = self._begin(request)
        if position is None:
            place = self._newest()
            position = place.position
            yield self._beginning(place, began_us)
        while not has_left.is_set():
            # INVARIANT: first the time, then the lease, then the entries: they are no older than
            # what is told of the other two.
            elapsed_us = self._read_us() - began_us
            lease = self._feed.lease
            age_us = 0 if lease is None else lease.age_us()
            page = self._feed.read_after(position, PAGE)
            yield _message(position, page, self._digest_at(page.place), elapsed_us, age_us)
            position = max(position, page.place.position)
            if page.is_last:
                self._feed.wait_beyond(position, heartbeat_s)
        if stream.is_leaving:
            raise LeavingError

    def _begin(self, request: wire.WatchConsentRequest) -> int | None:
        """The follower's position; None: it has none, or is too far behind to go on from there."""
        if not request.HasField("after_position"):
            return None
        after = request.after_position
        if self._newest().position < after and not self._feed.wait_beyond(after - 1, _CATCH_UP_S):
            # An old copy looks like a copy that lags: nothing it says proves anything before it
            # has come to where the digests tell them apart.
            raise LedgerUnavailableError("this node is behind its follower")
        newest = max(after, self._newest().position)
        if request.digest:
            digest = self._feed.digest_at(after)
            if digest is None or (digest and digest != request.digest):
                raise LedgerDivergedError("a follower has other events")
        return None if newest - after > MAX_CATCH_UP else after

    def _digest_at(self, place: FeedPlace) -> bytes:
        # Where it is not at hand it is looked up: a follower that is cut off here comes back with
        # it, and without it could not be told from one that has other events.
        return place.digest or self._feed.digest_at(place.position) or b""

    def _newest(self) -> FeedPlace:
        place = self._feed.place()
        if place is None:
            raise LedgerUnavailableError("this node has not reached its own ledger yet")
        return place

    def _beginning(self, place: FeedPlace, began_us: int) -> bytes:
        # The lease was read after the place and proves nothing of it; the next message does.
        return wire.WatchConsentResponse(
            ledger_position=place.position,
            digest=place.digest,
            is_beginning=True,
            has_more=True,
            elapsed_us=self._read_us() - began_us,
        ).SerializeToString()


def _decode(raw: bytes) -> wire.WatchConsentRequest:
    try:
        request = wire.WatchConsentRequest.FromString(raw)
    except DecodeError:
        raise malformed() from None
    faults = Faults()
    if request.after_position < 0:
        faults.add("after_position", "bad_position")
    if request.heartbeat_ms and not _MIN_HEARTBEAT_MS <= request.heartbeat_ms <= _MAX_HEARTBEAT_MS:
        faults.add("heartbeat_ms", "unknown_value")
    faults.raise_if_any()
    return request


def _message(after: int, page: FeedPage, digest: bytes, elapsed_us: int, age_us: int) -> bytes:
    return wire.WatchConsentResponse(
        changes=[_change(entry) for entry in page.entries],
        after_position=after,
        ledger_position=page.place.position,
        digest=digest,
        has_more=not page.is_last,
        elapsed_us=elapsed_us,
        age_us=age_us,
    ).SerializeToString()


def _change(entry: Entry) -> wire.ConsentChange:
    if isinstance(entry, Erasure):
        erased = wire.PersonalDataErased(
            position=entry.position, received_at=timestamp_of(entry.received_at_us)
        )
        return wire.ConsentChange(erased=erased)
    return wire.ConsentChange(event=encode_event(entry))
