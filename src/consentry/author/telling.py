"""Parts of an answer in words: reasons, masks, instants, values."""

from __future__ import annotations

from typing import Final

from consentry.model.decision import Finding, Mask
from consentry.model.values import MICROS_PER_DAY, Duration, datetime_of

DIGEST_SHOWN: Final = 12
"""As many digits of a digest as a person compares."""


def mask_text(mask: Mask | None) -> str:
    """A mask in the words of the language; empty for none."""
    if mask is None:
        return ""
    return mask.function if mask.argument is None else f"{mask.function} {mask.argument}"


def instant_text(micros: int) -> str:
    """An instant in UTC, to the second where it is a whole one."""
    return datetime_of(micros).isoformat().replace("+00:00", "Z")


def value_text(value: object) -> str:
    """A value as the language writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(value_text(item) for item in value)}]"
        case Duration(months=months, micros=micros):
            return f"{months} months" if months else f"{micros // MICROS_PER_DAY} days"
        case _:
            return str(value)


def finding_text(finding: Finding) -> str:
    """One reason in one line: code, law, rule, place, what was missing."""
    parts = [finding.reason]
    if finding.rule:
        law = f"{finding.regime}." if finding.regime else ""
        parts.append(f"by {law}{finding.rule}")
    elif finding.regime:
        parts.append(f"under {finding.regime}")
    if finding.file:
        parts.append(f"at {finding.file}:{finding.line}")
    if finding.missing:
        parts.append("because nobody said " + ", ".join(finding.missing))
    return " ".join(parts)
