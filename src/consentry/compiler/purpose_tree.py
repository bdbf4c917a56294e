"""Builds the tree of purposes, with everything inherited filled in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from consentry.compiler.clauses import PURPOSE_CLAUSES, ClauseTable, check_clauses, first
from consentry.compiler.load import Loaded
from consentry.compiler.names import Names, check_head
from consentry.compiler.report import Report
from consentry.compiler.symbols import Symbols
from consentry.lang.tree import Clause, DurationRef, Name, PurposeDecl, Text
from consentry.lang.tree import ClauseWord as W
from consentry.model.trees import PurposeNode
from consentry.model.values import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A purpose before `reuses` is resolved. Kept for the checks: it knows what was written."""

    node: PurposeNode
    basis_names: tuple[tuple[str, Name], ...] = ()
    """Bases written on this purpose itself: regime (empty: all) and the word."""
    reuses: tuple[Name, ...] = ()
    notice: Clause | None = None
    keep: Clause | None = None
    name: Name


@dataclass(slots=True)
class _Builder:
    names: Names
    drafts: list[Draft] = field(default_factory=list)
    children: list[list[int]] = field(default_factory=list)
    by_path: dict[str, int] = field(default_factory=dict)


def build_purpose_tree(loaded: Loaded, names: Names) -> tuple[Draft, ...]:
    """Fill `names.purposes`, parents before children, without `reuses`."""
    builder = _Builder(names)
    roots = [
        declaration
        for module in loaded.house
        for declaration in module.declarations
        if isinstance(declaration, PurposeDecl)
    ]
    _add(roots, None, builder)
    drafts = tuple(
        replace(draft, node=replace(draft.node, children=tuple(builder.children[index])))
        for index, draft in enumerate(builder.drafts)
    )
    names.purposes.extend(draft.node for draft in drafts)
    return drafts


def resolve_reuses(drafts: Iterable[Draft], names: Names, symbols: Symbols) -> None:
    """Fill `reuses` of `names.purposes`: a name covers the purposes below it, and children inherit
    their parent's unless they name their own.
    """
    places = names.places_of("purpose")
    for draft in drafts:
        node = draft.node
        reached: frozenset[int] = frozenset()
        if not draft.reuses and len(node.lineage) > 1:
            reached = names.purposes[node.lineage[1]].reuses
        for name in draft.reuses:
            found = symbols.purposes_of(name.text)
            if found is None:
                names.report.unknown("R203", "purpose", name, symbols.purpose_names, places=places)
            else:
                reached |= found
        if reached:
            names.purposes[node.index] = replace(names.purposes[node.index], reuses=reached)


def _add(nodes: Iterable[PurposeDecl], parent: int | None, builder: _Builder) -> None:
    above = None if parent is None else builder.drafts[parent].node
    names = builder.names
    for declared in nodes:
        name = declared.head.name
        if name is None:
            continue
        path = name.text if above is None else f"{above.path}.{name.text}"
        if not names.declare("purpose", name, path):
            # Its children are taken as the first one's, so that their users raise nothing.
            _add(declared.children, builder.by_path[path], builder)
            continue
        index = len(builder.drafts)
        builder.by_path[path] = index
        builder.drafts.append(_draft(declared, name, path, above, builder))
        builder.children.append([])
        if parent is not None:
            builder.children[parent].append(index)
        _add(declared.children, index, builder)


def _draft(
    declared: PurposeDecl, name: Name, path: str, above: PurposeNode | None, builder: _Builder
) -> Draft:
    names, index = builder.names, len(builder.drafts)
    report = names.report
    check_head(report, "a purpose", declared.head, tags=True, standard=1)
    uses = names.keys_of(declared.head, names.uses, "standard use")[:1]
    tags = names.tags_of(declared.head).union(*(names.uses[key] for key in uses))
    table = check_clauses(
        report,
        "a purpose",
        name.span,
        declared.clauses,
        PURPOSE_CLAUSES,
        repeatable={W.BASIS},
    )
    basis_names = _bases(table, names)
    basis, basis_under = _inherit_bases(basis_names, above)
    notice, since = _notice(table, above)
    cite, benefit = first(table, W.CITE), first(table, W.BENEFIT)
    reuses = first(table, W.REUSES)
    node = PurposeNode(
        index=index,
        path=path,
        text=declared.head.text.value if declared.head.text else "",
        lineage=(index,) if above is None else (index, *above.lineage),
        tags=tags if above is None else tags | above.tags,
        uses=uses or (() if above is None else above.uses),
        basis=basis,
        basis_under=basis_under,
        keep=_duration(table, W.KEEP) or (above.keep if above else None),
        consent_lasts=_duration(table, W.CONSENT_LASTS) or (above.consent_lasts if above else None),
        notice=notice,
        notice_material_since=since,
        cite=cite.value.value if cite and isinstance(cite.value, Text) else "",
        benefit=benefit.value.value if benefit and isinstance(benefit.value, Text) else "",
    )
    listed = reuses.value if reuses and isinstance(reuses.value, tuple) else ()
    return Draft(
        node=node,
        basis_names=basis_names,
        reuses=tuple(item for item in listed if isinstance(item, Name)),
        notice=first(table, W.NOTICE),
        keep=first(table, W.KEEP),
        name=name,
    )


def _duration(table: ClauseTable, word: W) -> Duration | None:
    clause = first(table, word)
    return clause.value.value if clause and isinstance(clause.value, DurationRef) else None


def _notice(table: ClauseTable, above: PurposeNode | None) -> tuple[str | None, str | None]:
    clause = first(table, W.NOTICE)
    if clause is None or not isinstance(clause.value, Text):
        return (above.notice, above.notice_material_since) if above else (None, None)
    second = clause.second
    if isinstance(second, Text):
        return clause.value.value, second.value
    # A child that only moves its version on still knows what the parent called a material change.
    return clause.value.value, above.notice_material_since if above else None


def _bases(table: ClauseTable, names: Names) -> tuple[tuple[str, Name], ...]:
    """The `basis` clauses of one purpose: regime and basis; wrong ones are reported."""
    found: dict[str, Name] = {}
    for clause in table.get(W.BASIS, ()):
        value = clause.value[0] if isinstance(clause.value, tuple) else clause.value
        if not isinstance(value, Name):
            continue
        if isinstance(clause.value, tuple) and len(clause.value) > 1:
            extra = clause.value[1]
            names.report.error(
                "R241",
                "a purpose has one basis for a regime",
                extra.span,
                label="a second one",
                help="write `basis X under REGIME` where laws differ",
            )
        regime = clause.second.text if isinstance(clause.second, Name) else ""
        if isinstance(clause.second, Name) and regime not in names.regimes:
            names.report.unknown("R216", "regime", clause.second, names.regimes)
            check_basis(names.report, value, names.bases)
            continue
        if (earlier := found.get(regime)) is not None:
            names.report.error(
                "R241",
                "a purpose has one basis for a regime",
                value.span,
                label="the second one",
                related=((earlier.span, "the first one"),),
            )
            continue
        if not check_basis(names.report, value, names.bases):
            continue
        found[regime] = value
    return tuple(found.items())


def check_basis(report: Report, basis: Name, bases: Iterable[str]) -> bool:
    """Whether some loaded regime knows the basis; where no regime names any, all are fine."""
    known = set(bases)
    if not known or basis.text in known:
        return True
    report.unknown("C401", "basis", basis, known)
    return False


def _inherit_bases(
    written: tuple[tuple[str, Name], ...], above: PurposeNode | None
) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The general basis and those under regimes. A general basis replaces all that is inherited;
    one under a regime replaces that regime's only.
    """
    own = {regime: basis.text for regime, basis in written}
    if above is None or "" in own:
        general, under = own.pop("", None), {}
    else:
        general, under = above.basis, dict(above.basis_under)
    return general, tuple({**under, **own}.items())
