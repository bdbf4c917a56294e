"""A decision as text for a person and as JSON for a program."""

from __future__ import annotations

from consentry.app.output import Console
from consentry.author.explain_json import finding_json
from consentry.author.telling import finding_text, instant_text, mask_text
from consentry.model.decision import Decision, Effect, LeafDecision


def show_decision(console: Console, decision: Decision) -> None:
    """Prints the answer first, then what the caller must do, then every reason."""
    style = "green" if decision.effect is Effect.PERMIT else "red"
    console.line(f"{console.styled(decision.effect.upper(), style)}  {decision.reason}")
    for leaf in decision.leaves:
        line = f"  {leaf.data}: {leaf.effect}"
        line += "" if leaf.reason == decision.reason else f" ({leaf.reason})"
        line += f", mask {mask_text(leaf.mask)}" if leaf.mask is not None else ""
        console.line(line)
    for obligation in decision.obligations:
        console.line(f"  must: {obligation.name}  {obligation.text}".rstrip())
    if decision.valid_until_us is not None:
        console.line(f"  valid until {instant_text(decision.valid_until_us)}")
    console.line("  reasons:")
    for finding in decision.findings:
        console.line(f"    {finding_text(finding)}")
        if finding.text or finding.cite:
            told = " - ".join(part for part in (finding.text, finding.cite) if part)
            console.line(f"      {console.styled(told, 'dim')}")


def decision_json(decision: Decision) -> dict[str, object]:
    """The whole decision as plain values."""
    until = decision.valid_until_us
    return {
        "effect": decision.effect.value,
        "reason": decision.reason,
        "valid_until": instant_text(until) if until is not None else None,
        "obligations": [{"name": o.name, "text": o.text} for o in decision.obligations],
        "leaves": [_leaf_json(leaf) for leaf in decision.leaves],
        "reasons": [finding_json(finding) for finding in decision.findings],
    }


def _leaf_json(leaf: LeafDecision) -> dict[str, object]:
    return {
        "data": leaf.data,
        "effect": leaf.effect.value,
        "reason": leaf.reason,
        "mask": mask_text(leaf.mask) or None,
    }
