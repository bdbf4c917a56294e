"""Claims about readings that many share, with a store that answers when the test says."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from consentry.consent.errors import ReadTooLateError
from consentry.consent.ledger import SubjectCell
from consentry.consent.person_reads import PersonReads
from consentry.consent.resolver import UNAVAILABLE
from consentry.model.consent import ConsentView


class Store:
    """Counts readings; none ends before `may_end`."""

    def __init__(self) -> None:
        self.count = 0
        self.may_end = threading.Event()
        self.cell: SubjectCell | None = SubjectCell("ada")

    def read(self, _: str) -> ConsentView:
        self.count += 1
        assert self.may_end.wait(10)
        return UNAVAILABLE

    def find(self, _: str) -> SubjectCell:
        assert self.cell is not None
        return self.cell


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    yield store
    store.may_end.set()


def test_a_forgotten_cell_is_never_taken_for_a_new_one_in_its_place(store: Store) -> None:
    """A new cell may get the very address of one that is gone."""
    reads = PersonReads(store.read, store.find, wait_s=0.01)
    with pytest.raises(ReadTooLateError):
        reads.view("ada")
    address = id(store.cell)
    store.cell = None
    others = []
    for _ in range(1_000):
        store.cell = SubjectCell("ada")
        if id(store.cell) == address:
            break
        others.append(store.cell)

    with pytest.raises(ReadTooLateError):
        reads.view("ada")
    store.may_end.set()
    reads.close()

    assert store.count == 2
