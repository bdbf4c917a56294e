"""A subject report as people see it, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from consentry.app.publishing import read_publishable
from consentry.consent.records import receipt_of
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from consentry.publish.receipt_page import receipt_page
from consentry.publish.record import render_record_html
from consentry.publish.record_facts import HouseFacts, record_facts
from consentry.publish.subject_report import (
    Asked,
    Gaps,
    Limits,
    SubjectReport,
    grounds,
    render_report,
)
from tests.support.browser import axe_violations, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NOW_US = 1_780_000_000_000_000
GIVEN = ConsentEvent(
    kind=EventKind.GIVEN,
    data_subject_id="<b>ada</b>",
    scope=Scope(purpose="marketing.email"),
    happened_at_us=NOW_US - 1_000_000,
    received_at_us=NOW_US - 1_000_000,
    position=1,
    event_id="e1",
    notice="2026-03",
    proof=Proof(method="form"),
)
ASKED = Asked(
    at_us=NOW_US,
    decision_id="d1",
    principal="campaign-mailer",
    caller="",
    action="contact",
    data=("customer.contact.email",),
    granted=None,
    purpose="marketing.email",
    effect="permit",
    reason="consent_valid",
    rule="mail_newsletter",
    digest="",
    revision=1,
)


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "th")])
def test_axe_finds_nothing_wrong_with_a_report(
    browser: Browser,
    project_root: Path,
    scheme: str,
    language: str,
    figure: Callable[[str, object], None],
) -> None:
    shop = read_publishable(str(project_root / "policies"))
    assert shop is not None
    report = SubjectReport(
        data_subject_id="<b>ada</b>",
        made_at_us=NOW_US,
        limits=Limits(since_us=NOW_US - 5, principal="campaign-mailer"),
        asked=grounds([ASKED], [GIVEN], lambda _digest: shop.program),
        events=(GIVEN,),
        receipts={"e1": "a.b.c"},
        gaps=Gaps(oldest_us=NOW_US, dropped=7, has_receipts=False),
    )
    text = render_report(
        report, shop.program, shop.publisher.wording(language, shop.texts(language))
    )
    page = opened(browser, color_scheme=scheme)

    page.set_content(text)
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    found = axe_violations(page)

    figure(f"axe violations, subject report, {scheme}, {language}", len(found))
    assert found == []
    assert "(e1)" in page.inner_text("main")
    assert "<b>ada</b>" in page.inner_text("header")


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "th")])
def test_axe_finds_nothing_wrong_with_a_record_and_a_receipt(
    browser: Browser,
    project_root: Path,
    scheme: str,
    language: str,
    figure: Callable[[str, object], None],
) -> None:
    shop = read_publishable(str(project_root / "policies"))
    assert shop is not None
    rows, wording = shop.publisher.record(language, shop.texts(language))
    facts = record_facts(shop.program, HouseFacts())
    receipt = receipt_of([GIVEN], facts, ledger_id="l", issued_at_us=NOW_US)
    page = opened(browser, color_scheme=scheme)

    for name, text in (
        ("record", render_record_html(rows, shop.program, wording)),
        ("receipt", receipt_page(receipt, signed="a.b.c", verified_by="key-1")),
    ):
        page.set_content(text)
        found = axe_violations(page)

        figure(f"axe violations, {name}, {scheme}, {language}", len(found))
        assert found == []
