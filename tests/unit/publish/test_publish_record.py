"""The record of processing: one row an activity, and what is missing is listed."""

from __future__ import annotations

import csv
import io

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.span import Source
from consentry.pdp.sources import read_packs
from consentry.publish.publisher import Publisher
from consentry.publish.record import (
    COLUMNS,
    RecordRow,
    render_record_csv,
    render_record_html,
)
from consentry.publish.wording import Wording

WHOLE = """
mission "We say what we do" { controller "Acme" in "DE" contact "a@acme.example" }
data customer "Customers" { email "E-mail address" as user.contact.email }
purpose news "What is new" { basis consent keep 30 days }
permit mail "We write" {
    who service "mailer" may contact, disclose data customer.email for news
    to country "US" cite "Standard clauses of 2021"
}
oblige tell "Say who writes" { for news }
"""
BARE = """
data customer { email }
purpose news { basis consent }
permit mail { who service "mailer" may disclose data customer for news to country "US" }
"""


def record(text: str) -> tuple[tuple[RecordRow, ...], Wording]:
    source = Source("a.policy", text)
    program = compile_policies([source], read_packs()).program
    assert program is not None
    return Publisher(program, [source], read_packs().values()).record("en", {})


def cells(text: str) -> dict[str, str]:
    (row,), _ = record(text)
    return dict(zip(COLUMNS, row.cells, strict=True))


def test_row_says_what_the_law_asks_for() -> None:
    row = cells(WHOLE)

    assert row["activity"] == "We write"
    assert row["purposes"] == "What is new"
    assert row["basis"] == "you agreed"
    assert row["people"] == row["data"] == "Customers"
    assert row["recipients"] == "the service mailer; someone in US"
    assert (row["transfers"], row["retention"]) == ("US", "30 days")
    assert row["measures"] == "Say who writes"
    assert (row["controller"], row["contact"]) == ("Acme", "a@acme.example")
    assert row["place"] == "a.policy:5"
    assert row["gaps"] == ""


def test_what_is_not_said_is_a_gap() -> None:
    (row,), _ = record(BARE)

    told = "; ".join(row.gaps)
    for gap in (
        "the activity has no text", "no controller", "no contact", "the purpose has no text: news",
        "no time limit: news", "no standard category: customer.email",
        "no safeguard is told for the transfer to US", "no protection is declared",
    ):  # fmt: skip
        assert gap in told


def test_csv_is_read_back_as_it_was_written() -> None:
    rows, wording = record(WHOLE)

    header, *read = list(csv.reader(io.StringIO(render_record_csv(rows, wording))))

    assert len(header) == len(COLUMNS)
    assert [tuple(line) for line in read] == [row.cells for row in rows]


def test_cell_of_the_csv_is_no_formula() -> None:
    rows, wording = record(WHOLE.replace('"We write"', '"=cmd|calc"'))

    assert "'=cmd|calc" in render_record_csv(rows, wording)


def test_page_has_a_row_for_each_activity_and_escapes() -> None:
    text = WHOLE.replace('"We write"', '"<b>We</b> write"')
    rows, wording = record(text)
    program = compile_policies([Source("a.policy", text)], read_packs()).program
    assert program is not None

    page = render_record_html(rows, program, wording)

    assert page.count("<tr data-rule=") == len(rows)
    assert "<b>We" not in page
    assert program.digest in page


def test_row_tells_each_basis_and_each_time_of_all_its_purposes() -> None:
    row = cells(
        """
use gdpr
data customer "Customers" { email "E-mail address" as user.contact.email }
purpose news "What is new" {
    basis consent  keep 30 days
    purpose bills "Bills" { basis contract  keep 5 years }
}
purpose proof "Proof" { basis legal_obligation under gdpr  keep 1 year }
permit mail "We write" { who service "mailer" may read data customer.email for news, proof }
"""
    )

    assert row["purposes"] == "What is new; Proof"
    assert row["retention"] == "30 days; 5 years; 1 year"
    assert "you agreed" in row["basis"]
    assert "(under gdpr)" in row["basis"]
    assert row["basis"].count(";") == 2
