"""ConsentService: recording what people decided, and telling what it comes to."""

from __future__ import annotations

from typing import Final

from consentry.consent.errors import LedgerUnavailableError
from consentry.consent.known_names import KnownNames
from consentry.consent.resolver import SubjectView
from consentry.consent.validate import ScopeName, scope_names
from consentry.model.consent import NARROWING_KINDS, PROBE_PREFIX, ConsentEvent
from consentry.model.ports import Clock
from consentry.model.program import Program
from consentry.model.request import FieldViolation
from consentry.pdp.errors import NotReadyError, NotYetThereError
from consentry.server.admission import require_scope
from consentry.server.callers import Right, covers
from consentry.server.calls import Call, RawBehaviour, typed
from consentry.server.consent_codec import decode_event, encode_event
from consentry.server.errors import UnknownNameError
from consentry.server.faults import MAX_REPORTED, Faults, violation
from consentry.server.health import CONSENT_SERVICE
from consentry.server.page_tokens import PageTokens
from consentry.server.ports import ActivePolicies, ConsentLedger, Policies
from consentry.server.purpose_states import purpose_state
from consentry.server.text_checks import REQUIRED, TOO_LARGE, TOO_MANY, UNKNOWN_VALUE
from consentry.server.wire_values import timestamp_of
from consentry.telemetry.metrics import Metrics
from consentry.v1 import consent_pb2 as wire

MAX_EVENTS: Final = 1_000
MAX_PAGE: Final = 1_000
DEFAULT_PAGE: Final = 100
PROBE: Final = "probe"
"""Stands for the kind of a made-up person's event where speeds are counted."""


class ConsentMethods:
    """Behaviours of the service; any thread may run them."""

    def __init__(
        self,
        *,
        ledger: ConsentLedger,
        policies: Policies,
        clock: Clock,
        metrics: Metrics,
        tokens: PageTokens,
    ) -> None:
        self._ledger: Final = ledger
        self._policies: Final = policies
        self._clock: Final = clock
        self._metrics: Final = metrics
        self._tokens: Final = tokens
        self._names: KnownNames | None = None

    def behaviours(self) -> dict[str, RawBehaviour]:
        """By full method name."""
        service = CONSENT_SERVICE
        return {
            f"/{service}/RecordConsent": typed(wire.RecordConsentRequest, self.record_consent),
            f"/{service}/GetConsent": typed(wire.GetConsentRequest, self.get_consent),
            f"/{service}/ListConsentEvents": typed(wire.ListConsentEventsRequest, self.list_events),
        }

    def record_consent(
        self, request: wire.RecordConsentRequest, call: Call
    ) -> wire.RecordConsentResponse:
        """Records all events or none; comes back when they are durable.

        Raises:
            RequestError: an event is malformed.
            NotPermittedError: an event reaches further than the caller's purposes.
            UnknownNameError: an event names what the policy set does not have.
            NotReadyError: there is no policy set, and an event does more than to take back.
            LedgerError: the ledger refused them or could not be written.
        """
        faults = Faults()
        if not request.events:
            faults.add("events", REQUIRED)
        elif len(request.events) > MAX_EVENTS:
            faults.add("events", TOO_MANY)
        faults.raise_if_any()
        events = [
            decode_event(event, f"events[{index}]", faults)
            for index, event in enumerate(request.events)
        ]
        faults.raise_if_any()
        for said in request.events:
            require_scope(said.scope, call.caller)
        active = self._policies.current
        if active is None and not all(self._can_be_taken_back(event) for event in events):
            raise NotReadyError("no policy set is loaded")
        unknown = [] if active is None else self._unknown_names(events, active.program)
        if unknown:
            raise UnknownNameError(*unknown[:MAX_REPORTED])
        began_s = self._clock.monotonic_s()
        recorded = self._ledger.record(events)
        took_s = self._clock.monotonic_s() - began_s
        for event, result in zip(events, recorded, strict=True):
            if not result.is_replay:
                self._metrics.consent_events.cell(event.kind.value).add()
                is_probe = event.data_subject_id.startswith(PROBE_PREFIX)
                kind = PROBE if is_probe else event.kind.value
                self._metrics.consent_record_seconds.histogram(kind).observe(took_s)
        return wire.RecordConsentResponse(
            recorded=[
                wire.RecordedEvent(
                    event_id=result.event_id,
                    position=result.position,
                    received_at=timestamp_of(result.received_at_us),
                    is_replay=result.is_replay,
                )
                for result in recorded
            ],
            ledger_position=max(result.position for result in recorded),
        )

    def get_consent(self, request: wire.GetConsentRequest, call: Call) -> wire.GetConsentResponse:
        """The effective state of one person, by purpose.

        Raises:
            RequestError: there is no subject, or a purpose is unknown or malformed.
            NotPermittedError: a purpose that is asked for is none of the caller's.
            LedgerUnavailableError: the state cannot be read now.
        """
        faults = Faults()
        faults.check_required(request.subject, "subject")
        wanted = faults.names(tuple(request.purposes), "purposes", 1_000)
        faults.raise_if_any()
        for name in wanted:
            call.caller.require(Right.READ_CONSENT, name)
        active = self._active()
        program = active.program
        for index, name in enumerate(wanted):
            if name not in program.purpose_names:
                faults.add(f"purposes[{index}]", "purpose_unknown")
        faults.raise_if_any()
        position = self._position(call)
        view = self._ledger.view(request.subject)
        if not view.is_available:
            raise LedgerUnavailableError("the state of consent cannot be read")
        now_us = self._clock.now_us()
        mine = call.caller.identity.purposes_of(Right.READ_CONSENT)
        nodes = [
            node
            for node in [program.purposes[program.purpose_names[name]] for name in wanted]
            or program.purposes
            if covers(mine, node.path)
        ]
        return wire.GetConsentResponse(
            purposes=[purpose_state(program, node, view, now_us) for node in nodes],
            ledger_position=position,
            policy_digest=active.digest,
        )

    def list_events(
        self, request: wire.ListConsentEventsRequest, call: Call
    ) -> wire.ListConsentEventsResponse:
        """One page of a person's history, oldest first.

        Raises:
            RequestError: there is no subject, a bad size, or a token that is not ours.
        """
        faults = Faults()
        faults.check_required(request.subject, "subject")
        size = request.page_size or DEFAULT_PAGE
        if not 0 < size <= MAX_PAGE:
            faults.add("page_size", TOO_LARGE if size > 0 else UNKNOWN_VALUE)
        after: int | None = 0
        if request.page_token:
            after = self._tokens.find_position(request.subject, request.page_token)
        if after is None:
            faults.add("page_token", "bad_token")
            after = 0
        faults.raise_if_any()
        position = self._position(call)
        events = self._ledger.list_events(request.subject, after, size + 1)
        page = events[:size]
        mine = call.caller.identity.purposes_of(Right.READ_CONSENT)
        has_more = len(events) > size
        return wire.ListConsentEventsResponse(
            events=[
                encode_event(event) for event in page if covers(mine, event.scope.purpose or "")
            ],
            next_page_token=(
                self._tokens.make(request.subject, page[-1].position) if has_more else ""
            ),
            ledger_position=position,
        )

    def _unknown_names(self, events: list[ConsentEvent], program: Program) -> list[FieldViolation]:
        names = self._names
        if names is None or names.program is not program:
            # Whoever comes first makes them; under threads once too often, and no more than that.
            names = self._names = KnownNames(program)
        return [
            violation(f"events[{index}].{entry.field}", f"{entry.kind}_unknown")
            for index, event in enumerate(events)
            for entry in self._never_said(event, names.unknown_in(event))
        ]

    def _can_be_taken_back(self, event: ConsentEvent) -> bool:
        """Whether an event only narrows what this person said, so that no policies are needed."""
        names = list(scope_names(event))
        return event.kind in NARROWING_KINDS and not self._never_said(event, names)

    def _never_said(self, event: ConsentEvent, unknown: list[ScopeName]) -> list[ScopeName]:
        """Of names that the policies do not have, those that this person cannot narrow either.

        A consent outlives the name in the policies that it was given for, and counts again when the
        name comes back: so what a person once said something about can always be taken back.
        """
        if not unknown or event.kind not in NARROWING_KINDS:
            return unknown
        view = self._ledger.view(event.data_subject_id)
        if not isinstance(view, SubjectView):
            return unknown
        said = {(entry.kind, entry.name) for past in view.events for entry in scope_names(past)}
        return [entry for entry in unknown if (entry.kind, entry.name) not in said]

    def _active(self) -> ActivePolicies:
        active = self._policies.current
        if active is None:
            raise NotReadyError("no policy set is loaded")
        return active

    def _position(self, call: Call) -> int:
        """The ledger's position, read before the events are: an answer never claims too much."""
        position = self._ledger.position()
        if position < call.at_least:
            raise NotYetThereError(position)
        return position
