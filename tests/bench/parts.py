"""The parts of the benchmark: what each measures, and the goals that stand beside its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.bench import (
    client_cache,
    engine,
    envoy,
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
from tests.bench.report import Figures, facts, say, table

RULE_COUNTS: Final = (10, 100, 1_000, 10_000, 40_000)


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
    for in_flight in (1, 16):
        series = unary.measure(
            rounds=3 if is_quick else 15,
            calls=500 if is_quick else 2000,
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
    rounds = 10 if is_quick else 60
    shown: Figures = {}
    print(f"\nPropagation of a withdrawal to {propagation.SIDECARS} sidecars, ms")
    print(f"  {'':<14}{'p50':>9}{'p99':>9}{'worst':>9}   goal")
    for kind in ("direct", "node"):
        taken = [s * 1_000 for s in propagation.measure(kind, rounds, say)]
        at = [taken[int((len(taken) - 1) * share)] for share in (0.5, 0.99, 1.0)]
        figures = "".join(f"{ms:>9.1f}" for ms in at)
        print(f"  {kind:<14}{figures}   p50 <= 50, p99 <= 250")
        shown[kind] = {"p50_ms": at[0], "p99_ms": at[1], "worst_ms": at[2], "count": len(taken)}
    return shown


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
        shown[f"batch_{size}"] = table(title, series, "bare", {})
        for side in series.rounds:
            print(f"  {side}: {1e6 / series.median(side):,.0f} durable events a second")
    return shown


def measure_peers(*, is_quick: bool) -> Figures:
    """Other engines with the same policy and the same question."""
    rounds = 3 if is_quick else 7
    shown: Figures = {}
    series, missing = peer_series.measure_in_process(
        rule_count=100, rounds=rounds, evaluations=200, say=say
    )
    shown["in_process"] = table(
        "In process, 100 rules: CPU of one decision (ratio of ours to each: turn it round)",
        series, "consentry", {side: ">= 10" for side in series.rounds if side != "consentry"},
        missing,
    )  # fmt: skip
    if not h2.is_there():
        print(f"\nServers beside others: left out, {NO_LOAD}")
        return shown | {"missing": NO_LOAD}
    for rules in (100,) if is_quick else (10, 100, 1_000, 10_000):
        found, missing = peer_series.measure_servers(
            rule_count=rules, rounds=rounds, calls=1_500, in_flight=(1, 16, 64), say=say
        )
        for number, series in found.items():
            base = "cerbos" if "cerbos" in series.rounds else "hit"
            title = f"Servers, {rules} rules, {number} in flight: server CPU per call"
            goals = {"hit": "<= 0.65", "evaluated": "<= 0.65"}
            key = f"servers_{rules}_rules_{number}_in_flight"
            shown[key] = table(title, series, base, goals, missing)
    try:
        shown |= _with_cerbos(rounds=rounds, seconds=2 if is_quick else 4)
    except PeerMissingError as problem:
        print(f"\nOpen loop and batches beside Cerbos: left out, {problem}")
        shown["open_loop"] = {"missing": str(problem)}
    return shown


def _with_cerbos(*, rounds: int, seconds: int) -> Figures:
    series = peer_series.measure_open_loop(rounds=rounds, seconds=seconds, say=say)
    title = f"{peer_series.OPEN_RATE:,} calls a second offered: p99 that callers see"
    shown: Figures = {"open_loop": table(title, series, "cerbos", {"ours": "<= 0.25"})}
    series = peer_series.measure_batches(rounds=rounds, say=say)
    title = "Largest batch (ours 1,000, Cerbos 50): server CPU per check"
    shown["batch"] = table(title, series, "cerbos", {"ours": "<= 0.05"})
    return shown


def measure_overload(*, is_quick: bool) -> Figures:
    """Three times its capacity, on few connections and on many."""
    if not h2.is_there():
        print(f"\nOverload: left out, {NO_LOAD}")
        return {"missing": NO_LOAD}
    shown: Figures = {}
    for connections in (4, 16):
        result = overload.measure(
            rounds=3 if is_quick else 9,
            seconds=2 if is_quick else 5,
            connections=connections,
            say=say,
        )
        title = f"At three times its capacity, {connections} connections"
        shown[f"connections_{connections}"] = facts(title, overload.told(result))
    return shown


def measure_envoy(*, is_quick: bool) -> Figures:
    """What a question costs a request that goes through a real Envoy."""
    rounds, requests = (3, 100) if is_quick else (20, 500)
    found = envoy.measure(rounds=rounds, requests=requests, say=say)
    return facts("Behind Envoy, one request in flight, added to a request's time", found)


PARTS: Final[dict[str, Part]] = {
    "unary": Part(measure_unary, 85, 14),
    "batch": Part(measure_batch, 25, 8),
    "stream": Part(measure_stream, 40, 8),
    "engine": Part(measure_engine, 50, 14),
    "client": Part(measure_client, 15, 5),
    "cache": Part(measure_cache, 50, 12),
    "reload": Part(measure_reload, 100, 18),
    "conditions": Part(measure_conditions, 60, 12),
    "start": Part(measure_start, 45, 12),
    "people": Part(measure_people, 65, 8),
    "ledger": Part(measure_ledger, 25, 6),
    "propagation": Part(measure_propagation, 45, 10),
    "envoy": Part(measure_envoy, 45, 12),
    "overload": Part(measure_overload, 50, 10),
    "profile": Part(measure_profile, 35, 8),
    "peers": Part(measure_peers, 140, 22),
}
"""By the names that `--only` takes. All together: fifteen minutes, or three."""
