"""The order between readers of the store and the writer, without threads that race by luck: the
store's reading is a function of the test's, which does the writer's part in the middle of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from consentry.consent.ledger import SubjectCell
from consentry.consent.memory import SubjectCells
from consentry.consent.resolver import SubjectView
from consentry.model.consent import ConsentEvent
from tests.support.consent_events import gave, withdrew

FIRST = replace(gave(1), position=1)
SECOND = replace(withdrew(2), position=2)


class Store:
    """What is committed, and how to read it."""

    def __init__(self, *events: ConsentEvent) -> None:
        self.events = list(events)

    def load(self, _: str) -> SubjectView:
        events = tuple(self.events)
        position = events[-1].position if events else 0
        return SubjectView(events, revision=position, position=position, read_at_us=0)

    def commit(self, cells: SubjectCells, event: ConsentEvent) -> None:
        self.events.append(event)
        publish(cells, [event])


def publish(cells: SubjectCells, events: Sequence[ConsentEvent]) -> None:
    cells.publish({"ada": events}, events[-1].position, 0)


def held(cell: SubjectCell) -> tuple[ConsentEvent, ...] | None:
    return cell.view.events if isinstance(cell.view, SubjectView) else None


def read_around_a_commit(cells: SubjectCells) -> SubjectCell:
    """A reader that reads before the commit and stores after the publication."""
    store = Store(FIRST)
    commits = [SECOND]

    def load(person: str) -> SubjectView:
        view = store.load(person)
        while commits:
            store.commit(cells, commits.pop())
        return view

    cells.view("ada", load)
    return cells.cell("ada")


def test_reader_never_stores_what_it_read_before_a_commit() -> None:
    assert held(read_around_a_commit(SubjectCells())) == (FIRST, SECOND)


def test_the_test_above_notices_a_missing_guard() -> None:
    class Unguarded(SubjectCells):
        def _may_store(self, data_subject_id: str, cell: SubjectCell, change_count: int) -> bool:
            return True

    assert held(read_around_a_commit(Unguarded())) == (FIRST,)


def test_reader_between_commit_and_publication_does_not_double_the_event() -> None:
    cells, store = SubjectCells(), Store(FIRST, SECOND)

    cells.view("ada", store.load)
    publish(cells, [SECOND])

    assert held(cells.cell("ada")) == (FIRST, SECOND)


def test_view_is_the_same_object_until_the_persons_events_change() -> None:
    cells, store = SubjectCells(), Store(FIRST)
    view = cells.view("ada", store.load)
    cells.publish({"grace": [SECOND]}, 2, 0)

    assert cells.view("ada", store.load) is view
    publish(cells, [SECOND])
    assert cells.cell("ada").view is not view
    assert held(cells.cell("ada")) == (FIRST, SECOND)


def test_forgotten_cell_is_empty_and_stays_so() -> None:
    cells, store = SubjectCells(capacity=2), Store(FIRST)
    cells.view("ada", store.load)
    cell = cells.cell("ada")

    cells.cell("b")
    cells.cell("c")
    cells.view("ada", store.load)

    assert cell.view is None
    assert cells.cell("ada") is not cell
    assert len(cells) == 2


def test_reader_whose_cell_is_forgotten_meanwhile_does_not_fill_it() -> None:
    cells, store = SubjectCells(capacity=1), Store(FIRST)
    cell = cells.cell("ada")
    calls: list[str] = []

    def load(person: str) -> SubjectView:
        if not calls:
            cells.cell("b")
        calls.append(person)
        return store.load(person)

    cells.view("ada", load)

    assert cell.view is None
    assert held(cells.cell("ada")) == (FIRST,)


def test_busy_person_is_answered_without_being_stored() -> None:
    cells, store = SubjectCells(), Store()

    def load(person: str) -> SubjectView:
        view = store.load(person)
        store.commit(cells, replace(gave(1), position=len(store.events) + 1))
        return view

    view = cells.view("ada", load)

    assert isinstance(view, SubjectView)
    assert view.revision == len(store.events) - 1
    assert cells.cell("ada").view is None


def test_failed_reading_stores_nothing() -> None:
    cells = SubjectCells()

    def load(_: str) -> SubjectView:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 (which one does not matter)
        cells.view("ada", load)
    assert cells.cell("ada").view is None


def test_forget_all_empties_cells_that_others_hold() -> None:
    cells, store = SubjectCells(), Store(FIRST)
    cells.view("ada", store.load)
    cell = cells.cell("ada")

    cells.forget_all(1)

    assert (cell.view, len(cells)) == (None, 0)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_acknowledged_event_is_in_the_cell_for_a_reader_held_at_the_store() -> None:
    """The same with threads: the reader stands between reading and storing while a write ends."""
    cells, store = SubjectCells(), Store(FIRST)
    has_read, may_go_on = threading.Event(), threading.Event()

    def load(person: str) -> SubjectView:
        view = store.load(person)
        has_read.set()
        assert may_go_on.wait(10)
        return view

    reader = in_thread(lambda: cells.view("ada", load))
    assert has_read.wait(10)
    store.commit(cells, SECOND)
    may_go_on.set()
    reader.join(10)

    assert held(cells.cell("ada")) == (FIRST, SECOND)
