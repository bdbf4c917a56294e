"""The nearest spelling of a word, for `did you mean …`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

# A longer word is no misspelling of anything, and the table grows with its length.
_MAX_LENGTH: Final = 64


def edit_distance(left: str, right: str, limit: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours; `limit + 1` when more.

    Two rows of the table and an early end: a name costs microseconds even among thousands.
    """
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        after = [i]
        for j, b in enumerate(right, start=1):
            cost = min(row[j] + 1, after[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            after.append(cost)
        if min(after) > limit:
            return limit + 1
        before, row = row, after
    return row[-1]


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `word`; None when none is near enough to be meant.

    Near is: a third of the letters at most. Ties go to the candidate of the very same letters (two
    that changed places are the commonest slip), then to the first by alphabet, so that the answer
    does not depend on the order of a mapping. For dotted paths, a candidate that
    ends in the very word (`email` for `customer.contact.email`) is near too.
    """
    if not word or len(word) > _MAX_LENGTH:
        return None
    limit = max(1, len(word) // 3)
    best: tuple[int, bool, str] | None = None
    tails: list[str] = []
    lowered = word.lower()
    letters = sorted(lowered)
    for candidate in candidates:
        if candidate == word:
            continue
        if candidate.endswith("." + lowered):
            tails.append(candidate)
        distance = edit_distance(lowered, candidate, limit if best is None else best[0])
        if distance > limit:
            continue
        found = (distance, sorted(candidate) != letters, candidate)
        if best is None or found < best:
            best = found
    if best is not None and best[0] < len(lowered):
        return best[2]
    return min(tails, key=lambda path: (path.count("."), path), default=None)
