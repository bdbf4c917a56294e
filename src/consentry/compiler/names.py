"""The names of a policy set while they are being collected; frozen into `Symbols` at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from consentry.compiler.report import Report
from consentry.compiler.symbols import SetSymbol, Symbols
from consentry.diagnostics.span import Span
from consentry.lang.tree import Head, Name
from consentry.model.program import AttributeSpec
from consentry.model.trees import DataNode, PurposeNode

QUALITY_TAG: Final = "quality"
"""A tag that carries this tag is a quality of consent: `consent is explicit`."""


@dataclass(slots=True)
class Names:
    """What has been declared so far, first declaration first.

    `declared_at` maps `kind name` (`purpose marketing.email`) to the name's place.
    """

    report: Report
    tags: dict[str, str] = field(default_factory=dict)
    qualities: dict[str, str] = field(default_factory=dict)
    actions: dict[str, frozenset[str]] = field(default_factory=dict)
    channels: dict[str, frozenset[str]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    categories: dict[str, frozenset[str]] = field(default_factory=dict)
    uses: dict[str, frozenset[str]] = field(default_factory=dict)
    data: list[DataNode] = field(default_factory=list)
    purposes: list[PurposeNode] = field(default_factory=list)
    attributes: dict[tuple[str, str], AttributeSpec] = field(default_factory=dict)
    sets: dict[tuple[str, str], SetSymbol] = field(default_factory=dict)
    regimes: list[str] = field(default_factory=list)
    pack_regimes: set[str] = field(default_factory=set)
    bases: set[str] = field(default_factory=set)
    declared_at: dict[str, Span] = field(default_factory=dict)
    poisoned: set[str] = field(default_factory=set)

    def declare(self, kind: str, name: Name, full_name: str | None = None) -> bool:
        """Whether this is the first declaration of the name; a second one is an error."""
        text = full_name or name.text
        key = f"{kind} {text}"
        if (first := self.declared_at.get(key)) is None:
            self.declared_at[key] = name.span
            return True
        what = kind.split(" of ", maxsplit=1)[0]
        self.report.error(
            "R230",
            f"{what} `{text}` is declared twice",
            name.span,
            label="declared again here",
            related=((first, "first declared here"),),
        )
        return False

    def places_of(self, kind: str) -> Mapping[str, Span]:
        """Where the names of one kind are declared."""
        start = kind + " "
        return {k[len(start) :]: s for k, s in self.declared_at.items() if k.startswith(start)}

    def tags_of(self, head: Head) -> frozenset[str]:
        """The known tags of a head; unknown ones are errors."""
        known: set[str] = set()
        for tag in head.tags:
            if tag.text in self.tags:
                known.add(tag.text)
            else:
                self.report.unknown("R207", "tag", tag, self.tags, places=self.places_of("tag"))
        return frozenset(known)

    def keys_of(
        self, head: Head, known: Mapping[str, frozenset[str]], what: str
    ) -> tuple[str, ...]:
        """The known standard keys of a head's `as`; unknown ones are errors."""
        keys: list[str] = []
        for key in head.standard:
            if key.text in known:
                keys.append(key.text)
            else:
                self.report.unknown("R214", what, key, known)
        return tuple(keys)

    def build_symbols(self) -> Symbols:
        """The frozen table of all that is declared."""
        return Symbols(
            purposes=tuple(self.purposes),
            purpose_names={p.path: p.index for p in self.purposes},
            data=tuple(self.data),
            data_names={n.path: n.index for n in self.data},
            attributes=dict(self.attributes),
            sets=dict(self.sets),
            tags=dict(self.tags),
            actions=dict(self.actions),
            channels=dict(self.channels),
            reasons=dict(self.reasons),
            categories=dict(self.categories),
            uses=dict(self.uses),
            regimes=tuple(self.regimes),
            pack_regimes=frozenset(self.pack_regimes),
            bases=frozenset(self.bases),
            qualities=frozenset(self.qualities),
            declared_at=dict(self.declared_at),
            poisoned=frozenset(self.poisoned),
        )


def check_head(
    report: Report,
    what: str,
    head: Head,
    *,
    text: bool = True,
    tags: bool = False,
    standard: int = 0,
) -> None:
    """Report parts of a head that make no sense on `what` (such as "a `tag`").

    `standard` is how many keys `as` may name.
    """
    if head.text is not None and not text:
        report.error(
            "R243", f"{what} takes no text", head.text.span, label="this says nothing here"
        )
    if head.tags and not tags:
        report.error(
            "R243", f"{what} takes no tags", head.tags[0].span, label="`is` has no meaning here"
        )
    if len(head.standard) > standard:
        limit = "takes no `as`" if standard == 0 else "takes only one name after `as`"
        report.error(
            "R243",
            f"{what} {limit}",
            head.standard[standard].span,
            label="one too many" if standard else "`as` has no meaning here",
        )
