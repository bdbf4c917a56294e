"""Who has which view now: the cells, and the order that keeps them true.

One lock, `_lock`, guards the table, its order of use and every write to a cell; nothing else is
done under it, in particular no reading of the store. Reading `cell.view` takes no lock.

The danger is a reader that has read the store before a commit and stores what it read after it. So:

- a reader notes the cell's `change_count`, *then* reads the store, and stores the view only if the
  count is still the same and the cell is still the one in the table;
- the writer commits, *then* publishes: it raises the count and moves the view in one hold of the
  lock, and acknowledges only after that.

A reader whose count was taken before the publication finds another count and reads again; one whose
count was taken after it has begun to read after the commit.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from consentry.consent.ledger import ChangeListener, SubjectCell
from consentry.consent.resolver import SubjectView
from consentry.model.consent import ConsentEvent, ConsentView

DEFAULT_CAPACITY: Final = 200_000
_MAX_ATTEMPTS: Final = 3


class SubjectCells:
    """A bounded table of cells, least recently asked for forgotten first.

    A cell that was forgotten is emptied and never filled again, so whoever still holds it sees that
    its view is no longer current.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = max(1, capacity)
        self._cells: OrderedDict[str, SubjectCell] = OrderedDict()
        self._lock = threading.Lock()
        self._listeners: list[ChangeListener] = []

    def on_change(self, listener: ChangeListener) -> None:
        """Call `listener` after each publication; see the port."""
        self._listeners.append(listener)

    def __len__(self) -> int:
        return len(self._cells)

    def cell(self, data_subject_id: str) -> SubjectCell:
        """The person's cell; a new and empty one if there was none."""
        with self._lock:
            return self._cell_locked(data_subject_id)

    def view(self, data_subject_id: str, load: Callable[[str], SubjectView]) -> ConsentView:
        """The person's current view; `load` reads the store where no view is held.

        `load` is called without the lock and may be called again when the person's events changed
        meanwhile. What it raises goes through, and nothing is stored.
        """
        for _ in range(_MAX_ATTEMPTS):
            with self._lock:
                cell = self._cell_locked(data_subject_id)
                if cell.view is not None:
                    return cell.view
                # INVARIANT: noted before the store is read; see the module's order.
                change_count = cell.change_count
            loaded = load(data_subject_id)
            with self._lock:
                if self._may_store(data_subject_id, cell, change_count):
                    if cell.view is None:
                        cell.view = loaded
                    return cell.view
        # Read from the store after this call began, so it is a true answer to it; but a later one
        # must not find it.
        return loaded

    def publish(
        self, events: Mapping[str, Sequence[ConsentEvent]], position: int, read_at_us: int
    ) -> None:
        """Makes committed events visible: called after the commit, before the acknowledgement, in
        the order of commits.
        """
        with self._lock:
            for data_subject_id, added in events.items():
                cell = self._cells.get(data_subject_id)
                if cell is None:
                    continue
                # INVARIANT: count and view move in one hold of the lock, after the commit.
                cell.change_count += 1
                if isinstance(cell.view, SubjectView):
                    cell.view = _with(cell.view, added, position, read_at_us)
        for listener in self._listeners:
            listener(events.keys(), position)

    def forget(self, data_subject_id: str, position: int) -> None:
        """Empties the person's cell: what was held of them is no longer so. After the commit.

        `position` is that of the event which says so.
        """
        with self._lock:
            cell = self._cells.get(data_subject_id)
            if cell is not None:
                cell.change_count += 1
                cell.view = None
        for listener in self._listeners:
            listener((data_subject_id,), position)

    def expire(self, data_subject_ids: Iterable[str]) -> None:
        """Makes what is held of these persons unusable: their next reading goes to the store."""
        with self._lock:
            for data_subject_id in data_subject_ids:
                cell = self._cells.get(data_subject_id)
                if cell is not None:
                    # INVARIANT: the count tells a reader that is under way to read again.
                    cell.change_count += 1
                    cell.view = None

    def doubt(self, position: int) -> None:
        """Tells listeners that nothing they hold may be used; the cells stay as they are."""
        for listener in self._listeners:
            listener(None, position)

    def forget_all(self, position: int) -> None:
        """Empties every cell for good; the next reading of a person goes to the store.

        `position` is that of the newest event which those readings may show.
        """
        with self._lock:
            for cell in self._cells.values():
                cell.change_count += 1
                cell.view = None
            self._cells.clear()
        for listener in self._listeners:
            listener(None, position)

    def _may_store(self, data_subject_id: str, cell: SubjectCell, change_count: int) -> bool:
        # INVARIANT: a cell outside the table is not told of new events, so it must stay empty.
        return cell.change_count == change_count and self._cells.get(data_subject_id) is cell

    def _cell_locked(self, data_subject_id: str) -> SubjectCell:
        cell = self._cells.get(data_subject_id)
        if cell is not None:
            self._cells.move_to_end(data_subject_id)
            return cell
        cell = self._cells[data_subject_id] = SubjectCell(data_subject_id)
        if len(self._cells) > self._capacity:
            _, forgotten = self._cells.popitem(last=False)
            forgotten.change_count += 1
            forgotten.view = None
        return cell


def _with(
    view: SubjectView, added: Sequence[ConsentEvent], position: int, read_at_us: int
) -> SubjectView:
    # A reader may have seen the commit before its publication: then there is nothing to add. What
    # the reading reached and did not show was erased meanwhile, and must not come back.
    seen = max(view.position, view.revision)
    new = [event for event in added if event.position > seen]
    if not new:
        return view
    return SubjectView(
        events=(*view.events, *new),
        revision=new[-1].position,
        position=position,
        read_at_us=read_at_us,
    )
