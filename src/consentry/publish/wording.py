"""Words of a publication in one language: the policy set's own texts, and the frame's phrases.

A text that is not translated is told in the language of the policies and noted, so that nobody
takes a half-translated page for a whole one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from consentry.lang.translations import TextKey
from consentry.model.decision import Mask
from consentry.model.program import Party
from consentry.model.values import MICROS_PER_DAY, Duration, datetime_of

OWN_LANGUAGE: Final = "en"
"""The language of policies and packs."""
_MONTHS_A_YEAR: Final = 12


class UnknownLanguageError(Exception):
    """The frame of a publication has no phrases in this language."""


@cache
def languages() -> tuple[str, ...]:
    """Every language that has phrases, sorted."""
    folder = resources.files("consentry.publish") / "phrases"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir()))


@cache
def read_phrases(language: str) -> Mapping[str, str]:
    """The phrases of the frame in one language.

    Raises:
        UnknownLanguageError: there are none.
    """
    if language not in languages():
        raise UnknownLanguageError(language)
    file = resources.files("consentry.publish") / "phrases" / f"{language}.toml"
    return MappingProxyType(tomllib.loads(file.read_text(encoding="utf-8")))


class Wording:
    """Texts and phrases in one language; used for one publication, then thrown away."""

    def __init__(
        self,
        language: str,
        own: Mapping[TextKey, str],
        translated: Mapping[TextKey, str],
    ) -> None:
        """`own` are the texts that the policies declare, `translated` those in `language`.

        Raises:
            UnknownLanguageError: the frame has no phrases in it.
        """
        self.language: Final = language
        self._phrases: Final = read_phrases(language)
        self._own: Final = own
        self._translated: Final = translated if language != OWN_LANGUAGE else {}
        self._missing: dict[TextKey, None] = {}

    @property
    def missing(self) -> tuple[TextKey, ...]:
        """What was asked for and is not translated, in the order in which it was asked for."""
        return tuple(self._missing)

    def phrase(self, key: str, **values: object) -> str:
        """A phrase of the frame with its values."""
        return self._phrases[key].format(**values)

    def text(self, kind: str, name: str, fallback: str = "") -> str:
        """The text of one thing: translated, else as declared, else `fallback`, else its name."""
        key = (kind, name)
        found = self._translated.get(key)
        if found is not None:
            return found
        own = self._own.get(key) or fallback
        if own and self.language != OWN_LANGUAGE:
            self._missing.setdefault(key)
        return own or name

    def duration(self, length: Duration | None) -> str:
        """A length of time; that of the purpose where there is none."""
        if length is None:
            return self.phrase("no_limit")
        if length.months:
            years, months = divmod(length.months, _MONTHS_A_YEAR)
            if months == 0:
                return self._counted("year", years)
            return self._counted("month", length.months)
        return self._counted("day", max(1, length.micros // MICROS_PER_DAY))

    def _counted(self, unit: str, number: int) -> str:
        return self.phrase(unit) if number == 1 else self.phrase(f"{unit}s", n=number)

    def basis(self, basis: str | None) -> str:
        """A lawful basis in plain words; one that only a pack of the house knows, by its name."""
        if basis is None:
            return self.phrase("none")
        return self._phrases.get(f"basis_{basis}", basis.replace("_", " "))

    def mask(self, mask: Mask) -> str:
        """What is left of a masked field."""
        return self.phrase(f"mask_{mask.function}", n=mask.argument)

    def party(self, party: Party) -> str:
        """Somebody who works with data or receives it."""
        if party.kind == "anyone":
            return self.phrase("party_anyone")
        if not party.name:
            return self.phrase(f"party_any_{party.kind}")
        return self.phrase(f"party_{party.kind}", name=party.name)

    def recipient(self, party: Party) -> str:
        """Somebody to whom data is given."""
        if party.kind == "role" and party.name:
            return self.phrase("recipient_role", name=party.name)
        return self.party(party)

    def day(self, micros: int) -> str:
        """A date, as ISO 8601 writes it: the same in every language."""
        return datetime_of(micros).date().isoformat()
