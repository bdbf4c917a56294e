"""Rows of files: every event goes out and comes back the same, and every bad row says why."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.consent.exchange.files import (
    ReadEvent,
    Refusal,
    csv_header,
    csv_line,
    ndjson_line,
    one_event,
    read_csv,
    read_ndjson,
    signal_maker,
)
from consentry.consent.exchange.rows import RowError, csv_cells, row_of_event, time_text
from consentry.consent.signals.events import SignalMap, gpc_events
from consentry.model.consent import (
    Author,
    ConsentEvent,
    EventKind,
    Proof,
    RecipientScope,
    Scope,
)
from tests.support.consent_events import gave

WORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_characters=";\u2028\u2029"),
    min_size=1,
    max_size=12,
).map(str.strip).filter(bool)  # fmt: skip
LISTS = st.lists(WORDS, max_size=3, unique=True).map(tuple)
EVENTS = st.builds(
    ConsentEvent,
    kind=st.sampled_from(EventKind),
    data_subject_id=WORDS,
    scope=st.builds(
        Scope,
        purpose=WORDS,
        data=LISTS,
        channels=LISTS,
        recipients=st.lists(st.builds(RecipientScope, role=WORDS), max_size=2).map(tuple),
        controller=WORDS | st.just(""),
    ),
    happened_at_us=st.integers(0, 4_102_444_800_000_000),
    idempotency_key=WORDS,
    qualities=LISTS.map(frozenset),
    notice=WORDS | st.just(""),
    listed=LISTS,
    by=st.sampled_from(Author),
    expires_at_us=st.none() | st.integers(0, 4_102_444_800_000_000),
    proof=st.builds(Proof, method=WORDS | st.just(""), reference=WORDS | st.just("")),
)


def read(text: str, *, is_csv: bool = False) -> list[ReadEvent | Refusal]:
    reader = read_csv if is_csv else read_ndjson
    return list(reader(io.StringIO(text, newline=""), one_event))


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_event_comes_back_as_it_went(event: ConsentEvent) -> None:
    for text in (
        ndjson_line(row_of_event(event)),
        csv_header() + csv_line(row_of_event(event)),
    ):
        (outcome,) = read(text, is_csv=text.startswith("position"))

        assert isinstance(outcome, ReadEvent)
        assert outcome.event == event


@pytest.mark.parametrize("text", ["=1+1", "+49", "-x", "@SUM(A1)", "'=1", "'"])
def test_cell_that_a_spreadsheet_would_run_is_text(text: str) -> None:
    row = row_of_event(gave(1, notice=text))

    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in csv_cells(row))
    (outcome,) = read(csv_header() + csv_line(row), is_csv=True)
    assert isinstance(outcome, ReadEvent)
    assert outcome.event.notice == text


def test_list_entry_that_would_fall_apart_is_not_written() -> None:
    with pytest.raises(RowError) as refused:
        csv_line(row_of_event(gave(1, listed=("a;b",))))

    assert (refused.value.field, refused.value.code) == ("listed", "separator_in_entry")


GOOD = '{"kind":"given","subject":"ada","purpose":"marketing","happened_at":"2026-01-01T00:00:00Z"'


@pytest.mark.parametrize(
    ("text", "field", "code"),
    [
        ("{", "", "bad_json"),
        ("[" * 100_000, "", "bad_json"),
        ("[]", "", "not_an_object"),
        ("x" * 300_000, "", "too_long"),
        (GOOD + ',"purpos":"x"}', "purpos", "unknown_column"),
        (GOOD + ',"notice":7}', "notice", "not_a_text"),
        (GOOD + ',"data":"customer"}', "data", "not_a_list_of_texts"),
        (GOOD + ',"recipients":["mailer"]}', "recipients", "one_of"),
        (GOOD.replace("given", "gave") + "}", "kind", "unknown_value"),
        ('{"subject":"ada","happened_at":"2026-01-01T00:00:00Z"}', "kind", "required"),
        ('{"kind":"given","subject":"ada"}', "happened_at", "required"),
        (GOOD.replace("00Z", "00") + "}", "happened_at", "no_zone"),
        (GOOD.replace("2026-01-01", "2026-02-30") + "}", "happened_at", "bad_time"),
        (GOOD + ',"by":"neighbour"}', "by", "unknown_value"),
    ],
)
def test_bad_row_says_where_and_why(text: str, field: str, code: str) -> None:
    assert read(f"\n{text}\n{GOOD}}}\n")[0] == Refusal(2, field, code)
    assert isinstance(read(f"\n{text}\n{GOOD}}}\n")[1], ReadEvent)


def test_ragged_rows_are_refused_by_line() -> None:
    text = "kind,subject,purpose,happened_at\ngiven,ada\ngiven,ada,marketing,2026-01-01T00:00Z,x\n"

    assert read(text, is_csv=True) == [
        Refusal(2, "", "ragged_row"),
        Refusal(3, "", "ragged_row"),
    ]


def test_mark_of_byte_order_is_passed_over() -> None:
    text = "\ufeffkind,subject,purpose,happened_at\ngiven,ada,marketing,2026-01-01T00:00:00Z\n"

    (outcome,) = read(text, is_csv=True)

    assert isinstance(outcome, ReadEvent)
    assert isinstance(read("\ufeff" + GOOD + "}")[0], ReadEvent)


def test_quote_that_is_never_closed_is_told() -> None:
    assert read('kind\n"given', is_csv=True) == [Refusal(2, "", "bad_csv")]


def test_row_without_a_key_always_gets_the_same_one() -> None:
    first, again, other = (read(t)[0] for t in (GOOD + "}", GOOD + "}", GOOD + ',"notice":"2"}'))

    assert isinstance(first, ReadEvent)
    assert isinstance(again, ReadEvent)
    assert isinstance(other, ReadEvent)
    assert first.event.idempotency_key == again.event.idempotency_key
    assert first.event.idempotency_key != other.event.idempotency_key


def test_row_without_proof_is_an_event_without_proof() -> None:
    (outcome,) = read(GOOD + "}")

    assert isinstance(outcome, ReadEvent)
    assert outcome.event.proof == Proof()


def test_signals_come_in_rows_too() -> None:
    maker = signal_maker(gpc_events, SignalMap())
    rows = (
        '{"subject":"ada","string":"1","seen_at":"2026-01-01T00:00:00Z"}\n'
        '{"subject":"bob","string":"0"}\n'
        '{"subject":"","string":"1"}\n'
        '{"subject":"eve","string":"1","who":"?"}\n'
    )

    outcomes = list(read_ndjson(io.StringIO(rows), maker))

    events = [o.event for o in outcomes if isinstance(o, ReadEvent)]
    assert [(e.data_subject_id, e.scope.tag) for e in events] == [
        ("ada", "sale"),
        ("ada", "sharing"),
    ]
    assert [o for o in outcomes if isinstance(o, Refusal)] == [
        Refusal(3, "subject", "required"),
        Refusal(4, "who", "unknown_column"),
    ]


def test_times_are_told_to_the_microsecond() -> None:
    assert time_text(1) == "1970-01-01T00:00:00.000001Z"
    event = replace(gave(1), happened_at_us=1_770_000_000_000_007)
    assert row_of_event(event)["happened_at"] == "2026-02-02T02:40:00.000007Z"
