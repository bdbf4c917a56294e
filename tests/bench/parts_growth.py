"""Parts about what grows and what goes on: the cache, reloads, the start, people, conditions."""

from __future__ import annotations

from tests.bench import answer_cache, conditions, h2, people, profile, reload, start
from tests.bench.peers.install import PeerMissingError
from tests.bench.report import Figures, facts, say, table

NO_LOAD = "h2load is not installed (Debian package nghttp2-client)"


def measure_cache(*, is_quick: bool) -> Figures:
    """Each way through the answer cache, and what it holds in memory."""
    series = answer_cache.measure_ways(
        rounds=3 if is_quick else 9, calls=300 if is_quick else 1_000, say=say
    )
    title = f"Answer cache, {answer_cache.IN_FLIGHT} in flight: server CPU per call"
    shown: Figures = {"ways": table(title, series, "hit", {})}
    rules, answers = (1_000, 10_000) if is_quick else (10_000, 100_000)
    found = answer_cache.measure_memory(rule_count=rules, answers=answers, say=say)
    shown["memory"] = facts("Memory of the sidecar's process (VmRSS)", found)
    return shown


def measure_reload(*, is_quick: bool) -> Figures:
    """What callers see beside reloads and consent changes; what one changed file costs."""
    shown: Figures = {}
    for rules in (100, 1_000) if is_quick else (100, 1_000, 10_000):
        series = reload.measure_changed_file(
            rule_count=rules, rounds=3 if is_quick or rules > 1_000 else 5, say=say
        )
        files = len(reload.split(rules))
        title = f"One changed file of {files}, {rules:,} rules: CPU of the compiler"
        shown[f"changed_file_{rules}_rules"] = table(title, series, "new child", {})
    if not h2.is_there():
        print(f"\nReloads beside checks: left out, {NO_LOAD}")
        return shown | {"missing": NO_LOAD}
    series = reload.measure_p99(
        rounds=3 if is_quick else 6, seconds=1 if is_quick else 2, rule_count=100, say=say
    )
    title = f"{reload.RATE:,} calls a second offered, beside: p99 that callers see"
    goals = dict.fromkeys(("reloads", "consent changes", "scrapes"), "<= 1.50")
    shown["p99"] = table(title, series, "quiet", goals | {"quiet again": "noise of the pair"})
    return shown


def measure_conditions(*, is_quick: bool) -> Figures:
    """Decision log off, on, strict, and scrapes; TCP and Unix socket, one process and two."""
    if not h2.is_there():
        print(f"\nConditions: left out, {NO_LOAD}")
        return {"missing": NO_LOAD}
    rounds, few, calls = (3, 3, 1_000) if is_quick else (9, 5, 3_000)
    shown: Figures = {}
    series = conditions.measure_telemetry(rounds=rounds, calls=calls, say=say)
    goals = {"all on": "<= 1.10", "off again": "noise of the pair"}
    title = "Decision log and scrapes, 16 in flight: server CPU per call"
    shown["telemetry"] = table(title, series, "off", goals)
    series = conditions.measure_doors(rounds=few, calls=calls, say=say)
    shown["doors"] = table("Doors: server CPU per call", series, "TCP, 1", {})
    cpu, wall = conditions.measure_workers(rounds=few, calls=calls * 2, say=say)
    what = f"{conditions.CHANNELS} channels of {conditions.STREAMS} calls"
    title = f"Worker processes, {what}: CPU of all of them per call"
    shown["workers_cpu"] = table(title, cpu, "1 process", {})
    title = f"Worker processes, {what}: wall time per call"
    shown["workers_wall"] = table(title, wall, "1 process", {})
    series = conditions.measure_strict(
        rounds=3 if is_quick else 5, seconds=1 if is_quick else 2, say=say
    )
    goals = {"strict": "<= 1.50", "disk alone": "a write and its sync"}
    goals["off again"] = "noise of the pair"
    title = f"Decision log, {conditions.RATE:,} calls a second offered: p99 that callers see"
    shown["strict"] = table(title, series, "off", goals)
    return shown


def measure_start(*, is_quick: bool) -> Figures:
    """The command, the sidecar on a ledger with events, and policy sets of several sizes."""
    shown: Figures = {
        "commands": facts(
            "Cold start of the command",
            start.measure_commands(rounds=3 if is_quick else 7, say=say),
        )
    }
    found = start.measure_serving(
        rule_count=1_000, events=10_000 if is_quick else 100_000, rounds=3, say=say
    )
    shown["serving"] = facts("Start of the sidecar", found)
    counts = (100, 1_000) if is_quick else (100, 1_000, 10_000)
    found = start.measure_compiling(rule_counts=counts, say=say)
    shown["compiling"] = facts("Policy sets", found)
    return shown


def measure_people(*, is_quick: bool) -> Figures:
    """A ledger with a million data subjects."""
    found = people.measure(
        people=20_000 if is_quick else 1_000_000,
        calls=300 if is_quick else 2_000,
        rounds=3 if is_quick else 7,
        say=say,
    )
    return facts("Data subjects in the ledger, 16 calls in flight", found)


def measure_profile(*, is_quick: bool) -> Figures:
    """Where the processor time of a hit and of a miss goes, by thread and by kind of work."""
    found = profile.inside(seconds=2 if is_quick else 5, say=say)
    calls: dict[str, dict[str, float]] = {}
    try:
        if h2.is_there():
            calls = profile.outside(calls=2_000 if is_quick else 10_000, say=say)
        else:
            print(f"\nThreads of a sidecar under load: left out, {NO_LOAD}")
    except PeerMissingError as problem:
        print(f"\nThreads of a sidecar under load: left out, {problem}")
    figures = profile.told(calls, found)
    for kind, looked in found.items():
        print(f"\nWhere the microseconds of a {kind} go, 16 in flight")
        for role, us in calls.get(kind, {}).items():
            print(f"  {role:<34}{us:>8.1f} us")
        print(f"  {'decision point, called in process':<34}{looked.us:>8.1f} us, of which")
        for work, us in looked.by_work().items():
            print(f"    {work:<32}{us:>8.2f} us")
    return figures
