"""The compiled program: tables and marshalled code, as plain data.

`compiler` writes it, `engine` links it, and the two never meet. A program is picklable, so a child
process can compile and send it back.

**Conditions.** `code` is a marshalled code object (`marshal.dumps`). Executed once in a namespace,
it defines functions `c0`, `c1`, …; an `int` in a field typed `ConditionRef` is such a number. Each
takes a `Facts` (model/facts.py) and returns a `Tri`. The namespace holds what
`model.operators.NAMESPACE` lists and `K`, the program's `constants`. No text of an author's ever
becomes source: names and literals are bound as constants of the tree the code was built from.

A condition that reads consent or rights comes in four forms, see `Condition`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from consentry.model.decision import Mask
from consentry.model.trees import DataNode, PurposeNode
from consentry.model.values import Duration, Value

ConditionRef: TypeAlias = int

HOUSE = 0
"""Index of the house in `Program.regimes`: the author's own rules."""


class RuleKind(StrEnum):
    """What a rule does."""

    PERMIT = "permit"
    FORBID = "forbid"
    MASK = "mask"
    OBLIGE = "oblige"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A compiled condition and its variants; `when`s and `unless`es of one rule are one condition.

    `code` is the condition itself. Where it reads `consent.*`, `consented(…)` or `rights.*`:
    `if_consented` takes every atom that reads consent as it would be with a flawless consent;
    `at_best` takes atoms of consent and rights the way that permits most, `at_worst` the way that
    permits least. Elsewhere all four are equal. `reads` are the attributes it reads
    (`subject.country`), in order of appearance. `text` is the condition as it was written, for
    people.
    """

    code: ConditionRef
    if_consented: ConditionRef
    at_best: ConditionRef
    at_worst: ConditionRef
    reads: tuple[str, ...] = ()
    reads_consent: bool = False
    reads_rights: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """One entry of `who` or `to`: a kind word and a name.

    Kinds: `anyone` (no name), `role`, `controller`, `country` (recipients), `recipient` (by id), or
    a kind of principal (`service`, `person`, `agent`, `job`; with an empty name: any of that kind).
    """

    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. A clause that is None matches anything.

    `index` is its place in `Program.rules`; house rules come first, files by name, then by place in
    the file. `reason` is the code it gives (its `as`, else its own name). `data`, `purposes` are
    indices of leaves and of purposes. `lifted_by` are conditions of exceptions: where one whose
    clauses all hold is true, this forbid does not apply (`exceptions` of the program).
    """

    index: int
    name: str
    kind: RuleKind
    regime: int
    reason: str
    text: str = ""
    cite: str = ""
    file: str = ""
    line: int = 0
    who: tuple[Party, ...] | None = None
    actions: frozenset[str] | None = None
    data: frozenset[int] | None = None
    purposes: frozenset[int] | None = None
    channels: frozenset[str] | None = None
    recipients: tuple[Party, ...] | None = None
    bases: frozenset[str] | None = None
    condition: Condition | None = None
    from_us: int | None = None
    until_us: int | None = None
    on: frozenset[str] | None = None
    mask: Mask | None = None
    keep: Duration | None = None
    lifted_by: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """A law, or the house (index 0, empty name, no `governs`).

    `governs` None means always. `is_fallback` is `governs otherwise`. `bases` are those its permits
    name; None when a permit names none, so that any basis may do. `has_permits` false means that
    it only forbids.
    """

    index: int
    name: str
    text: str = ""
    version: str = ""
    governs: Condition | None = None
    is_fallback: bool = False
    from_us: int | None = None
    until_us: int | None = None
    has_permits: bool = False
    bases: frozenset[str] | None = None


class Owner(StrEnum):
    """Whose attribute it is."""

    PRINCIPAL = "principal"
    SUBJECT = "subject"
    CONTROLLER = "controller"
    RECIPIENT = "recipient"
    RESOURCE = "resource"
    CONTEXT = "context"
    SIGNAL = "signal"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSpec:
    """A declared attribute. `type` is a type of the language (`list of text` included)."""

    owner: Owner
    name: str
    type: str
    is_optional: bool = False
    default: Value | None = None

    @property
    def path(self) -> str:
        """The name in conditions, such as `subject.country`."""
        return f"{self.owner.value}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mission:
    """Who the controller is and what it promises, for the statement."""

    text: str = ""
    controller: str = ""
    country: str = ""
    contact: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A whole policy set, compiled.

    `digest` is the SHA-256 (hex) over the names and bytes of all files and packs; the compiler's
    version stands beside it, so that a stored policy set can be compiled again and replayed.
    `purpose_names` and `data_names` map every name a request may use to indices: paths of the tree.
    `actions` maps each action to its tags (`contacting`: reaches the person over a channel;
    `disclosure`: gives data to a recipient). `reasons` lists all codes in their one order.
    `exceptions` are the clauses of `exception` declarations, in `Rule` shape, told apart by
    `lifted_by` of the rule they lift. `promises` are the `never` declarations, in the shape of a
    forbid of the house: nobody evaluates them with a request; they are proven ahead of time and
    printed in the statement. `standard_names` are all keys of the vocabularies that are used, of
    uses and of categories. `obligation_texts` maps obligation names to their sentences.
    `formulas` are the conditions as the compiler read them, packed: no check reads them, plans do.
    """

    digest: str
    compiler_version: str
    purposes: tuple[PurposeNode, ...]
    data: tuple[DataNode, ...]
    purpose_names: Mapping[str, int]
    data_names: Mapping[str, int]
    actions: Mapping[str, frozenset[str]]
    channels: Mapping[str, frozenset[str]]
    attributes: tuple[AttributeSpec, ...]
    reasons: tuple[str, ...]
    reason_texts: Mapping[str, str] = field(default_factory=dict)
    obligation_texts: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    standard_names: frozenset[str] = frozenset()
    regimes: tuple[Regime, ...]
    rules: tuple[Rule, ...]
    exceptions: tuple[Rule, ...] = ()
    promises: tuple[Rule, ...] = ()
    mission: Mission | None = None
    code: bytes
    constants: tuple[object, ...] = ()
    formulas: bytes = b""
    file_names: tuple[str, ...] = ()
