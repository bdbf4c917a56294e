"""What an explanation says of the shop in `policies/`, to each of its readers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from consentry.author.explain import explain
from consentry.author.explain_text import render_text
from consentry.author.explanation import ChangeKind, Explanation, Reader
from consentry.compiler.compile import compile_policies
from consentry.consent.history import EventPart
from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.engine.link import LinkedProgram, link
from consentry.model.consent import ConsentEvent, ConsentView, EventKind, Proof, Scope
from consentry.model.decision import Effect
from consentry.model.request import DataSubject, Principal, Request
from consentry.model.trace import Governing, LedgerReading
from consentry.model.values import MICROS_PER_DAY, Value, midnight_us
from consentry.pdp.sources import read_packs, read_policy_folder

NOW_US = midnight_us(date(2026, 5, 1)) + MICROS_PER_DAY // 2


@pytest.fixture(scope="module")
def shop(project_root: Path) -> LinkedProgram:
    sources, _ = read_policy_folder(project_root / "policies")
    program = compile_policies(sources, read_packs()).program
    assert program is not None
    return link(program)


def event(kind: EventKind, purpose: str, day: date, number: int) -> ConsentEvent:
    at_us = midnight_us(day)
    return ConsentEvent(
        kind=kind,
        data_subject_id="ada",
        scope=Scope(purpose=purpose),
        happened_at_us=at_us,
        received_at_us=at_us,
        position=number,
        event_id=f"e{number}",
        notice="2026-03",
        proof=Proof(method="form"),
    )


GAVE = event(EventKind.GIVEN, "marketing", date(2026, 3, 10), 1)
WITHDREW = event(EventKind.WITHDRAWN, "marketing.email", date(2026, 4, 1), 2)


def view_of(*events: ConsentEvent) -> SubjectView:
    return SubjectView(events, revision=len(events), position=len(events), read_at_us=NOW_US)


def newsletter(**subject: Value) -> Request:
    return Request(
        principal=Principal(id="campaign-mailer", kind="service"),
        action="contact",
        data=("customer.contact.email",),
        data_subject=DataSubject(id="ada", attributes=subject),
        purpose="marketing.email",
        channel="email",
    )


def explained(
    shop: LinkedProgram, request: Request, *events: ConsentEvent, view: ConsentView | None = None
) -> Explanation:
    return explain(shop, request, view or view_of(*events), NOW_US)


def test_withdrawn_consent_is_told_with_the_event_that_ended_it(shop: LinkedProgram) -> None:
    told = explained(shop, newsletter(country="DE"), GAVE, WITHDREW)

    assert told.decision.reason == "consent_withdrawn"
    given, withdrawn = told.events
    assert (given.part, given.ended_by) == (EventPart.CUT, "e2")
    assert withdrawn.part is EventPart.ENDS
    assert "e1  2026-03-10T00:00:00Z  consented to marketing" in render_text(told)


def test_smallest_change_of_a_withdrawn_consent_is_a_consent(shop: LinkedProgram) -> None:
    told = explained(shop, newsletter(country="DE"), GAVE, WITHDREW)

    first = told.flips[0]
    assert [change.kind for change in first.changes] == [ChangeKind.CONSENT]
    assert first.text == "the person consents to `marketing.email`"
    assert first.effect is Effect.PERMIT


def test_smallest_change_of_a_permission_is_a_withdrawal(shop: LinkedProgram) -> None:
    told = explained(shop, newsletter(country="DE"), GAVE)

    assert told.decision.effect is Effect.PERMIT
    texts = [flip.text for flip in told.flips]
    assert "the person withdraws the consent to `marketing.email`" in texts
    assert all(flip.effect is Effect.DENY for flip in told.flips)


def test_two_changes_are_found_where_one_is_not_enough(shop: LinkedProgram) -> None:
    told = explained(shop, newsletter())

    assert {len(flip.changes) for flip in told.flips} == {2}
    kinds = {change.kind for change in told.flips[0].changes}
    assert kinds == {ChangeKind.ATTRIBUTE, ChangeKind.CONSENT}
    assert 'say that `subject.country` is "DE"' in told.flips[0].text


def test_leaving_a_field_out_is_proposed_before_all_else(shop: LinkedProgram) -> None:
    request = newsletter(country="DE")
    request = Request(
        principal=request.principal,
        action=request.action,
        data=("customer.contact.email", "customer.contact.phone"),
        data_subject=request.data_subject,
        purpose=request.purpose,
        channel=request.channel,
    )

    told = explained(shop, request, GAVE)

    assert told.decision.reason == "data_not_necessary"
    assert told.flips[0].text == "leave out customer.contact.phone"


def test_rules_are_told_with_file_and_line_and_what_they_ask(shop: LinkedProgram) -> None:
    text = render_text(explained(shop, newsletter()))

    assert "- permit mail_newsletter  marketing.policy:2" in text
    assert "when has subject.country and subject.country in served_countries" in text
    assert "nobody said subject.country" in text


def test_reasons_for_the_officer_carry_laws_and_texts_and_no_file(shop: LinkedProgram) -> None:
    text = render_text(explained(shop, newsletter(country="DE"), GAVE, WITHDREW), Reader.OFFICER)

    assert "Law strict 1: no" in text
    assert "The person took the consent back." in text
    assert ".policy" not in text


def test_sentence_for_the_customer_is_made_of_public_texts(shop: LinkedProgram) -> None:
    told = explained(shop, newsletter(country="DE"), GAVE, WITHDREW)

    assert render_text(told, Reader.CUSTOMER) == (
        "\N{LEFT DOUBLE QUOTATION MARK}By e-mail\N{RIGHT DOUBLE QUOTATION MARK}: the data may not "
        "be used for this, because the person took the consent back.\n"
    )


def test_ledger_that_cannot_be_read_is_told(shop: LinkedProgram) -> None:
    told = explained(shop, newsletter(country="DE"), view=UNAVAILABLE)

    (leaf,) = told.trace.leaves
    assert leaf.reading is LedgerReading.UNAVAILABLE
    assert told.events == ()
    assert "the ledger could not be read" in render_text(told)


def test_request_that_names_nothing_known_is_refused_before_any_rule(shop: LinkedProgram) -> None:
    request = newsletter(country="DE")
    request = Request(
        principal=request.principal,
        action=request.action,
        data=request.data,
        data_subject=request.data_subject,
        purpose="fun",
    )

    told = explained(shop, request, GAVE)

    assert told.decision.reason == "purpose_unknown"
    assert told.trace.leaves == ()
    assert "refused before any rule was asked" in render_text(told)
    assert render_text(told, Reader.CUSTOMER).startswith("The data may not be used for this")


def test_laws_are_told_with_whether_they_govern(shop: LinkedProgram) -> None:
    (leaf,) = explained(shop, newsletter(country="DE"), GAVE).trace.leaves

    laws = {told.regime.name: told.governing for told in leaf.regimes}
    assert laws == {"": Governing.ALWAYS, "strict": Governing.ALWAYS}
