"""The page of a receipt: all that was signed, nothing that runs, whatever the words are."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from consentry.consent.records import RecordFacts, receipt_of
from consentry.model.trees import PurposeNode
from consentry.model.values import Duration
from consentry.publish.receipt_page import receipt_page
from consentry.publish.record_facts import HouseFacts, iso_duration, record_facts
from tests.integration.server_world import PROGRAM
from tests.support.consent_events import gave, withdrew

HOSTILE = '<script>alert("1")</script>"\'&{{ 7 * 7 }}'


class Reader(HTMLParser):
    """Collects tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page_of(data_subject_id: str = "ada", verified_by: str | None = None) -> Reader:
    life = [
        replace(gave(1), data_subject_id=data_subject_id, event_id="e1"),
        replace(withdrew(2), data_subject_id=data_subject_id, event_id="e2"),
    ]
    receipt = receipt_of(life, RecordFacts(), ledger_id="l1", issued_at_us=1)
    reader = Reader()
    reader.feed(receipt_page(receipt, signed="a.b.c", verified_by=verified_by))
    return reader


def test_page_tells_the_life_of_the_consent() -> None:
    text = " ".join(page_of().text)

    assert "given" in text
    assert "withdrawn" in text
    assert "a.b.c" in text


def test_words_of_others_are_shown_and_never_run() -> None:
    page = page_of(HOSTILE)

    assert "script" not in page.tags
    assert HOSTILE in page.text


@pytest.mark.parametrize(("key", "said"), [("k1", "verified with the key k1"), (None, "not")])
def test_page_says_whether_the_signature_was_checked(key: str | None, said: str) -> None:
    assert said in " ".join(page_of(verified_by=key).text)


def test_page_fetches_nothing() -> None:
    assert not {"script", "link", "img", "iframe"} & set(page_of().tags)


def test_facts_come_from_the_policies() -> None:
    purpose = PurposeNode(
        index=0, path="service", lineage=(0,), text="Bring you your order", basis="contract",
        keep=Duration(months=24), consent_lasts=Duration(micros=90 * 86_400 * 1_000_000),
    )  # fmt: skip
    facts = record_facts(replace(PROGRAM, purposes=(purpose,)), HouseFacts(language="de"))

    told = facts.purposes["service"]
    assert (told.text, told.basis, told.keep, told.lasts) == (
        "Bring you your order", "contract", "P24M", "P90D",
    )  # fmt: skip
    assert facts.language == "de"


@pytest.mark.parametrize(
    ("length", "text"),
    [(None, ""), (Duration(months=1), "P1M"), (Duration(micros=3_600_000_000), "PT3600S")],
)
def test_durations_are_written_as_iso_8601_has_them(length: Duration | None, text: str) -> None:
    assert iso_duration(length) == text
