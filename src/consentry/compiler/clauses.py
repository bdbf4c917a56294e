"""Which clauses may stand where, and how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from consentry.compiler.report import Report
from consentry.diagnostics.span import Span
from consentry.lang.tree import Clause, RuleWord
from consentry.lang.tree import ClauseWord as W

ClauseTable = Mapping[W, tuple[Clause, ...]]

_SHARED: Final = frozenset(
    {W.WHO, W.MAY, W.DATA, W.FOR, W.VIA, W.TO, W.BASIS, W.WHEN, W.UNLESS, W.CITE, W.OWNER}
)
_DATED: Final = _SHARED | {W.FROM, W.UNTIL}


@dataclass(frozen=True, slots=True)
class ClauseRules:
    """The clauses that a declaration may have and those it must have."""

    allowed: frozenset[W]
    required: tuple[W, ...] = ()


HOUSE_RULES: Final[Mapping[RuleWord, ClauseRules]] = {
    RuleWord.PERMIT: ClauseRules(_DATED | {W.KEEP}, (W.WHO, W.MAY, W.DATA, W.FOR)),
    RuleWord.FORBID: ClauseRules(_DATED),
    RuleWord.MASK: ClauseRules(_DATED | {W.AS}, (W.AS,)),
    RuleWord.OBLIGE: ClauseRules(_DATED | {W.ON}),
    RuleWord.NEVER: ClauseRules(_SHARED),
    RuleWord.EXCEPTION: ClauseRules(_DATED | {W.LIFTS}, (W.LIFTS, W.OWNER, W.CITE, W.UNTIL)),
}
REGIME_RULES: Final[Mapping[RuleWord, ClauseRules]] = {
    RuleWord.PERMIT: ClauseRules(_DATED),
    RuleWord.FORBID: ClauseRules(_DATED),
    RuleWord.MASK: ClauseRules(_DATED | {W.AS}, (W.AS,)),
    RuleWord.OBLIGE: ClauseRules(_DATED | {W.ON}),
}
PURPOSE_CLAUSES: Final = ClauseRules(
    frozenset({W.BASIS, W.KEEP, W.CONSENT_LASTS, W.NOTICE, W.REUSES, W.BENEFIT, W.CITE})
)
REGIME_CLAUSES: Final = ClauseRules(frozenset({W.GOVERNS, W.FROM, W.UNTIL, W.VERSION}))

_MAY_REPEAT: Final = frozenset({W.WHEN, W.UNLESS})


def check_clauses(
    report: Report,
    what: str,
    name_span: Span,
    clauses: Sequence[Clause],
    rules: ClauseRules,
    *,
    repeatable: AbstractSet[W] = _MAY_REPEAT,
) -> dict[W, tuple[Clause, ...]]:
    """The clauses by word, without those that are out of place or repeated.

    `what` names the declaration with its article: "a permit".
    """
    table: dict[W, tuple[Clause, ...]] = {}
    for clause in clauses:
        word = clause.word
        if word not in rules.allowed:
            report.error(
                "R242",
                f"{what} takes no `{word.value}`",
                clause.word_span,
                label="not allowed here",
            )
        elif word in table and word not in repeatable:
            report.error(
                "R241",
                f"`{word.value}` stands twice in {what}",
                clause.word_span,
                label="the second one",
                related=((table[word][0].word_span, "the first one"),),
            )
        else:
            table[word] = (*table.get(word, ()), clause)
    written = {clause.word for clause in clauses}
    missing = [word for word in rules.required if word not in written]
    if missing:
        listed = " and ".join(f"`{word.value}`" for word in missing)
        report.error(
            "R240",
            f"{what} needs {listed}",
            name_span,
            label=f"no {listed} in here",
            help="write `anyone` or `anything` to mean all"
            if set(missing) <= {W.WHO, W.MAY, W.DATA, W.FOR}
            else "",
        )
    return table


def first(table: ClauseTable, word: W) -> Clause | None:
    """The only clause of a word, if it is there."""
    found = table.get(word)
    return found[0] if found else None
