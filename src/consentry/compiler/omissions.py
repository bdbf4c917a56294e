"""Where a fact that a request leaves out can widen: notes, told on demand.

A missing fact makes a comparison unknown, and an unknown condition makes a `permit` fail and a
`forbid` fire: so leaving something out narrows. The exceptions are few and each is written in a
rule: a `has` (which is false, not unknown, where the fact is missing), an attribute with a default,
a `via` or `to` where the action needs no channel or recipient, a `keep`, which counts from when the
data was collected, and a `governs` that is unknown, so that this law answers in place of `governs
otherwise` or of no law at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from consentry.compiler.clauses import first
from consentry.compiler.expressions import names_in
from consentry.compiler.purpose_tree import Draft
from consentry.compiler.resolved import Resolved
from consentry.compiler.rule_book import RuleBook
from consentry.compiler.rules import LoweredRule, expressions_of
from consentry.compiler.symbols import Symbols
from consentry.diagnostics.diagnostic import Diagnostic, Severity
from consentry.diagnostics.span import Span
from consentry.lang.tree import And, Clause, Expr, Has, Name, Not, Or, RegimeDecl, RuleWord
from consentry.lang.tree import ClauseWord as W
from consentry.model.vocabulary import TAG_CONTACTING, TAG_DISCLOSURE

_WIDENING_RULES: Final = frozenset({RuleWord.PERMIT, RuleWord.EXCEPTION})
_PERHAPS: Final = "unknown, this law answers, even if in truth another one would, or none"
_UNDATED: Final = "what has no date is never kept too long"
_REQUEST_OWNERS: Final = frozenset(
    {"principal", "subject", "recipient", "resource", "context", "signal", "channel"}
)
"""What a request sends; the controller is the mission's, consent the ledger's."""


def find_omissions(
    resolved: Resolved, book: RuleBook, drafts: Sequence[Draft]
) -> tuple[Diagnostic, ...]:
    """One note for each rule and fact whose omission may turn a denial into a permission."""
    notes = [
        _note(draft.node.path, "resource.collected_at", draft.keep.span, _UNDATED)
        for draft in drafts
        if draft.keep is not None
    ]
    for lowered in (*book.rules, *book.exceptions):
        for fact, span, why in _of_rule(lowered, resolved.symbols):
            notes.append(_note(lowered.rule.name, fact, span, why))
    # Where a law always governs, it is never for another, or for none at all, to answer instead.
    is_one_certain = any(
        not (law.governs or law.is_fallback or law.from_us or law.until_us)
        for law in book.regimes[1:]
    )
    for declared, _ in resolved.loaded.regimes():
        notes += _of_regime(declared, resolved.symbols, is_one_certain=is_one_certain)
    return tuple(notes)


def _note(rule: str, fact: str, span: Span, why: str) -> Diagnostic:
    return Diagnostic(
        code="W818",
        title=f"leaving out `{fact}` may widen `{rule}`",
        span=span,
        label=why,
        severity=Severity.NOTE,
    )


def _of_regime(
    declared: RegimeDecl, symbols: Symbols, *, is_one_certain: bool
) -> Iterator[Diagnostic]:
    name = declared.head.name
    if name is None:
        return
    for clause in declared.clauses:
        if clause.word is not W.GOVERNS:
            continue
        for fact, span, why in _of_condition(clause, symbols, narrows=True):
            yield _note(name.text, fact, span, why)
        for expr in () if is_one_certain else expressions_of((clause,)):
            for fact in dict.fromkeys(name.text for name in names_in(expr)):
                if fact.startswith("subject."):
                    yield _note(name.text, fact, expr.span, _PERHAPS)


def _of_rule(lowered: LoweredRule, symbols: Symbols) -> Iterator[tuple[str, Span, str]]:
    narrows = lowered.declared.word not in _WIDENING_RULES
    for word in (W.WHEN, W.UNLESS):
        for clause in lowered.clauses.get(word, ()):
            is_narrowing = narrows is (word is W.WHEN)
            yield from _of_condition(clause, symbols, narrows=is_narrowing)
    if narrows:
        yield from _of_parties(lowered, symbols)
    if (keep := first(lowered.clauses, W.KEEP)) is not None:
        yield "resource.collected_at", keep.span, _UNDATED


def _of_parties(lowered: LoweredRule, symbols: Symbols) -> Iterator[tuple[str, Span, str]]:
    for word, fact, tag in (
        (W.VIA, "channel", TAG_CONTACTING),
        (W.TO, "recipient", TAG_DISCLOSURE),
    ):
        clause = first(lowered.clauses, word)
        matched = lowered.rule.channels if word is W.VIA else lowered.rule.recipients
        if clause is None or matched is None:
            continue
        actions = symbols.actions if lowered.rule.actions is None else lowered.rule.actions
        if free := sorted(action for action in actions if tag not in symbols.actions[action]):
            yield fact, clause.word_span, f"`{free[0]}` needs no {fact}, and then this is silent"


def _of_condition(
    clause: Clause, symbols: Symbols, *, narrows: bool
) -> Iterator[tuple[str, Span, str]]:
    for expr in expressions_of((clause,)):
        waiting: list[tuple[Expr, bool]] = [(expr, narrows)]
        while waiting:
            part, is_narrowing = waiting.pop()
            match part:
                case And(operands=operands) | Or(operands=operands):
                    waiting += [(one, is_narrowing) for one in reversed(operands)]
                case Not(operand=operand):
                    waiting.append((operand, not is_narrowing))
                case Has(name=name) if is_narrowing and _is_sent(name):
                    yield name.text, part.span, "`has` is false where it is left out"
                case Has():
                    pass
                case _:
                    yield from _defaults(part, symbols)


def _is_sent(name: Name) -> bool:
    return name.text.partition(".")[0] in _REQUEST_OWNERS


def _defaults(part: Expr, symbols: Symbols) -> Iterator[tuple[str, Span, str]]:
    attributes = symbols.attributes
    for text in dict.fromkeys(name.text for name in names_in(part)):
        owner, _, name = text.partition(".")
        spec = attributes.get((owner, name))
        if spec is not None and spec.default is not None:
            yield text, part.span, "its default stands in for it"
