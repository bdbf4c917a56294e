"""Claims about the lines of the decision log: what is told once for many says what it must."""

from __future__ import annotations

import json

import pytest

from consentry.telemetry.audit.keys import AuditKey
from consentry.telemetry.audit.record import AuditFields, RecordWriter, Telling
from tests.support.audit import KEY, NOW_US, fields


@pytest.mark.parametrize("is_hit", [False, True])
def test_line_is_the_same_however_much_of_it_was_told_before(is_hit: bool) -> None:
    writer, said = RecordWriter(), fields(granted=("customer.name",), is_consent_known=False)
    record = (1, NOW_US, "id", 7, "", is_hit, "", "", said)
    person, question = KEY.name_of("ada@example.org"), KEY.digest(b"asked")
    line = (
        '{"event":"decision","seq":1,"time":"2026-01-01T00:00:00.000001Z","decision_id":"id",'
        f'"position":7,"is_hit":{json.dumps(is_hit)},"digest":"{"d" * 64}","effect":"permit",'
        '"reason":"consent_valid","rule":"mail_campaign","purpose":"marketing.email",'
        '"action":"contact","data":["customer.contact.email"],"principal_id":"campaign-mailer",'
        '"revision":5,"granted":["customer.name"],"is_consent_known":false,'
        f'"key":"{KEY.name}","data_subject":"{person}","question":"{question}"}}\n'
    )

    assert [writer.line(record, KEY).decode() for _ in range(3)] == [line] * 3


def test_what_a_kind_settles_is_told_by_each_writer_in_its_own_way_and_for_each_key() -> None:
    plain, short = RecordWriter(), RecordWriter(Telling(leave_out=frozenset({"rule"})))
    kind = fields().kind
    later = AuditKey("20270101T000000Z", b"l" * 32)

    def told(writer: RecordWriter, key: AuditKey) -> dict[str, object]:
        one = AuditFields(kind, "mailer", "ada", 1, b"asked")
        line = writer.line((1, NOW_US, "id", 7, "", False, "", "", one), key)
        found: dict[str, object] = json.loads(line)
        return found

    assert ["rule" in told(writer, KEY) for writer in (plain, short, plain)] == [True, False, True]
    keys = [told(plain, key) for key in (KEY, later, KEY)]
    assert [found["key"] for found in keys] == [KEY.name, later.name, KEY.name]
    assert keys[0] == keys[2]
    assert keys[0]["data_subject"] != keys[1]["data_subject"]


@pytest.mark.parametrize("is_hit", [False, True])
def test_answers_of_one_kind_are_told_with_what_is_their_own(is_hit: bool) -> None:
    writer, kind = RecordWriter(), fields().kind
    asked = [("mailer", "ada", 1), ("post", "ada", 2), ("mailer", "bob", 3)]
    said = [AuditFields(kind, *one, b"asked") for one in asked]
    for _ in range(2):
        lines = [writer.line((1, NOW_US, "i", 7, "", is_hit, "", "", one), KEY) for one in said]
        found = [json.loads(line) for line in lines]
        assert [one["principal_id"] for one in found] == [who for who, _, _ in asked]
        assert [one["data_subject"] for one in found] == [KEY.name_of(of) for _, of, _ in asked]
        assert [one["revision"] for one in found] == [1, 2, 3]


def test_what_is_remembered_of_kinds_is_bounded() -> None:
    writer = RecordWriter()
    for number in range(5_000):
        said = fields(purpose=f"p{number}")
        line = writer.line((1, NOW_US, "id", 7, "", False, "", "", said), KEY)
        assert json.loads(line)["purpose"] == f"p{number}"

    assert len(writer._told) <= 2_048
