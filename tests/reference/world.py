"""Names of a policy set, found by walking the trees of its files: nothing is compiled.

Part of the reference interpreter: written for clarity only, and of nothing but the language's tree
and plain values, so that what it agrees on with the engine was understood twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from consentry.lang.tree import (
    AttributeDecl,
    Attributes,
    Clause,
    ClauseWord,
    DataDecl,
    DurationRef,
    Expr,
    ListItem,
    Literal,
    Module,
    Name,
    PurposeDecl,
    RegimeDecl,
    RuleDecl,
    SetDecl,
    Text,
    WordDecl,
)
from consentry.model.values import Duration


def within(key: str, above: str) -> bool:
    return key == above or key.startswith(above + ".")


@dataclass
class Field:
    """A node of the data tree."""

    path: str
    parent: Field | None
    tags: set[str]
    categories: tuple[str, ...]
    children: list[Field] = field(default_factory=list)

    def lineage(self) -> list[str]:
        return [self.path, *(self.parent.lineage() if self.parent else [])]

    def leaves(self) -> list[Field]:
        if not self.children:
            return [self]
        return [leaf for child in self.children for leaf in child.leaves()]


@dataclass
class Purpose:
    """A node of the tree of purposes, with what it inherits."""

    path: str
    parent: Purpose | None
    tags: set[str]
    uses: tuple[str, ...]
    basis: str | None
    basis_under: dict[str, str]
    keep: Duration | None
    lasts: Duration | None
    notice: str | None
    material_since: str | None
    reuses: tuple[str, ...] = ()

    def lineage(self) -> list[str]:
        return [self.path, *(self.parent.lineage() if self.parent else [])]

    def basis_for(self, regime: str) -> str | None:
        return self.basis_under.get(regime, self.basis)


@dataclass
class World:
    """Everything that a policy set declares."""

    house: Sequence[Module]
    packs: Sequence[Module]
    tags: set[str] = field(default_factory=set)
    qualities: set[str] = field(default_factory=set)
    actions: dict[str, set[str]] = field(default_factory=dict)
    channels: dict[str, set[str]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    categories: dict[str, set[str]] = field(default_factory=dict)
    uses: dict[str, set[str]] = field(default_factory=dict)
    fields: dict[str, Field] = field(default_factory=dict)
    purposes: dict[str, Purpose] = field(default_factory=dict)
    attributes: dict[str, AttributeDecl] = field(default_factory=dict)
    sets: dict[tuple[str, str], SetDecl] = field(default_factory=dict)
    regimes: list[RegimeDecl] = field(default_factory=list)
    pack_regimes: set[str] = field(default_factory=set)

    def house_rules(self) -> Iterator[RuleDecl]:
        for module in self.house:
            for declared in module.declarations:
                if isinstance(declared, RuleDecl):
                    yield declared

    def fields_named(self, name: str, regime: str) -> set[str]:
        """Paths of the fields (leaves) that a name in a rule stands for."""
        if name in self.fields and regime not in self.pack_regimes:
            return {leaf.path for leaf in self.fields[name].leaves()}
        leaves = [node for node in self.fields.values() if not node.children]
        if name in self.categories:
            return {n.path for n in leaves if any(within(key, name) for key in n.categories)}
        if name in self.tags:
            return {node.path for node in leaves if name in node.tags}
        return set().union(
            *(self.fields_named(item, regime) for item in self.names_in(name, regime))
        )

    def purposes_named(self, name: str, regime: str) -> set[str]:
        """Paths of the purposes that a name in a rule stands for."""
        every = self.purposes.values()
        if name in self.purposes and regime not in self.pack_regimes:
            return {purpose.path for purpose in every if within(purpose.path, name)}
        if name in self.uses:
            return {p.path for p in every if any(within(key, name) for key in p.uses)}
        if name in self.tags:
            return {purpose.path for purpose in every if name in purpose.tags}
        return set().union(
            *(self.purposes_named(item, regime) for item in self.names_in(name, regime))
        )

    def agreed_to(self, name: str, regime: str) -> list[Purpose]:
        """What `consented(NAME)` asks about: a path, or in a pack the topmost bearers."""
        if regime not in self.pack_regimes:
            return [self.purposes[name]]
        found = self.purposes_named(name, regime)
        return [
            purpose
            for purpose in self.purposes.values()
            if purpose.path in found and not found.intersection(purpose.lineage()[1:])
        ]

    def is_part(self, entry: str, name: str, regime: str) -> bool:
        """Whether an entry of a consent's data is what a name stands for, or a part of it."""
        called = [name]
        if (regime, name) in self.sets or ("", name) in self.sets:
            called = self.names_in(name, regime)
        keys = {key for key in self.categories if any(within(key, one) for one in called)}
        if entry in keys:
            return True
        node = self.fields.get(entry)
        if node is None:
            return False
        own = {leaf.path for leaf in node.leaves()}
        is_called_so = (
            not node.children
            or bool(keys & set(node.categories))
            or bool(node.tags & set(called))
            or (regime not in self.pack_regimes and any(within(entry, one) for one in called))
        )
        return is_called_so and own <= set().union(
            *(self.fields_named(one, regime) for one in called)
        )

    def names_in(self, name: str, regime: str) -> list[str]:
        """The names that a set of names holds."""
        return [item.value.name.text for item in self.items(name, regime)]  # type: ignore[union-attr]  # a set of names

    def items(self, name: str, regime: str) -> Sequence[ListItem]:
        declared = self.sets.get((regime, name)) or self.sets[("", name)]
        return declared.value.items


def build_world(house: Sequence[Module], packs: Sequence[Module]) -> World:
    """The world of the author's files and the packs that take part (`core` first)."""
    world = World(sorted(house, key=lambda module: module.file), packs)
    world.pack_regimes = {
        _name(declared)
        for module in packs
        for declared in module.declarations
        if isinstance(declared, RegimeDecl)
    }
    modules = [*packs, *world.house]
    declarations = [declared for module in modules for declared in module.declarations]
    for declared in declarations:
        if isinstance(declared, WordDecl):
            _add_word(world, declared)
        elif isinstance(declared, Attributes):
            for attribute in declared.attributes:
                world.attributes[f"{_name(declared)}.{attribute.name.text}"] = attribute
        elif isinstance(declared, SetDecl):
            world.sets[("", _name(declared))] = declared
        elif isinstance(declared, RegimeDecl):
            world.regimes.append(declared)
            for own in declared.sets:
                world.sets[(_name(declared), _name(own))] = own
    for module in packs:
        _add_keys(world.categories, _of(module, DataDecl))
        _add_keys(world.uses, _of(module, PurposeDecl))
    for module in world.house:
        for node in _of(module, DataDecl):
            _add_field(world, node, None)
        for purpose in _of(module, PurposeDecl):
            _add_purpose(world, purpose, None)
    return world


def _name(declared: object) -> str:
    name: Name | None = declared.head.name  # type: ignore[attr-defined]  # every declaration has one
    return name.text if name else ""


def _of(module: Module, kind: type) -> list[object]:
    return [declared for declared in module.declarations if isinstance(declared, kind)]


def _tags(declared: object) -> set[str]:
    return {tag.text for tag in declared.head.tags}  # type: ignore[attr-defined]  # as above


def _add_word(world: World, declared: WordDecl) -> None:
    name, tags = _name(declared), _tags(declared)
    match declared.kind.value:
        case "tag":
            (world.qualities if "quality" in tags else world.tags).add(name)
        case "action":
            world.actions[name] = tags
        case "channel":
            world.channels[name] = tags
        case "reason":
            world.reasons.append(name)


def _add_keys(
    keys: dict[str, set[str]],
    nodes: Iterable[object],
    above: str = "",
    tags: frozenset[str] = frozenset(),
) -> None:
    for node in nodes:
        key = f"{above}.{_name(node)}" if above else _name(node)
        keys[key] = _tags(node) | tags
        _add_keys(keys, node.children, key, frozenset(keys[key]))  # type: ignore[attr-defined]  # both kinds have children


def _add_field(world: World, declared: object, parent: Field | None) -> None:
    assert isinstance(declared, DataDecl)
    path = f"{parent.path}.{_name(declared)}" if parent else _name(declared)
    keys = tuple(name.text for name in declared.head.standard)
    tags = _tags(declared).union(*(world.categories[key] for key in keys))
    node = Field(
        path,
        parent,
        tags | (parent.tags if parent else set()),
        keys or (parent.categories if parent else ()),
    )
    world.fields[path] = node
    if parent:
        parent.children.append(node)
    for child in declared.children:
        _add_field(world, child, node)


def _add_purpose(world: World, declared: object, parent: Purpose | None) -> None:
    assert isinstance(declared, PurposeDecl)
    path = f"{parent.path}.{_name(declared)}" if parent else _name(declared)
    keys = tuple(name.text for name in declared.head.standard)
    tags = _tags(declared).union(*(world.uses[key] for key in keys))
    bases = {
        clause.second.text if isinstance(clause.second, Name) else "": names(clause)[0]
        for clause in declared.clauses
        if clause.word is ClauseWord.BASIS
    }
    inherits = parent if "" not in bases else None  # a new general basis replaces all of them
    under = {**(inherits.basis_under if inherits else {}), **bases}
    general = under.pop("", None) or (inherits.basis if inherits else None)
    notice = find(declared.clauses, ClauseWord.NOTICE)
    purpose = Purpose(
        path=path,
        parent=parent,
        tags=tags | (parent.tags if parent else set()),
        uses=keys or (parent.uses if parent else ()),
        basis=general,
        basis_under=under,
        keep=_length(declared, ClauseWord.KEEP) or (parent.keep if parent else None),
        lasts=_length(declared, ClauseWord.CONSENT_LASTS) or (parent.lasts if parent else None),
        notice=parent.notice if parent else None,
        material_since=parent.material_since if parent else None,
        reuses=tuple(names(find(declared.clauses, ClauseWord.REUSES)))
        or (parent.reuses if parent else ()),
    )
    if notice and isinstance(notice.value, Text):
        purpose.notice = notice.value.value
        if isinstance(notice.second, Text):
            purpose.material_since = notice.second.value
    world.purposes[path] = purpose
    for child in declared.children:
        _add_purpose(world, child, purpose)


def _length(declared: PurposeDecl, word: ClauseWord) -> Duration | None:
    clause = find(declared.clauses, word)
    return clause.value.value if clause and isinstance(clause.value, DurationRef) else None


# --- clauses of a rule ------------------------------------------------------------------------


def find(clauses: Sequence[Clause], word: ClauseWord) -> Clause | None:
    """The first clause of that word."""
    return next((clause for clause in clauses if clause.word is word), None)


def names(clause: Clause | None) -> list[str]:
    """The names of a clause that lists some."""
    if clause is None:
        return []
    if isinstance(clause.value, Name):
        return [clause.value.text]
    assert isinstance(clause.value, tuple)
    return [entry.text for entry in clause.value if isinstance(entry, Name)]


def expressions(clauses: Sequence[Clause], word: ClauseWord) -> list[Expr]:
    """The expressions of all clauses of that word."""
    return [clause.value for clause in clauses if clause.word is word]  # type: ignore[misc]  # `when` holds an Expr


def day(clauses: Sequence[Clause], word: ClauseWord) -> date | None:
    """The date of `from` or `until`."""
    clause = find(clauses, word)
    if clause is None or not isinstance(clause.value, Literal):
        return None
    assert isinstance(clause.value.value, date)
    return clause.value.value
