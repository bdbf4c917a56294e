"""The answer: an effect with its reasons, masks, obligations and the moment it stops being sure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Effect(StrEnum):
    """Yes or no."""

    PERMIT = "permit"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Mask:
    """How a permitted field must be transformed before use.

    `function` is one of redact, last, first, initials, hash, year, round, null; `argument` is the N
    of `last N`, `first N` and `round N`, else None.
    """

    function: str
    argument: int | None = None


REDACT = Mask("redact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """What the caller must do: a stable name and a sentence for people."""

    name: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason: its code and where it comes from.

    `regime` is empty for the house's own rules and for answers that no rule gave. `missing` lists
    attributes (`subject.country`) whose absence left the rule undecided. `file` and `line` are of
    the rule, None where no rule speaks.
    """

    reason: str
    regime: str = ""
    rule: str = ""
    text: str = ""
    cite: str = ""
    file: str | None = None
    line: int | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafDecision:
    """The answer for one leaf of the data tree; `findings` in order, the primary one first."""

    data: str
    effect: Effect
    findings: tuple[Finding, ...]
    mask: Mask | None = None
    obligations: tuple[Obligation, ...] = ()

    @property
    def reason(self) -> str:
        """The primary reason's code."""
        return self.findings[0].reason


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Decision:
    """The answer to one request.

    `findings` are those of all leaves that decided the effect, without repeats, the primary one
    first; `leaves` are in the order of the data tree. `valid_until_us` is the earliest instant at
    which passing time alone could change the answer, None if never. `is_cacheable` is false where
    the consent state could not be read.
    """

    # PERF: made anew for each question, and so not frozen, as in `model.consent`.
    effect: Final[Effect]
    findings: Final[tuple[Finding, ...]]
    leaves: Final[tuple[LeafDecision, ...]] = ()
    obligations: Final[tuple[Obligation, ...]] = ()
    valid_until_us: Final[int | None] = None
    is_cacheable: Final[bool] = True

    @property
    def reason(self) -> str:
        """The primary reason's code."""
        return self.findings[0].reason
