"""Which conditions a use settles: those that read nothing of the person, the record or the moment.

Told from the names that a compiled condition loads. In doubt it is not settled: a function that is
not known, one that is given all the facts, and any name that is also that of a changing fact.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from types import CodeType, FunctionType
from typing import Final

from consentry.engine.linked_rule import Test
from consentry.model.consent import ConsentQuery, ConsentState, ConsentView, RightState, Track
from consentry.model.facts import Facts
from consentry.model.operators import NAMESPACE

_OF_USE: Final = frozenset(
    {
        "action", "basis", "channel", "controller", "leaf", "principal", "principal_controller",
        "principal_id", "principal_kind", "principal_roles", "purpose", "recipient",
        "recipient_country", "recipient_id", "recipient_roles",
    }
)  # fmt: skip
_CHANGING: Final = frozenset(Facts.__slots__) - _OF_USE | {"changes_at", "right"}
"""Everything of `Facts` that is not the same in every question of one use and leaf."""
_ALL_FACTS: Final = "f"
"""The parameter by which an operator is given them."""


def is_settled(
    test: Test, functions: Mapping[str, Test], *, by_rights: frozenset[str] = frozenset()
) -> bool:
    """Whether a use, a leaf and a basis settle what `test` gives.

    `by_rights` are operators that are settled, too, where no right was ever used.
    """
    waiting, seen = [test], set[str]()
    while waiting:
        function = waiting.pop()
        if not isinstance(function, FunctionType):
            return False
        code = function.__code__
        names = frozenset(code.co_names) - by_rights
        if names & _CHANGING or any(isinstance(one, CodeType) for one in code.co_consts):
            return False
        for name in names - seen:
            seen.add(name)
            if name in NAMESPACE:
                if not _is_apart(NAMESPACE[name]):
                    return False
            elif name in functions and name[:1] == "c" and name[1:].isdigit():
                waiting.append(functions[name])
    return True


def _is_apart(operator: object) -> bool:
    """Whether an operator sees only what it is handed, one by one."""
    if not isinstance(operator, FunctionType):
        return False
    code = operator.__code__
    return _ALL_FACTS not in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


class _WithoutRights:
    """The view of a person who never used a right, as far as `by_rights` asks."""

    __slots__ = ()

    is_available: Final = True
    has_rights: Final = False
    revision: Final = 0
    position: Final = 0
    read_at_us: Final = 0

    def find_consent(self, key: Hashable, now_us: int) -> ConsentState | None:  # noqa: ARG002 (as below)
        return None

    def consent(self, query: ConsentQuery) -> ConsentState:  # noqa: ARG002 (the port's shape)
        return ConsentState()

    def right(self, track: Track, query: ConsentQuery) -> RightState:  # noqa: ARG002 (as above)
        return RightState()


WITHOUT_RIGHTS: Final[ConsentView] = _WithoutRights()
