"""The parts of the benchmark: what each measures, and the goals that stand beside its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.bench import (
    client_cache,
    engine,
    envoy,
    goals,
    h2,
    ledger,
    overload,
    peer_series,
    propagation,
    unary,
)
from tests.bench.parts_growth import (
    NO_LOAD,
    measure_cache,
    measure_conditions,
    measure_people,
    measure_profile,
    measure_reload,
    measure_start,
)
from tests.bench.peers.install import PeerMissingError
from tests.bench.report import Fact, Figures, facts, say, table

RULE_COUNTS: Final = (10, 100, 1_000, 10_000, 40_000)
PEER_ROUNDS: Final = {10: 4, 100: 7, 1_000: 4, 10_000: 3}
"""Rounds of servers beside others, by the number of rules; the goals are about 100."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `measure` is called with `is_quick` and takes about so many seconds."""

    measure: Callable[..., Figures]
    whole_s: float
    quick_s: float


def measure_unary(*, is_quick: bool) -> Figures:
    """One Check at a time, and sixteen in flight, next to a bare echo."""
    shown: Figures = {}
    goals = {
        "hit": "<= 1.15",
        "miss": "<= 1.40",
        "hit, all on": "<= 1.25",
        "echo again": "noise of the pair",
    }
    for in_flight, calls in ((1, 1_200), (16, 2_000)):
        series = unary.measure(
            rounds=3 if is_quick else 15,
            calls=500 if is_quick else calls,
            in_flight=in_flight,
            say=say,
        )
        title = f"Unary Check, {in_flight} in flight: server CPU per call"
        shown[f"in_flight_{in_flight}"] = table(title, series, "echo", goals)
    return shown


def measure_batch(*, is_quick: bool) -> Figures:
    """A thousand checks in one call, all known and all new."""
    series = unary.measure_batch(rounds=3 if is_quick else 10, say=say)
    return table("CheckBatch of 1,000: server CPU per check", series, "hit", {})


def measure_stream(*, is_quick: bool) -> Figures:
    """One CheckStream, sixteen questions ahead of their answers, next to a bare stream echo."""
    series = unary.measure_stream(
        rounds=3 if is_quick else 15, messages=500 if is_quick else 3000, say=say
    )
    goals = {"hit": "<= 1.10", "echo again": "noise of the pair"}
    return table("CheckStream, 16 ahead: server CPU per message", series, "echo", goals)


def measure_propagation(*, is_quick: bool) -> Figures:
    """A withdrawal at one of eight sidecars, until each of them denies."""
    found: dict[str, Fact] = {}
    for kind in ("direct", "node"):
        taken = propagation.measure(kind, 10 if is_quick else 40, say)
        for name, share, goal in (
            ("p50", 0.5, "<= 50"),
            ("p99", 0.99, "<= 250"),
            ("worst", 1.0, ""),
        ):
            value = taken[int((len(taken) - 1) * share)] * 1_000
            found[f"{kind}, {name}"] = Fact(value=value, unit="ms", goal=goal)
        found[f"{kind}, denials"] = Fact(value=len(taken), unit="denials")
    return facts(f"A withdrawal on its way to {propagation.SIDECARS} sidecars", found)


def measure_engine(*, is_quick: bool) -> Figures:
    """One evaluation in process, at 10 to 40,000 rules."""
    counts = RULE_COUNTS[:-1] if is_quick else RULE_COUNTS
    series = engine.measure(
        rule_counts=counts,
        rounds=3 if is_quick else 15,
        evaluations=500 if is_quick else 5000,
        say=say,
    )
    goals = {f"{count} rules": "0.90 to 1.10" for count in counts}
    return table("Engine: CPU of one evaluation", series, "100 rules", goals)


def measure_client(*, is_quick: bool) -> Figures:
    """An answer that the client kept."""
    checks = 20_000 if is_quick else 100_000
    series = client_cache.measure(rounds=3 if is_quick else 15, checks=checks, say=say)
    goals = {"kept": "1 to 2 us"}
    return table("Client cache: time of one check at the caller's side", series, "bare call", goals)


def measure_ledger(*, is_quick: bool) -> Figures:
    """Durable events, one and many in a transaction, next to a bare INSERT and commit."""
    found = ledger.measure(rounds=3 if is_quick else 9, events=200 if is_quick else 1_000, say=say)
    shown: Figures = {}
    for size, series in found.items():
        what = "one event" if size == 1 else f"{size:,} events"
        title = f"Ledger (SQLite), {what} a commit: wall time of a durable event"
        goals = {"ledger": "<= 2.00"} if size == 1 else {}
        shown[f"batch_{size}"] = table(title, series, "bare", goals)
        for side in series.rounds:
            print(f"  {side}: {1e6 / series.median(side):,.0f} durable events a second")
    return shown


def measure_peers(*, is_quick: bool) -> Figures:
    """Other engines with the same policy and the same question."""
    shown: Figures = {"in_process": _in_process(100, 3 if is_quick else 5)}
    for rules in () if is_quick else (10, 1_000, 10_000):
        shown[f"in_process_{rules}_rules"] = _in_process(rules, 3)
    if not h2.is_there():
        print(f"\nServers beside others: left out, {NO_LOAD}")
        return shown | {"missing": NO_LOAD}
    for rules, rounds in {100: 3}.items() if is_quick else PEER_ROUNDS.items():
        found, missing = peer_series.measure_servers(
            rule_count=rules, rounds=rounds, calls=1_500, in_flight=(1, 16, 64), say=say
        )
        for number, series in found.items():
            has_cerbos = "cerbos" in series.rounds
            title = f"Servers, {rules:,} rules, {number} in flight: server CPU per call"
            goals = {"hit": "<= 0.65", "miss": "<= 0.65"} if has_cerbos else {}
            key = f"servers_{rules}_rules_{number}_in_flight"
            shown[key] = table(title, series, "cerbos" if has_cerbos else "hit", goals, missing)
    try:
        shown |= _with_cerbos(rounds=3 if is_quick else 5, seconds=2 if is_quick else 3)
    except PeerMissingError as problem:
        print(f"\nOpen loop and batches beside Cerbos: left out, {problem}")
        shown["open_loop"] = {"missing": str(problem)}
    return shown


def _in_process(rules: int, rounds: int) -> Figures:
    series, missing = peer_series.measure_in_process(
        rule_count=rules,
        rounds=rounds,
        evaluations=max(10, 20_000 // rules),
        say=say,
        with_opa=rules == goals.RULES,
    )
    title = f"In process, {rules:,} rules: CPU of one decision"
    others = {side: ">= 10" for side in series.rounds if side != "consentry"}
    return table(f"{title}, each beside ours", series, "consentry", others, missing)


def _with_cerbos(*, rounds: int, seconds: int) -> Figures:
    series = peer_series.measure_open_loop(rounds=rounds, seconds=seconds, say=say)
    title = f"{peer_series.OPEN_RATE:,} calls a second offered: p99 that callers see"
    shown: Figures = {"open_loop": table(title, series, "cerbos", {"ours": "<= 0.25"})}
    series = peer_series.measure_batches(rounds=rounds, say=say)
    title = "Largest batch (ours 1,000, Cerbos 50): server CPU per check"
    shown["batch"] = table(title, series, "cerbos", {"ours": "<= 0.05"})
    return shown


def measure_overload(*, is_quick: bool) -> Figures:
    """Three times its capacity, on few connections and on many, and on more than it is made for."""
    if not h2.is_there():
        print(f"\nOverload: left out, {NO_LOAD}")
        return {"missing": NO_LOAD}
    shown: Figures = {}
    for connections in (4, 16, 32):
        result = overload.measure(
            rounds=2 if is_quick else 3,
            seconds=1 if is_quick else 2,
            connections=connections,
            say=say,
        )
        title = f"At three times its capacity, {connections} connections"
        shown[f"connections_{connections}"] = facts(title, overload.told(result))
    return shown


def measure_envoy(*, is_quick: bool) -> Figures:
    """What a question costs a request that goes through a real Envoy."""
    rounds, requests = (3, 100) if is_quick else (12, 500)
    found = envoy.measure(rounds=rounds, requests=requests, say=say)
    return facts("Behind Envoy, one request in flight, added to a request's time", found)


PARTS: Final[dict[str, Part]] = {
    "unary": Part(measure_unary, 95, 14),
    "batch": Part(measure_batch, 6, 4),
    "stream": Part(measure_stream, 20, 6),
    "engine": Part(measure_engine, 18, 8),
    "client": Part(measure_client, 10, 4),
    "cache": Part(measure_cache, 25, 12),
    "reload": Part(measure_reload, 85, 14),
    "conditions": Part(measure_conditions, 90, 16),
    "start": Part(measure_start, 18, 10),
    "people": Part(measure_people, 85, 10),
    "ledger": Part(measure_ledger, 8, 4),
    "propagation": Part(measure_propagation, 22, 10),
    "envoy": Part(measure_envoy, 24, 8),
    "overload": Part(measure_overload, 75, 26),
    "profile": Part(measure_profile, 25, 8),
    "peers": Part(measure_peers, 245, 26),
}
"""By the names that `--only` takes. All together: less than fifteen minutes, or three."""
