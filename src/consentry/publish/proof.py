"""Figures of a running sidecar on its statement: what is said there, measured, and nobody in it.

Counts are rough on purpose. One below `LEAST` is not told, others are rounded down to tens and are
a minute old at most: nobody can watch one person in them. There are no sums over purposes, from
which what is left out could be reckoned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consentry.model.program import Program, RuleKind
from consentry.model.values import datetime_of
from consentry.publish.contents import covers, house_rules, rule_name
from consentry.publish.wording import Wording

LEAST: Final = 20
_STEP: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How many, and within how many seconds half and 99 of 100 were; None: too few to say, or
    slower than the slowest that is measured.
    """

    count: int = 0
    half_s: float | None = None
    most_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """The last withdrawal of a made-up person: when, at how many systems, and the slowest denial.

    `slowest_s` is None where one did not deny in time.
    """

    at_us: int
    systems: int
    slowest_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was counted since a time. `decisions` are by purpose: permitted, denied; `refusals` by
    reason code.
    """

    since_us: int
    now_us: int
    decisions: Mapping[str, tuple[int, int]]
    refusals: Mapping[str, int]
    withdrawals: Speed
    probe: ProbeResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The figures in words of one language: a table by purpose, promises, and sentences."""

    since: str
    purposes: tuple[tuple[str, str, str, str], ...]
    promises: tuple[tuple[str, str, str], ...]
    sentences: tuple[str, ...]


def rough(count: int) -> int | None:
    """A count that tells of nobody: rounded down to tens; None below `LEAST`."""
    return None if count < LEAST else count - count % _STEP


def tell_proof(figures: Figures, program: Program, wording: Wording) -> Proof:
    """The figures in words. Every purpose has a row, and every promise that a limit keeps."""
    return Proof(
        since=f"{datetime_of(figures.since_us):%Y-%m-%d %H:%M} UTC",
        purposes=tuple(
            (
                f"purpose-{node.path}",
                wording.text("purpose", node.path, node.text),
                _count(permitted, wording),
                _count(denied, wording),
            )
            for node in program.purposes
            for permitted, denied in [figures.decisions.get(node.path, (0, 0))]
        ),
        promises=tuple(
            (
                f"promise-{name}",
                wording.text("rule", name, text),
                _count(sum(figures.refusals.get(reason, 0) for reason in reasons), wording),
            )
            for name, text, reasons in kept_promises(program)
        ),
        sentences=tuple(_sentences(figures, wording)),
    )


def kept_promises(program: Program) -> tuple[tuple[str, str, frozenset[str]], ...]:
    """Promises with limits of the house that cover them: name, text, the limits' reason codes."""
    limits = house_rules(program, RuleKind.FORBID)
    kept = []
    for promise in program.promises:
        reasons = frozenset(limit.reason for limit in limits if covers(limit, promise))
        if reasons:
            kept.append((rule_name(program, promise), promise.text, reasons))
    return tuple(kept)


def _count(count: int, wording: Wording) -> str:
    told = rough(count)
    return wording.phrase("proof_few", n=LEAST) if told is None else f"{told:,}"


def _sentences(figures: Figures, wording: Wording) -> Sequence[str]:
    speed, told = figures.withdrawals, []
    count = rough(speed.count)
    if count is None:
        told.append(wording.phrase("proof_withdrawals_few", n=LEAST))
    else:
        told.append(wording.phrase("proof_withdrawals", n=f"{count:,}"))
        if speed.half_s is not None and speed.most_s is not None:
            half, most = _millis(speed.half_s), _millis(speed.most_s)
            told.append(wording.phrase("proof_speed", half=half, most=most))
    probe = figures.probe
    if probe is None:
        told.append(wording.phrase("proof_no_probe"))
        return told
    minutes = max(0, figures.now_us - probe.at_us) // 60_000_000
    when = f"{datetime_of(probe.at_us):%Y-%m-%d %H:%M} UTC"
    values = {"when": when, "minutes": minutes, "n": probe.systems}
    if probe.slowest_s is None:
        told.append(wording.phrase("proof_probe_failed", **values))
    else:
        told.append(wording.phrase("proof_probe", slowest=_millis(probe.slowest_s), **values))
    return told


def _millis(seconds: float) -> str:
    millis = seconds * 1_000
    return f"{millis:,.0f} ms" if millis >= 1 else f"{millis:.2f} ms"


def figures_json(figures: Figures, program: Program) -> dict[str, object]:
    """The same figures for programs, as rough; null stands for what is not told."""
    speed, probe = figures.withdrawals, figures.probe
    is_told = rough(speed.count) is not None
    return {
        "policy_digest": program.digest,
        "since": _instant(figures.since_us),
        "at": _instant(figures.now_us),
        "least_count_told": LEAST,
        "purposes": {
            node.path: dict(
                zip(
                    ("permitted", "denied"),
                    map(rough, figures.decisions.get(node.path, (0, 0))),
                    strict=True,
                )
            )
            for node in program.purposes
        },
        "promises": {
            name: rough(sum(figures.refusals.get(reason, 0) for reason in reasons))
            for name, _, reasons in kept_promises(program)
        },
        "withdrawals": {
            "count": rough(speed.count),
            "half_within_s": speed.half_s if is_told else None,
            "most_within_s": speed.most_s if is_told else None,
        },
        "probe": None
        if probe is None
        else {
            "at": _instant(probe.at_us),
            "systems": probe.systems,
            "slowest_s": probe.slowest_s,
        },
    }


def _instant(micros: int) -> str:
    return f"{datetime_of(micros):%Y-%m-%dT%H:%M:%SZ}"
