"""What is remembered of attributes that were sent before."""

from __future__ import annotations

from datetime import date

from consentry.engine.attributes import MAX_KNOWN, OwnedAttributes
from consentry.model.program import AttributeSpec, Owner
from consentry.model.request import FieldViolation
from consentry.model.values import Value


def owned() -> OwnedAttributes:
    born = AttributeSpec(owner=Owner.SUBJECT, name="born", type="date")
    return OwnedAttributes([born], "subject.attributes")


def test_the_same_mapping_is_bound_once_and_another_for_itself() -> None:
    table = owned()
    sent: dict[str, Value] = {"born": "1990-04-01"}

    first = table.bind_known(sent, [])

    assert first == {"born": date(1990, 4, 1)}
    assert table.bind_known(sent, []) is first
    assert table.bind_known({"born": "2000-01-01"}, []) == {"born": date(2000, 1, 1)}
    assert table.bind_known(sent, []) is first


def test_each_of_many_short_lived_mappings_gets_what_is_its_own() -> None:
    """The id of one that is gone is soon another's: nothing is found by an id alone."""
    table = owned()
    days = [date(1900 + n % 100, 1 + n % 12, 1) for n in range(3 * MAX_KNOWN)]

    bound = [table.bind_known({"born": born.isoformat()}, [])["born"] for born in days]

    assert bound == days


def test_what_is_wrong_is_told_each_time() -> None:
    table = owned()
    sent: dict[str, Value] = {"born": "yesterday"}
    for _ in range(2):
        violations: list[FieldViolation] = []
        table.bind_known(sent, violations)

        assert [one.code for one in violations] == ["wrong_type"]
