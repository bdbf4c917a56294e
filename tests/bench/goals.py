"""The goals that were set, each next to what a run measured: the first table of the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

NO_NATIVE: Final = (
    "left out: it fails calls when it drains ([ADR 30](adr/0030-no-native-server-yet.md))"
)
REACHED: Final = "yes"
RULES: Final = 100
"""At so many rules the goals beside other servers and engines are set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One goal: what, its bound, and where in the figures the measured value stands.

    `at` leads through `parts` to a side of a comparison or to a fact; the first word is the part.
    `is_turned`: the goal is about the ratio the other way round. `left_out` says why nothing is
    measured.
    """

    what: str
    bound: float
    at: tuple[str, ...] = ()
    is_least: bool = False
    is_turned: bool = False
    left_out: str = ""

    @property
    def wanted(self) -> str:
        """The bound, as it is written."""
        return f"{'>=' if self.is_least else '<='} {self.bound:,}"

    @property
    def command(self) -> str:
        """What prints it."""
        return f"./dev bench --only {self.at[0]}" if self.at else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A goal, the value of one run, and how it came about."""

    goal: Goal
    value: float | None
    shown: str

    @property
    def verdict(self) -> str:
        """Whether it is reached; if not, how far it is from its bound."""
        if self.value is None:
            return "not measured"
        bound = self.goal.bound
        if self.value >= bound if self.goal.is_least else self.value <= bound:
            return REACHED
        percent = abs(self.value / bound - 1) * 100
        far = f"{percent:.0f} %" if percent >= 1 else f"{percent:.1f} %"
        return f"no, {far} {'below' if self.goal.is_least else 'above'}"


def _beside_servers() -> Iterator[Goal]:
    for side in ("hit", "miss"):
        for number in (1, 16, 64):
            yield Goal(
                what=f"unary Check, {side}, {number} in flight: server CPU / Cerbos",
                bound=0.65,
                at=("peers", f"servers_{RULES}_rules_{number}_in_flight", side),
            )


def _beside_echo() -> Iterator[Goal]:
    for side, bound, what in (
        ("hit", 1.15, "cache hit, log off"),
        ("hit, all on", 1.25, "cache hit, log on"),
        ("miss", 1.40, "miss, evaluation included"),
    ):
        for number in (1, 16):
            yield Goal(
                what=f"unary Check, {what}, {number} in flight: server CPU / bare grpcio echo",
                bound=bound,
                at=("unary", f"in_flight_{number}", side),
            )


def _overload() -> Iterator[Goal]:
    for number in (4, 16, 32):
        at, what = ("overload", f"connections_{number}"), f"three times capacity, {number} conn."
        share, refused, health = "share of capacity still answered", "to refuse, p99", "health, p99"
        yield Goal(what=f"{what}: {share}", bound=0.80, is_least=True, at=(*at, share))
        yield Goal(what=f"{what}: {refused}", bound=50, at=(*at, refused))
        yield Goal(what=f"{what}: {health}", bound=100, at=(*at, health))


GOALS: Final = (
    *_beside_echo(),
    *_beside_servers(),
    *(
        Goal(
            what=f"the same with a native server, {number} in flight: server CPU / Cerbos",
            bound=bound,
            left_out=NO_NATIVE,
        )
        for number, bound in ((1, 0.25), (16, 0.20), (64, 0.15))
    ),
    Goal(
        what="p99 at 5,000 calls a second offered, one worker / Cerbos",
        bound=0.25,
        at=("peers", "open_loop", "ours"),
    ),
    Goal(what="stream, hit: CPU per message / bare stream echo", bound=1.10, at=("stream", "hit")),
    Goal(
        what="batch of 1,000, known: CPU per check / Cerbos's largest batch",
        bound=0.05,
        at=("peers", "batch", "ours"),
    ),
    Goal(
        what="batch of 1,000, all evaluated: CPU per check / Cerbos's largest batch",
        bound=0.05,
        at=("peers", "batch", "ours, miss"),
    ),
    *(
        Goal(
            what=f"engine in process, {RULES} rules: time per decision / {name}",
            bound=0.10,
            at=("peers", "in_process", side),
            is_turned=True,
        )
        for side, name in (("cedar", "cedarpy"), ("casbin", "pycasbin"), ("opa", "OPA"))
    ),
    Goal(what="decision time at 40,000 rules / at 100", bound=1.10, at=("engine", "40000 rules")),
    Goal(
        what="p99 beside a reload twice a second / quiet",
        bound=1.5,
        at=("reload", "p99", "reloads"),
    ),
    Goal(
        what="p99 beside 100 consent changes a second / quiet",
        bound=1.5,
        at=("reload", "p99", "consent changes"),
    ),
    Goal(
        what="buffered log and scrapes on / off: CPU per call",
        bound=1.10,
        at=("conditions", "telemetry", "all on"),
    ),
    Goal(
        what="ledger: durable events a second / bare insert and commit, one at a time",
        bound=0.5,
        is_least=True,
        is_turned=True,
        at=("ledger", "batch_1", "ledger"),
    ),
    Goal(
        what="memory with 10,000 rules and 100,000 kept answers",
        bound=180,
        at=("cache", "memory", "10,000 rules, 100,000 answers"),
    ),
    Goal(
        what="data subjects in the ledger",
        bound=1_000_000,
        is_least=True,
        at=("people", "people in the ledger"),
    ),
    Goal(
        what="start to SERVING, 1,000 rules, 100,000 events",
        bound=2,
        at=("start", "serving", "start to SERVING, 1,000 rules, 100,000 events"),
    ),
    *_overload(),
)


def measured(parts: Mapping[str, Any]) -> list[Measured]:
    """Every goal with what these figures say of it, in order."""
    return [_measured(goal, parts) for goal in GOALS]


def _measured(goal: Goal, parts: Mapping[str, Any]) -> Measured:
    if goal.left_out:
        return Measured(goal=goal, value=None, shown=goal.left_out)
    found = _find(parts, goal.at)
    if "ratio" in found:
        low, middle, high = (found["ratio"][name] for name in ("min", "median", "max"))
        sides = [_number(found["us"]), _number(found["base_us"])]
        if goal.is_turned:
            low, middle, high = 1 / high, 1 / middle, 1 / low
            sides.reverse()
        spread = f"{_number(middle)} ({_number(low)} to {_number(high)})"
        shown = f"{spread}; {' / '.join(sides)} us; {found['rounds']} rounds"
        return Measured(goal=goal, value=middle, shown=shown)
    if "value" in found:
        shown = f"{_number(found['value'])} {found['unit']}"
        return Measured(goal=goal, value=found["value"], shown=shown)
    return Measured(goal=goal, value=None, shown=str(found.get("missing", "")))


def _find(parts: Mapping[str, Any], at: tuple[str, ...]) -> Mapping[str, Any]:
    found: Any = parts
    for name in at:
        below = found.get("sides") or found.get("facts") or found
        if name not in below:
            return {"missing": found.get("missing", "")}
        found = below[name]
    return found  # type: ignore[no-any-return]  # figures are plain JSON


def _number(value: float) -> str:
    """Three digits that count; none behind the point where there are more before it."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if 0 < value < 0.1 else f"{value:.2f}"


def print_summary(parts: Mapping[str, Any]) -> None:
    """The goals whose parts were measured, one a line."""
    rows = [row for row in measured(parts) if row.goal.at and row.goal.at[0] in parts]
    if not rows:
        return
    width = max(len(row.goal.what) for row in rows)
    print("\nGoals")
    for row in rows:
        told = f"{row.goal.what:<{width}}  {row.goal.wanted:>12}  {row.verdict:<14}"
        print(f"  {told}  {row.shown}".rstrip())


def markdown(parts: Mapping[str, Any]) -> Iterator[str]:
    """The same for all goals, as a table, with how many of them are reached."""
    rows = measured(parts)
    told = [row for row in rows if row.value is not None]
    reached = sum(row.verdict == REACHED for row in told)
    yield f"Of {len(rows)} goals {len(told)} were measured and {reached} are reached."
    yield ""
    yield "| what | goal | measured (least to greatest); both sides | reached | command |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        command = f"`{row.goal.command}`" if row.goal.command else ""
        yield f"| {row.goal.what} | {row.goal.wanted} | {row.shown} | {row.verdict} | {command} |"
