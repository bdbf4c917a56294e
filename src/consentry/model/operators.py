"""What the operators of conditions mean at run time: pure functions that generated code calls.

Rules kept here: `None` (absent) in, `None` out; nothing raises for any value of the declared types;
an operator that reads `now` tells `f.changes_at` the first future instant at which its own result
differs. Instants are microseconds since the epoch, UTC.

Source: language reference, "Conditions".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

from consentry.model.consent import Standing
from consentry.model.facts import Facts
from consentry.model.operators_time import (
    NEVER_US,
    age_compare,
    age_months,
    clock_between,
    duration_order,
    elapsed,
    exact_micros,
    midnight,
    now_eq,
    now_ge,
    now_gt,
    now_le,
    now_lt,
    now_ne,
    shift,
    shift_date,
    shifted_now,
    sum_durations,
)
from consentry.model.trees import DataNode, is_within
from consentry.model.tri import FALSE, TRUE, UNKNOWN, Tri

__all__ = ["NAMESPACE", "age_months", "in_networks", "like_match"]

Windows: TypeAlias = tuple[tuple[int | None, int | None], ...]
"""Dates of effect: pairs of (from, until), half-open, None where open."""
Network: TypeAlias = tuple[int, int, int, Windows]
"""(IP version, first address, last address, dates of effect); no dates: always."""
Glob: TypeAlias = tuple[str, ...]
"""A pattern cut at its `*`: the parts that must follow one another."""

UNDECLARED: Final = -1
"""Stands for a name that the policies do not declare: a place in no tree. Were it dropped, a list
of such names would be empty, and an empty list lies `within` any."""
_UNDECLARED_ONLY: Final = frozenset({UNDECLARED})


def like_match(text: str, parts: Glob) -> bool:
    """Whether `text` as a whole matches the pattern; `?` in a part stands for one character.

    Each part is found once, leftmost first, which is enough because `*` matches anything: there is
    no backtracking, so the work is bounded by the two lengths' product.
    """
    if len(parts) == 1:
        return len(text) == len(parts[0]) and _fits(text, 0, parts[0])
    first, last = parts[0], parts[-1]
    end = len(text) - len(last)
    if end < len(first) or not _fits(text, 0, first) or not _fits(text, end, last):
        return False
    at = len(first)
    for part in parts[1:-1]:
        at = _find(text, part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _find(text: str, part: str, start: int, end: int) -> int:
    if "?" not in part:
        return text.find(part, start, end)
    for at in range(start, end - len(part) + 1):
        if _fits(text, at, part):
            return at
    return -1


def _fits(text: str, at: int, part: str) -> bool:
    if "?" not in part:
        return text.startswith(part, at)
    return all(p in ("?", text[at + i]) for i, p in enumerate(part))


def in_windows(f: Facts, windows: Windows) -> bool:
    """Whether now lies in one of `windows`; none at all means never."""
    now = f.now_us
    is_in = False
    for start, end in windows:
        for edge in (start, end):
            if edge is not None:
                f.changes_at(edge)
        if (start is None or start <= now) and (end is None or now < end):
            is_in = True
    return is_in


def in_dated(f: Facts, value: object, items: Mapping[object, Windows]) -> bool:
    """Whether `value` is an item in effect now of a set whose items carry dates."""
    windows = items.get(value)
    return windows is not None and in_windows(f, windows)


def any_dated(f: Facts, values: Iterable[object], items: Mapping[object, Windows]) -> bool:
    """Whether some value is an item in effect now."""
    return any(in_dated(f, value, items) for value in values)


def all_dated(f: Facts, values: Iterable[object], items: Mapping[object, Windows]) -> bool:
    """Whether every value is an item in effect now."""
    return all(in_dated(f, value, items) for value in values)


def covers_dated(f: Facts, values: Iterable[object], items: Mapping[object, Windows]) -> bool:
    """Whether every item in effect now is among `values`."""
    held = set(values)
    return all(item in held for item, windows in items.items() if in_windows(f, windows))


def overlaps(left: Iterable[object], right: Iterable[object]) -> bool:
    """Whether the two lists share an item."""
    return not set(left).isdisjoint(right)


def within(left: Iterable[object], right: Iterable[object]) -> bool:
    """Whether every item of the left list is in the right one; an empty list is."""
    return set(left).issubset(right)


def in_networks(
    f: Facts, address: IPv4Address | IPv6Address, networks: tuple[Network, ...]
) -> bool:
    """Whether the address lies in one of the networks in effect."""
    number = int(address)
    return any(
        version == address.version
        and first <= number <= last
        and (not windows or in_windows(f, windows))
        for version, first, last, windows in networks
    )


def known_indices(
    names: Iterable[str] | None, indices: Mapping[str, frozenset[int]]
) -> frozenset[int] | None:
    """Everything that a list of names of a tree stands for; see `UNDECLARED`."""
    if names is None:
        return None
    found: set[int] = set()
    for name in names:
        found |= indices.get(name, _UNDECLARED_ONLY)
    return frozenset(found)


def name_indices(names: Iterable[str] | None, indices: Mapping[str, int]) -> frozenset[int] | None:
    """The nodes that are named themselves, without what lies below them; see `UNDECLARED`."""
    if names is None:
        return None
    return frozenset(indices.get(name, UNDECLARED) for name in names)


def lies_in(lineage: tuple[int, ...], indices: frozenset[int]) -> bool:
    """Whether a node or an ancestor of it is among `indices`."""
    return not indices.isdisjoint(lineage)


def below(indices: Iterable[int], lineages: tuple[tuple[int, ...], ...]) -> frozenset[int]:
    """The nodes `indices` and everything below them."""
    tops = frozenset(indices)
    return frozenset(i for i, lineage in enumerate(lineages) if not tops.isdisjoint(lineage))


def consented(f: Facts, purposes: frozenset[int], qualities: frozenset[str]) -> Tri:
    """Whether a consent with these qualities to one of other purposes stands; false for none."""
    return max((f.consented(purpose, qualities) for purpose in purposes), default=FALSE)


def is_given(standing: Standing | None) -> bool:
    """Whether the consent asked about stands with nothing wrong; no consent is not given."""
    return standing is not None and not standing.problems


def has_quality(standing: Standing | None, quality: str) -> bool:
    """Whether the consent asked about has a quality; no consent has none."""
    return standing is not None and quality in standing.qualities


def is_joint(standing: Standing | None) -> bool:
    """Whether the person and a guardian both gave the consent asked about."""
    return standing is not None and standing.jointly


def given_at(standing: Standing | None) -> int | None:
    """When the consent was given."""
    return None if standing is None else standing.given_at_us


def expires_at(standing: Standing | None) -> int | None:
    """When the consent ends; absent where it does not."""
    return None if standing is None else standing.expires_at_us


def notice_of(standing: Standing | None) -> str | None:
    """The version of the notice the person saw; absent where none was recorded."""
    return None if standing is None or not standing.notice else standing.notice


def given_by(standing: Standing | None) -> str | None:
    """Who gave the consent."""
    return None if standing is None else standing.by.value


def data_of(standing: Standing | None) -> tuple[str, ...] | None:
    """The names of data that the consent mentions; empty where it mentions none."""
    return None if standing is None else standing.data


def names_data(standing: Standing | None, leaf: DataNode, names: frozenset[str]) -> bool:
    """Whether the consent asked about speaks of the field by one of `names`, which are paths and
    standard categories; no consent, and one that lists no data, names nothing.
    """
    return standing is not None and any(
        name in names
        and (name in leaf.lineage or any(is_within(key, name) for key in leaf.categories))
        for name in standing.data
    )


def recipients_of(standing: Standing | None) -> tuple[str, ...] | None:
    """The recipients that the consent mentions by their id."""
    return None if standing is None else tuple(r.id for r in standing.recipients if r.id)


def right_active(f: Facts, track: str) -> bool:
    """Whether a right is in force."""
    # PERF: most people never used one.
    return f.view.has_rights and f.right(track).is_active


def right_at(f: Facts, track: str) -> int:
    """Since when a right is in force; one that is not lies before every time.

    INVARIANT: never absent. If it were unknown, a forbid would fire until the person objects, and
    an early objection would then permit more (language reference, "Consent polarity").
    """
    state = f.right(track)
    return state.since_us if state.is_active and state.since_us is not None else NEVER_US


_COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def right_compare(op: str, left: int | None, right: int | None) -> Tri:
    """A comparison in which a side is a right's time; unknown where the other side is absent, were
    the right in force or not: a consent that nobody gave is not newer than a right never used.
    """
    if left is None or right is None:
        return UNKNOWN
    return TRUE if _COMPARE[op](left, right) else FALSE


def notice_order(left: str | None, right: str | None) -> int | None:
    """How two versions of a notice stand: part by part, as numbers where both parts are."""
    if left is None or right is None:
        return None
    a, b = _version(left), _version(right)
    return (a > b) - (a < b)


def _version(text: str) -> list[tuple[int, int, str]]:
    parts: list[tuple[int, int, str]] = []
    for part in text.replace("-", ".").replace("_", ".").split("."):
        is_number = part.isascii() and part.isdigit() and len(part) <= 18
        parts.append((0, int(part), "") if is_number else (1, 0, part))
    return parts


NAMESPACE: Final[dict[str, Callable[..., object]]] = {
    "age_compare": age_compare,
    "all_dated": all_dated,
    "any_dated": any_dated,
    "below": below,
    "clock_between": clock_between,
    "consented": consented,
    "covers_dated": covers_dated,
    "data_of": data_of,
    "duration_order": duration_order,
    "elapsed": elapsed,
    "exact_micros": exact_micros,
    "expires_at": expires_at,
    "given_at": given_at,
    "given_by": given_by,
    "has_quality": has_quality,
    "in_dated": in_dated,
    "in_networks": in_networks,
    "is_given": is_given,
    "is_joint": is_joint,
    "known_indices": known_indices,
    "lies_in": lies_in,
    "like_match": like_match,
    "midnight": midnight,
    "name_indices": name_indices,
    "names_data": names_data,
    "notice_of": notice_of,
    "notice_order": notice_order,
    "now_eq": now_eq,
    "now_ge": now_ge,
    "now_gt": now_gt,
    "now_le": now_le,
    "now_lt": now_lt,
    "now_ne": now_ne,
    "overlaps": overlaps,
    "recipients_of": recipients_of,
    "right_active": right_active,
    "right_at": right_at,
    "right_compare": right_compare,
    "shift": shift,
    "shift_date": shift_date,
    "shifted_now": shifted_now,
    "sum_durations": sum_durations,
    "within": within,
}
"""The functions generated code may call, by the name it calls them by."""
