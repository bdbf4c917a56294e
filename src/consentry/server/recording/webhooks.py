"""Signed messages of other systems, such as a consent platform: POST /webhooks/NAME.

A message proves itself; who sends it needs no identity here. It may come twice: what was recorded
is not recorded again. Once it is verified its sender is held to a rate; before, it costs no more
than a bounded body and one signature.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from starlette.routing import Route

from consentry.consent.signals.events import SignalMap
from consentry.model.ports import Clock
from consentry.model.values import MICROS_PER_SECOND
from consentry.server.callers import Purposes, RefusedCause
from consentry.server.http_calls import HttpAnswer, HttpCall, HttpFault, HttpMethod
from consentry.server.recording.recorder import Recorder, tell_problem, tell_report
from consentry.server.recording.rows import RowsOf, maker_of, read_rows
from consentry.server.recording.signatures import MessageKeys, NotVerifiedError, verify
from consentry.telemetry.metrics import Metrics

PREFIX: Final = "/webhooks/"
NOT_VERIFIED: Final = "the message was not verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sends messages: how they prove themselves, what they hold, what they may record
    (`purposes` None: for every purpose), how large they are, how many a second and at once.
    """

    name: str
    keys: MessageKeys
    rows: RowsOf = RowsOf.EVENTS
    names: SignalMap = field(default_factory=SignalMap)
    purposes: Purposes = None
    max_body_bytes: int = 256 * 1024
    rate_per_s: float = 50.0
    burst: int = 200


class RateLimit:
    """A bucket that fills at a rate. `_lock` guards its level."""

    def __init__(self, rate_per_s: float, burst: int, monotonic_s: Callable[[], float]) -> None:
        self._rate_per_s: Final = rate_per_s
        self._burst: Final = float(burst)
        self._monotonic_s: Final = monotonic_s
        self._lock: Final = threading.Lock()
        self._level = self._burst
        self._seen_s = monotonic_s()

    def find_wait_s(self) -> float | None:
        """None where one more may come, which is then counted; else how long it must wait."""
        with self._lock:
            now_s = self._monotonic_s()
            gained = max(0.0, now_s - self._seen_s) * self._rate_per_s
            self._level, self._seen_s = min(self._burst, self._level + gained), now_s
            if self._level >= 1.0:
                self._level -= 1.0
                return None
            return (1.0 - self._level) / self._rate_per_s


class WebhookService:
    """One path for each sender."""

    def __init__(
        self, recorder: Recorder, senders: tuple[Sender, ...], clock: Clock, metrics: Metrics
    ) -> None:
        self._recorder: Final = recorder
        self._senders: Final = senders
        self._clock: Final = clock
        self._metrics: Final = metrics

    def methods(self) -> tuple[HttpMethod, ...]:
        """All of them."""
        return tuple(
            HttpMethod(
                path=f"{PREFIX}{sender.name}",
                name=f"webhook_{sender.name}",
                behaviour=self._behaviour(sender),
                tell_fault=tell_problem,
                right=None,
                max_body_bytes=sender.max_body_bytes,
                may_wait=True,
            )
            for sender in self._senders
        )

    def routes(self) -> tuple[Route, ...]:
        """None."""
        return ()

    def _behaviour(self, sender: Sender) -> Callable[[HttpCall], HttpAnswer]:
        limit = RateLimit(sender.rate_per_s, sender.burst, self._clock.monotonic_s)
        make = maker_of(sender.rows, sender.names)

        def receive(call: HttpCall) -> HttpAnswer:
            try:
                now_s = self._clock.now_us() / MICROS_PER_SECOND
                verify(call.headers, call.body, sender.keys, now_s)
            except NotVerifiedError:
                self._metrics.callers_refused.cell(RefusedCause.BAD_SIGNATURE.value).add()
                raise HttpFault(HTTPStatus.UNAUTHORIZED, NOT_VERIFIED, _NO_CHALLENGE) from None
            wait_s = limit.find_wait_s()
            if wait_s is not None:
                self._metrics.refused.cell("webhook").add()
                retry = {"retry-after": str(int(wait_s) + 1)}
                raise HttpFault(HTTPStatus.TOO_MANY_REQUESTS, "more messages than agreed", retry)
            rows = read_rows(call.body, call.headers.get("content-type", ""), make)
            return tell_report(self._recorder.record(rows, sender.purposes))

        return receive


# RFC 9110 asks for a challenge with every 401; there is no scheme of its own for signed messages.
_NO_CHALLENGE: Final = {"www-authenticate": "Signature"}
