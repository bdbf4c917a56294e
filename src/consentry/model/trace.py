"""How a decision came about: every rule that was looked at, and what came of it.

`engine.trace` writes these values by asking the very functions that decide; whoever explains a
decision reads them. Nothing here is made when a request is merely answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from consentry.model.consent import ConsentQuery, ConsentState, Track
from consentry.model.decision import Effect, Finding, Mask, Obligation
from consentry.model.program import Regime, Rule
from consentry.model.tri import FALSE, TRUE, UNKNOWN, Tri


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseTrace:
    """One clause of a rule: `who`, `data`, `may`, `via`, `to`, `basis`, `dates`, `when`, `keep`.

    `keep` is true while the data may still be kept.
    """

    name: str
    holds: Tri


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTrace:
    """A part of a condition between `and`, `or` and `not`, as it was written, and what it was."""

    text: str
    holds: Tri


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """One rule in one asking.

    `holds` is what the decision takes of it: a forbid counts where it is true or unknown and no
    exception lifts it, a permit where it is true. `clauses` are those that the rule has, in the
    order in which they are judged; what the rule does not say is not among them. `missing` are
    facts that the request left out and that could have decided it. `is_used` says that the answer
    rests on it: the permit or ground that was found, a forbid that stands, a burden that is laid
    on. `changes_at_us` is when time alone may change what the rule comes to. `parts` are those of
    its condition, where whoever asked had them.
    """

    rule: Rule
    holds: Tri
    clauses: tuple[ClauseTrace, ...] = ()
    missing: tuple[str, ...] = ()
    is_used: bool = False
    exceptions: tuple[RuleTrace, ...] = ()
    parts: tuple[PartTrace, ...] = ()
    changes_at_us: int | None = None

    @property
    def is_lifted(self) -> bool:
        """Whether an exception takes the rule's force away."""
        return any(exception.holds == TRUE for exception in self.exceptions)

    def failing(self) -> tuple[ClauseTrace, ...]:
        """Clauses that are not true."""
        return tuple(clause for clause in self.clauses if clause.holds != TRUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A regime asked once: with the consent recorded as event `event_id`, or with none (empty)."""

    event_id: str
    says_yes: bool
    rules: tuple[RuleTrace, ...]


class Governing(StrEnum):
    """Whether a regime has a say."""

    ALWAYS = "always"
    MATCHES = "matches"
    UNKNOWN = "unknown"
    """Facts are missing that would tell; it governs, since a missing fact can only narrow."""
    OTHERWISE = "otherwise"
    NO = "no"
    NOT_NEEDED = "not_needed"
    """It governs where no other does, and another does."""
    NOT_IN_FORCE = "not_in_force"

    @property
    def has_say(self) -> bool:
        """Whether the decision waits for this regime's yes."""
        return self in _HAVE_SAY


_HAVE_SAY = frozenset({Governing.ALWAYS, Governing.MATCHES, Governing.UNKNOWN, Governing.OTHERWISE})


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeTrace:
    """One regime's part; the house's own forbids, masks and obligations are regime 0.

    `askings` end with the first yes; the first one's `findings` say why where there is none.
    `state` is what the ledger said, None where no rule reads consent. `rights` are in force for
    this use, with the time since when. `query` is what the ledger was asked, None where it was not.
    """

    regime: Regime
    governing: Governing
    basis: str | None = None
    says_yes: bool = True
    askings: tuple[Asking, ...] = ()
    findings: tuple[Finding, ...] = ()
    duties: tuple[Obligation, ...] = ()
    missing: tuple[str, ...] = ()
    state: ConsentState | None = None
    rights: tuple[tuple[Track, int | None], ...] = ()
    changes_at_us: int | None = None
    query: ConsentQuery | None = field(default=None, compare=False, repr=False)

    @property
    def deciding(self) -> Asking | None:
        """The asking that counts: the one that said yes, else the first."""
        if not self.askings:
            return None
        return self.askings[-1] if self.says_yes else self.askings[0]


class LedgerReading(StrEnum):
    """How far the person's consent could be read."""

    READ = "read"
    NOT_NEEDED = "not_needed"
    """It could not be read, and nothing in it could have changed the answer."""
    UNAVAILABLE = "unavailable"
    """It could not be read, and the answer depends on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafTrace:
    """How the answer for some leaves came about; leaves for which all is alike share one.

    `permits` are the house's permits for the purpose, those that miss least first; `left_out` more
    were looked at and are not told. `miss` is the reason where none holds.
    """

    effect: Effect
    findings: tuple[Finding, ...]
    mask: Mask | None
    obligations: tuple[Obligation, ...]
    reading: LedgerReading
    permits: tuple[RuleTrace, ...]
    miss: Finding | None
    regimes: tuple[RegimeTrace, ...]
    left_out: int = 0
    data: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The whole of it; `leaves` is empty where the request was refused and no rule was asked."""

    leaves: tuple[LeafTrace, ...] = ()


def truth_text(value: Tri) -> str:
    """A truth value in a word."""
    return {FALSE: "false", UNKNOWN: "unknown", TRUE: "true"}[value]
