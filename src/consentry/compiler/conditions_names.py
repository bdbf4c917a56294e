"""What a name in a condition stands for: its type, and how generated code reads it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from consentry.compiler.conditions_ir import (
    FACTS,
    Attribute,
    Clock,
    Constant,
    Fact,
    Operand,
    Operator,
    Px,
    Sense,
    Touch,
)
from consentry.compiler.conditions_problems import Problems
from consentry.compiler.symbols import SetSymbol, Symbols
from consentry.diagnostics.span import Span
from consentry.model.consent import WIDENING_TRACKS, Author, Track
from consentry.model.program import Owner
from consentry.model.trees import is_within
from consentry.model.vocabulary import PRINCIPAL_KINDS


class ConditionRole(StrEnum):
    """Where a condition stands, which decides what its being true may do."""

    PERMIT = "permit"
    FORBID = "forbid"
    MASK = "mask"
    OBLIGE = "oblige"
    EXCEPTION = "exception"
    GOVERNS = "governs"
    NEVER = "never"


STANDING: Final = Fact("standing")
WORD_TYPES: Final = frozenset({"action", "channel", "basis", "purpose", "data", "kind", "author"})
"""Types whose values are words of the vocabulary, written without quotes."""
TYPE_TEXTS: Final = {
    "action": "an action",
    "channel": "a channel",
    "basis": "a lawful basis",
    "purpose": "a purpose",
    "data": "a data field",
    "kind": "a kind of principal",
    "author": "who gave a consent",
    "notice": "a version of a notice",
    "text": "text",
    "number": "a number",
    "flag": "a flag",
    "date": "a date",
    "time": "a time",
    "duration": "a length of time",
    "months": "a length in calendar months",
    "exact": "an exact length of time",
    "age": "an age",
    "clock": "a time of day",
    "ip": "an ip address",
    "purposes": "a list of purposes",
    "leaves": "a list of data fields",
}
LIST_OF_PURPOSE: Final = "list of purpose"
_OWNERS: Final = frozenset(owner.value for owner in Owner)
_GOVERNS_OWNERS: Final = frozenset({"subject", "controller", "now"})

# Name: type, how it is read, whether it can be absent.
_PLAIN: Final[dict[str, tuple[str, Px, bool]]] = {
    "principal.id": ("text", Fact("principal_id"), False),
    "principal.type": ("kind", Fact("principal_kind"), False),
    "principal.roles": ("list of text", Fact("principal_roles"), True),
    "principal.controller": ("text", Fact("principal_controller"), True),
    "subject.id": ("text", Fact("subject_id"), False),
    "controller.name": ("text", Attribute("controller", "name"), True),
    "controller.country": ("text", Attribute("controller", "country"), True),
    "recipient.id": ("text", Fact("recipient_id"), True),
    "recipient.roles": ("list of text", Fact("recipient_roles"), True),
    "recipient.country": ("text", Fact("recipient_country"), True),
    "resource.id": ("text", Fact("resource_id"), True),
    "resource.collected_at": ("time", Fact("collected_at_us"), True),
    "resource.collected_on": ("basis", Fact("collected_on"), True),
    "signal.gpc": ("flag", Attribute("signal", "gpc"), True),
    "action": ("action", Fact("action"), False),
    "channel": ("channel", Fact("channel"), True),
    "basis": ("basis", Fact("basis"), True),
    "purpose": ("purpose", Fact("purpose", "index"), False),
    "data": ("data", Fact("leaf", "index"), False),
    "purpose.notice": ("notice", Fact("purpose", "notice"), True),
    "purpose.keep": ("duration", Fact("purpose", "keep"), True),
    "purpose.reuses": ("purposes", Fact("purpose", "reuses"), False),
}
_CONSENT: Final[dict[str, tuple[str, Px, bool, Touch, Sense]]] = {
    "given": ("flag", Operator("is_given", (STANDING,)), False, Touch.CONSENT, Sense.FREE),
    "given_at": ("time", Operator("given_at", (STANDING,)), True, Touch.CONSENT, Sense.FREE),
    "expires_at": ("time", Operator("expires_at", (STANDING,)), True, Touch.CONSENT, Sense.FREE),
    "notice": ("notice", Operator("notice_of", (STANDING,)), True, Touch.CONSENT, Sense.FREE),
    "by": ("author", Operator("given_by", (STANDING,)), True, Touch.CONSENT, Sense.FREE),
    "recipient": (
        "list of text",
        Operator("recipients_of", (STANDING,)),
        True,
        Touch.CONSENT,
        Sense.FREE,
    ),
    "jointly": ("flag", Operator("is_joint", (STANDING,)), False, Touch.JOINT, Sense.WIDENS),
    "said_no": ("flag", Fact("state", "said_no"), False, Touch.SAID_NO, Sense.NARROWS),
}


def type_text(type_name: str) -> str:
    """The type in plain words."""
    return TYPE_TEXTS.get(type_name, f"a {type_name}")


class Names:
    """Resolves names for one condition and remembers which attributes it reads."""

    def __init__(
        self, symbols: Symbols, problems: Problems, regime: str, role: ConditionRole
    ) -> None:
        self.symbols = symbols
        self.regime = regime
        self._problems = problems
        self._role = role
        self.reads: dict[str, None] = {}
        self.optional_uses: dict[str, Span] = {}

    def find_type(self, name: str) -> str | None:
        """The type of a name that stands for a value; None if it does not. Reports nothing."""
        if name in _PLAIN:
            return _PLAIN[name][0]
        owner, _, rest = name.partition(".")
        if (spec := self.symbols.attributes.get((owner, rest))) is not None:
            return "purposes" if spec.type == LIST_OF_PURPOSE else spec.type
        if owner == "consent" and rest in _CONSENT:
            return _CONSENT[rest][0]
        return {"resource.collected_for": "purposes", "consent.data": "leaves"}.get(name)

    def find_set(self, name: str) -> SetSymbol | None:
        """The set of this name: the regime's own, else the house's."""
        sets = self.symbols.sets
        return sets.get((self.regime, name)) or sets.get(("", name))

    def operand(self, name: str, span: Span, *, is_asked_for: bool = False) -> Operand | None:
        """The value a name stands for, or None with a diagnostic.

        `is_asked_for` says that only its presence matters.
        """
        owner, _, rest = name.partition(".")
        if self._role is ConditionRole.GOVERNS and not self._may_govern(owner, name, span):
            return None
        if name == "now":
            return Operand(type="time", px=Fact("now_us"), span=span, clock=Clock())
        if owner == "consent" and rest:
            return self._consent(rest, name, span)
        if owner == "rights" and rest:
            return self._right(rest, name, span)
        if (spec := self.symbols.attributes.get((owner, rest))) is not None:
            self.reads.setdefault(name)
            is_absent = spec.is_optional and spec.default is None
            if is_absent and not is_asked_for:
                self.optional_uses.setdefault(name, span)
            if spec.type == LIST_OF_PURPOSE:
                px = self._purposes_in(Attribute(owner, rest))
                return Operand(type="purposes", px=px, span=span, can_be_absent=True)
            px = Attribute(owner, rest)
            # Attributes with a default or that must be sent are bound before conditions run; the
            # check for absence stays, because a wrong guess here would permit.
            return Operand(type=spec.type, px=px, span=span, can_be_absent=True)
        return self._built_in(name, span)

    def _may_govern(self, owner: str, name: str, span: Span) -> bool:
        if owner in ("consent", "rights"):
            self._problems.error(
                "C452",
                "`governs` must not depend on consent or rights",
                span,
                f"`{name}` is what the law judges, not what makes it apply",
                "put this into a `when` of the regime's own rules",
            )
            return False
        is_name = owner in _OWNERS or name in _PLAIN
        if is_name and owner not in _GOVERNS_OWNERS:
            self._problems.error(
                "T323",
                f"`governs` cannot read `{name}`",
                span,
                "only `subject`, `controller` and `now`",
            )
            return False
        return True

    def _built_in(self, name: str, span: Span) -> Operand | None:
        if name == "resource.collected_for":
            self.reads.setdefault(name)
            px = self._purposes_in(Fact("collected_for"))
            return Operand(type="purposes", px=px, span=span, can_be_absent=True)
        found = _PLAIN.get(name)
        if found is None:
            self._unknown(name, span)
            return None
        if name.partition(".")[0] in _OWNERS:
            self.reads.setdefault(name)
        return Operand(type=found[0], px=found[1], span=span, can_be_absent=found[2])

    def _consent(self, rest: str, name: str, span: Span) -> Operand | None:
        if rest == "data":
            table = {key: self._leaves(key) for key in self.symbols.data_names}
            table |= {key: self._leaves(key) for key in self.symbols.categories}
            px = Operator(
                "known_indices",
                (Operator("data_of", (STANDING,)), Constant("data names", "all", table)),
            )
            return Operand(type="leaves", px=px, span=span, can_be_absent=True, touch=Touch.CONSENT)
        if rest not in _CONSENT:
            names = [f"consent.{key}" for key in (*_CONSENT, "data")]
            self._problems.unknown("T300", "name", name, span, names)
            return None
        type_name, read, is_absent, touch, sense = _CONSENT[rest]
        return Operand(
            type=type_name, px=read, span=span, can_be_absent=is_absent, touch=touch, sense=sense
        )

    def _purposes_in(self, px: Px) -> Px:
        table = dict(self.symbols.purpose_names)
        return Operator("name_indices", (px, Constant("purpose names", "all", table)))

    def _leaves(self, key: str) -> frozenset[int]:
        return self.symbols.leaves_of(key) or frozenset()

    def _right(self, rest: str, name: str, span: Span) -> Operand | None:
        track = rest.removesuffix("_at")
        if track not in frozenset(Track):
            names = [f"rights.{t.value}" for t in Track] + [f"rights.{t.value}_at" for t in Track]
            self._problems.unknown("T300", "name", name, span, names)
            return None
        is_time = rest.endswith("_at")
        px = Operator("right_at" if is_time else "right_active", (FACTS, Constant("text", track)))
        sense = Sense.WIDENS if Track(track) in WIDENING_TRACKS else Sense.NARROWS
        return Operand(
            type="time" if is_time else "flag", px=px, span=span, touch=Touch.RIGHT, sense=sense
        )

    def _unknown(self, name: str, span: Span) -> None:
        if name in self.symbols.poisoned or name.partition(".")[2] in self.symbols.poisoned:
            return
        owner = name.partition(".")[0]
        if owner in _OWNERS:
            known = [f"{o}.{n}" for o, n in self.symbols.attributes] + [*_PLAIN]
            # One that is declared wrongly is still what its users mean.
            known += self.symbols.poisoned
            same = [key for key in known if key.startswith(owner + ".")]
            self._problems.unknown("T301", "attribute", name, span, same)
            return
        roots = [*_PLAIN, "now", "resource.collected_for"]
        roots += [f"consent.{key}" for key in _CONSENT] + [f"rights.{t.value}" for t in Track]
        roots += [n for r, n in self.symbols.sets if r in ("", self.regime)]
        roots += ["otherwise"] if self._role is ConditionRole.GOVERNS else []
        roots += [f"{o}.{n}" for o, n in self.symbols.attributes]
        self._problems.unknown("T300", "name", name, span, roots)

    def tell_unknown(self, name: str, span: Span) -> None:
        """A diagnostic for a name that would be nothing wherever it stood."""
        symbols = self.symbols
        owner, _, rest = name.partition(".")
        if rest and owner in {*_OWNERS, "consent", "rights"}:
            if self._role is not ConditionRole.GOVERNS:
                self.operand(name, span)
            return
        words = {
            *(
                word
                for kind in ("action", "channel", "basis", "kind", "author")
                for word in self._words(kind)
            ),
            *symbols.purpose_names,
            *symbols.uses,
            *symbols.data_names,
            *symbols.categories,
            *symbols.tags,
            *symbols.qualities,
            *(set_name for _, set_name in symbols.sets),
            *_PLAIN,
            "now",
            "consent",
            "otherwise",
        }
        if name not in words | symbols.poisoned:
            self._problems.unknown("T300", "name", name, span, words)

    def word(self, name: str, type_name: str, span: Span) -> Operand | None:
        """A word of the vocabulary as a value of `type_name`, or None with a diagnostic."""
        symbols = self.symbols
        value: str | int | None = name
        known: tuple[str, ...]
        if type_name == "purpose":
            known, value = tuple(symbols.purpose_names), symbols.purpose_names.get(name)
        elif type_name == "data":
            known, value = tuple(symbols.data_names), symbols.data_names.get(name)
            if value is not None and not symbols.data[value].is_leaf:
                self._problems.error(
                    "T303",
                    f"`{name}` is not a single field",
                    span,
                    "a node with fields below it equals none of them",
                    f"write `data is {name}`",
                )
                return None
        else:
            known = self._words(type_name)
        if value is None or name not in known:
            if name not in symbols.poisoned:
                what = type_text(type_name).split(" ", 1)[-1]
                self._problems.unknown("T300", what, name, span, known)
            return None
        return Operand(type=type_name, px=Constant(type_name, value), span=span, constant=value)

    def data_names_within(self, name: str, span: Span) -> frozenset[str] | None:
        """Every name of data that is `name` itself or a part of it, or None with a diagnostic.

        A node whose fields happen all to be parts of it is none: it must be called so itself, by
        its path, its standard category or its tag.
        """
        leaves = self.members(name, "data", span)
        if leaves is None:
            return None
        symbols = self.symbols
        declared = self.find_set(name)
        called = [str(item.value) for item in declared.items] if declared else [name]
        keys = {key for key in symbols.categories if any(is_within(key, one) for one in called)}
        found = set(keys)
        for node in symbols.data:
            is_called_so = (
                node.is_leaf
                or not keys.isdisjoint(node.categories)
                or not node.tags.isdisjoint(called)
                or self._lies_within(node.path, called)
            )
            if is_called_so and leaves.issuperset(node.leaves):
                found.add(node.path)
        return frozenset(found)

    def _lies_within(self, path: str, called: Sequence[str]) -> bool:
        is_pack = self.regime in self.symbols.pack_regimes
        return not is_pack and any(is_within(path, one) for one in called)

    def _words(self, type_name: str) -> tuple[str, ...]:
        symbols = self.symbols
        match type_name:
            case "action":
                return tuple(symbols.actions)
            case "channel":
                return tuple(symbols.channels)
            case "basis":
                return tuple(sorted(symbols.bases))
            case "kind":
                return tuple(sorted(PRINCIPAL_KINDS))
            case _:
                return tuple(author.value for author in Author)

    def members(self, name: str, type_name: str, span: Span) -> frozenset[object] | None:
        """Every value of `type_name` that a name covers: a tree's branch, a tag's bearers, a word,
        or what the names in a set cover.

        None with a diagnostic where nothing has that name.
        """
        symbols = self.symbols
        if (declared := self.find_set(name)) is not None and declared.type == "name":
            parts = [self.members(str(item.value), type_name, span) for item in declared.items]
            good = [part for part in parts if part is not None]
            return frozenset().union(*good) if len(good) == len(parts) else None
        if type_name in ("purpose", "purposes"):
            found: frozenset[object] | None = symbols.purposes_of(name, self.regime)
            known = (*symbols.purpose_names, *symbols.uses, *symbols.tags)
            what = "purpose or tag"
        elif type_name in ("data", "leaves"):
            found = symbols.leaves_of(name, self.regime)
            known = (*symbols.data_names, *symbols.categories, *symbols.tags)
            what = "data or tag"
        else:
            words = symbols.actions if type_name == "action" else symbols.channels
            known = (*words, *symbols.tags)
            what = f"{type_name} or tag"
            if name in words:
                found = frozenset({name})
            elif name in symbols.tags:
                found = frozenset(w for w, tags in words.items() if name in tags)
            else:
                found = None
        if found is None and name not in symbols.poisoned:
            self._problems.unknown("T300", what, name, span, known)
        return found
