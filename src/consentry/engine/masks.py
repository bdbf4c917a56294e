"""What a permitted field and its user must bear: the union of masks and of obligations."""

from __future__ import annotations

from collections.abc import Iterable

from consentry.model.decision import REDACT, Mask, Obligation


def stricter(one: Mask | None, other: Mask | None) -> Mask | None:
    """Both masks as one: two different masks on one field make `redact`."""
    if one is None or one == other:
        return other
    if other is None:
        return one
    return REDACT


def union(obligations: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """Each obligation once, by name, in the order in which they were first met."""
    first: dict[str, Obligation] = {}
    for obligation in obligations:
        first.setdefault(obligation.name, obligation)
    return tuple(first.values())
