"""The preference page: a person's own choices, given and taken back with one press each.

    GET  /preferences?link=…          a signed link begins a session, and leaves the address
    GET  /preferences                 the page
    POST /preferences                 one choice; then the page again, at that purpose
    GET  /preferences/receipts/ID     a receipt to keep: a page, or with `.jws` the signed text
    POST /preferences/leave           ends the session

The page says that something is recorded only when it is durable on the ledger, and that a sidecar
obeys only when that sidecar says so. It works without scripts; there are none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from consentry.consent.errors import LedgerError
from consentry.consent.receipts import look_into_receipt
from consentry.model.consent import ConsentEvent
from consentry.model.ports import Clock
from consentry.model.program import Program
from consentry.model.request import RequestError
from consentry.pdp.errors import NotReadyError
from consentry.publish.choices import Choice, PurposeState, is_sensible
from consentry.publish.preferences import (
    MAX_ACTS,
    PreferencePage,
    System,
    acts_of,
    cards_of,
    done_of,
    render_message,
    render_preferences,
)
from consentry.publish.receipt_page import receipt_page
from consentry.publish.wording import Wording, languages
from consentry.server.calls import NO_CALL
from consentry.server.consent_service import ConsentMethods
from consentry.server.errors import NoSigningKeyError, UnknownEventError, UnknownNameError
from consentry.server.pages.answers import (
    BadFormError,
    language_of,
    page_answer,
    page_headers,
    read_form,
)
from consentry.server.pages.limits import RateLimit
from consentry.server.pages.obedience import OtherSidecars, states_of
from consentry.server.pages.recording import Recorder, choice_event
from consentry.server.pages.visitors import Visitor, Visitors
from consentry.server.ports import ConsentLedger
from consentry.server.receipt_service import ReceiptMethods
from consentry.server.wire_values import micros_of
from consentry.v1 import consent_pb2 as wire

log = logging.getLogger(__name__)

PATH: Final = "/preferences"
_STYLE: Final = "preferences.css"
_EVENTS: Final = 1_000
_GLANCE_S: Final = 0.5


class WordsSource(Protocol):
    """The active policy set, and its texts in one language."""

    def words(self, language: str) -> tuple[Program, Wording]:
        """Both; raises `NotReadyError` without a set."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceOptions:
    """How often, and how long to wait for other sidecars after a choice; `place` is for proofs."""

    place: str = ""
    views_per_minute: int = 120
    changes_per_minute: int = 30
    obedience_wait_s: float = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What stands behind the page. `has_receipts` says whether there is a key to sign with."""

    consent: ConsentMethods
    ledger: ConsentLedger
    words: WordsSource
    others: OtherSidecars
    receipts: ReceiptMethods | None = None
    has_receipts: Callable[[], bool] = lambda: False


class PreferencePages:
    """The routes; whatever takes time runs in a thread of the pool."""

    def __init__(
        self, behind: Behind, visitors: Visitors, options: PreferenceOptions, clock: Clock
    ) -> None:
        limit = partial(RateLimit, read_s=clock.monotonic_s)
        self._behind: Final = behind
        self._visitors: Final = visitors
        self._options: Final = options
        self._recorder: Final = Recorder(behind.consent)
        self._views: Final = limit(options.views_per_minute)
        self._changes: Final = limit(options.changes_per_minute)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route(PATH, self._look, methods=["GET"]),
            Route(PATH, self._choose, methods=["POST"]),
            Route(f"{PATH}/receipts/{{event_id}}", self._receipt, methods=["GET"]),
            Route(f"{PATH}/leave", self._leave, methods=["POST"]),
        ]

    # --- requests ---------------------------------------------------------------------------

    async def _look(self, request: Request) -> Response:
        language = language_of(request)
        if "link" in request.query_params:
            return await self._begin(request, language)
        visitor = self._visitors.find(request)
        if visitor is None:
            return await self._turn_away(language)
        if not self._views.allows(visitor.data_subject_id):
            return await self._tell("many", language, 429)
        position = _position(request.query_params.get("done", ""))
        answer = await self._guarded(partial(self._page, visitor, language, position), language)
        self._visitors.keep(visitor, answer)
        return answer

    async def _begin(self, request: Request, language: str) -> Response:
        visitor = self._visitors.open_link(request.query_params["link"])
        if visitor is None:
            return await self._turn_away(language)
        here = self._visitors.find(request)
        if here is not None and here.data_subject_id != visitor.data_subject_id:
            # Whoever sent the link must not put themselves in the place of the one who sits here.
            return await self._tell("other", language, 409, self._leave_token(here))
        answer = _go_to(language)
        self._visitors.keep(visitor, answer)
        return answer

    async def _choose(self, request: Request) -> Response:
        visitor, form, language, refusal = await self._own_form(request)
        if visitor is None or refusal is not None:
            return refusal or await self._turn_away(language)
        if not self._changes.allows(visitor.data_subject_id):
            return await self._tell("many", language, 429)
        answer = await self._guarded(partial(self._record, visitor, form, language), language)
        self._visitors.keep(visitor, answer)
        return answer

    async def _leave(self, request: Request) -> Response:
        visitor, _, language, refusal = await self._own_form(request)
        if visitor is None or refusal is not None:
            return refusal or await self._turn_away(language)
        answer = await self._tell("left", language, 200)
        self._visitors.forget(answer)
        return answer

    async def _receipt(self, request: Request) -> Response:
        language = language_of(request)
        visitor = self._visitors.find(request)
        if visitor is None:
            return await self._turn_away(language)
        if not self._views.allows(visitor.data_subject_id):
            return await self._tell("many", language, 429)
        event_id = str(request.path_params["event_id"])
        return await self._guarded(partial(self._give_receipt, visitor, event_id), language)

    async def _own_form(
        self, request: Request
    ) -> tuple[Visitor | None, dict[str, str], str, Response | None]:
        """Who sent it, its fields, the language, and what to answer where it is not their own."""
        language = language_of(request)
        visitor = self._visitors.find(request)
        if visitor is None:
            return None, {}, language, None
        try:
            form = await read_form(request)
        except BadFormError:
            return visitor, {}, language, await self._tell("form", language, 400)
        language = language_of(request, form.get("language"))
        if not self._visitors.is_own_form(request, visitor, form.get("form", "")):
            return visitor, form, language, await self._tell("form", language, 403)
        return visitor, form, language, None

    # --- answers ----------------------------------------------------------------------------

    async def _turn_away(self, language: str) -> Response:
        return await self._tell("signin", language, 401)

    async def _tell(self, key: str, language: str, status: int, leave_token: str = "") -> Response:
        return await run_in_threadpool(_message, key, language, status, leave_token)

    def _leave_token(self, visitor: Visitor) -> str:
        """What the form carries that ends the session; empty where it is not ours to end."""
        return "" if visitor.begun_at_s is None else self._visitors.form_token(visitor)

    async def _guarded(self, work: Callable[[], Response], language: str) -> Response:
        try:
            return await run_in_threadpool(work)
        except (LedgerError, NotReadyError):
            return await self._tell("unavailable", language, 503)
        except (RequestError, UnknownNameError, UnknownEventError, NoSigningKeyError):
            return await self._tell("unknown", language, 404)

    # --- work, in threads -------------------------------------------------------------------

    def _page(self, visitor: Visitor, language: str, done: int) -> Response:
        behind, person = self._behind, visitor.data_subject_id
        program, wording = behind.words.words(language)
        events = self._events(person)
        newest = events[-1].position if events else 0
        told = behind.consent.get_consent(wire.GetConsentRequest(subject=person), NO_CALL)
        wait_s = self._options.obedience_wait_s if done else _GLANCE_S
        systems = tuple(
            System(
                name=said.name,
                is_current=said.agrees,
                text=wording.phrase(
                    "pref_system_current" if said.agrees else "pref_system_behind",
                    position=said.position,
                ),
            )
            for said in behind.others.ask(person, newest, states_of(told), wait_s)
        )
        states = {state.purpose: _purpose_state(state) for state in told.purposes}
        act = next((event for event in events if done and event.position == done), None)
        page = PreferencePage(
            groups=cards_of(program, wording, states),
            acts=acts_of(program, wording, events, has_receipt=self._has_receipts()),
            more_acts=max(0, len(events) - MAX_ACTS),
            systems=systems,
            done=None if act is None else done_of(program, wording, act, systems),
        )
        text = render_preferences(
            page,
            wording,
            program,
            form_token=self._visitors.form_token(visitor),
            revision=newest,
            name=visitor.name,
            alternates=[(each, f"{PATH}?language={each}") for each in languages()],
            can_leave=visitor.begun_at_s is not None,
        )
        return page_answer(text, language, _STYLE)

    def _record(self, visitor: Visitor, form: dict[str, str], language: str) -> Response:
        person, purpose = visitor.data_subject_id, form.get("purpose", "")
        program, _ = self._behind.words.words(language)
        place = program.purpose_names.get(purpose)
        choice = next((c for c in Choice if c.value == form.get("choice")), None)
        if place is None or choice is None or not is_sensible(program.purposes[place], choice):
            return _message("unknown", language, 404)
        events = self._events(person)
        position = self._recorder.record(
            choice_event(
                program, program.purposes[place], choice, person, place=self._options.place
            ),
            seen=_position(form.get("revision", "")),
            newest=events[-1].position if events else 0,
        )
        return _go_to(language, done=position, purpose=program.purposes[place].path)

    def _give_receipt(self, visitor: Visitor, event_id: str) -> Response:
        receipts = self._behind.receipts
        is_signed = event_id.endswith(".jws")
        event_id = event_id.removesuffix(".jws")
        if receipts is None:
            raise NoSigningKeyError
        issued = receipts.get_receipt(
            wire.GetReceiptRequest(subject=visitor.data_subject_id, event_id=event_id), NO_CALL
        )
        name = f"receipt-{quote(event_id, safe='')}.{'jws' if is_signed else 'html'}"
        headers = page_headers(_STYLE) | {
            "content-disposition": f'attachment; filename="{name}"',
            "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
        }
        if is_signed:
            return Response(issued.receipt, media_type="application/jose", headers=headers)
        page = receipt_page(
            look_into_receipt(issued.receipt), signed=issued.receipt, verified_by=issued.key_id
        )
        return Response(page, media_type="text/html", headers=headers)

    def _events(self, person: str) -> Sequence[ConsentEvent]:
        """All of the person's events, oldest first."""
        events: list[ConsentEvent] = []
        while page := self._behind.ledger.list_events(
            person, events[-1].position if events else 0, _EVENTS
        ):
            events += page
            if len(page) < _EVENTS:
                break
        return events

    def _has_receipts(self) -> bool:
        return self._behind.receipts is not None and self._behind.has_receipts()


def _purpose_state(told: wire.PurposeConsent) -> PurposeState:
    return PurposeState(
        state=told.state,
        rights=frozenset(told.rights),
        given_at_us=micros_of(told.given_at) if told.HasField("given_at") else None,
        expires_at_us=micros_of(told.expires_at) if told.HasField("expires_at") else None,
    )


def _position(text: str) -> int:
    """A position on the ledger; 0 where the text is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _go_to(language: str, *, done: int = 0, purpose: str = "") -> Response:
    """The page again by GET, so that loading it anew sends nothing."""
    query = {"language": language} | ({"done": str(done)} if done else {})
    place = f"#purpose-{quote(purpose)}" if purpose else ""
    return RedirectResponse(
        f"{PATH}?{urlencode(query)}{place}", status_code=303, headers=page_headers(_STYLE)
    )


def _message(key: str, language: str, status: int, leave_token: str = "") -> Response:
    link = f"{PATH}?language={language}" if key in ("form", "unknown", "many", "other") else ""
    text = render_message(Wording(language, {}, {}), key, link=link, leave_token=leave_token)
    answer = page_answer(text, language, _STYLE, status)
    if status == 429:
        answer.headers["retry-after"] = "60"
    return answer
