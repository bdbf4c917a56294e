"""Whether the names that an event uses exist in a policy set.

A withdrawal from a misspelt purpose would change nothing, and nobody would know: so every name is
looked up, whatever the kind of event.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Final

from consentry.consent.validate import ScopeName, scope_names
from consentry.model.consent import ConsentEvent
from consentry.model.program import Program
from consentry.model.trees import is_within


class KnownNames:
    """The names of one policy set; made once for it."""

    def __init__(self, program: Program) -> None:
        self.program: Final = program
        uses = {use for node in program.purposes for use in node.uses}
        categories = {key for node in program.data for key in node.categories}
        tags = set(program.tags) | {t for node in program.purposes for t in node.tags}
        standard = program.standard_names
        self._knows: Final[dict[str, Callable[[str], bool]]] = {
            "purpose": lambda name: name in program.purpose_names or _is_key(name, uses, standard),
            "tag": tags.__contains__,
            "data": lambda name: name in program.data_names or _is_key(name, categories, standard),
            "channel": program.channels.__contains__,
            "regime": {regime.name for regime in program.regimes}.__contains__,
        }

    def unknown_in(self, event: ConsentEvent) -> list[ScopeName]:
        """What the event names and the set does not have."""
        return [entry for entry in scope_names(event) if not self._knows[entry.kind](entry.name)]


def _is_key(name: str, keys: Iterable[str], standard: Container[str]) -> bool:
    """Whether a standard key is one of `keys`, or stands above or below one of them.

    Below them it must be a key that there is: else it is a slip, such as `marketing.emial`.
    """
    return any(is_within(key, name) or (name in standard and is_within(name, key)) for key in keys)
