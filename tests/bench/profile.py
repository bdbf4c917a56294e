"""Where the processor time of a hit and of a miss goes.

Two looks that fit together. From outside: what each thread of a sidecar under load takes per call,
by the kernel's accounts. From inside: stacks of the decision point's own path, called in a loop in
this process, one for each tick of the processor time it uses. The rest of the check threads is
grpcio's layer, and what our own code takes longer for when it runs cold.
"""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from types import FrameType

from consentry.app.settings_loading import load_settings
from consentry.app.wiring import Application
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from tests.bench import h2
from tests.bench.equal_work import PERSON, Question, consentry_files, consentry_request
from tests.bench.measure import pin, thread_cpu_ns
from tests.bench.peer_series import NO_CACHE, Say, ours_running
from tests.bench.peers import install
from tests.bench.report import Figures

Stack = tuple[str, ...]
QUESTION = Question(100)
TICK_S = 0.001
SMALL_CACHE = 200
"""Answers kept in the run of misses: each question is forgotten before it comes again."""

ROOMS = {
    "engine": "evaluate",
    "consent": "the person's consent",
    "telemetry": "count and log",
    "pdp": "decision point",
    "server": "decode and check the question",
    "app": "clock and ids",
}
ENCODING = ("encode", "moment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """The path of one kind of check: microseconds a call, and stacks by how often seen."""

    us: float
    stacks: Counter[Stack]

    def by_work(self) -> dict[str, float]:
        """Microseconds of each kind of work, the largest first."""
        found: Counter[str] = Counter()
        for stack, count in self.stacks.items():
            found[work_of(stack)] += count
        total = sum(found.values())
        return {work: self.us * count / total for work, count in found.most_common()}


def work_of(stack: Stack) -> str:
    """What the innermost frame of ours in a stack works on."""
    for frame in reversed(stack):
        module, _, function = frame.rpartition(":")
        room = module.partition(".")[0]
        if module.startswith("pdp.cache"):
            return "answer cache"
        if room == "server":
            is_answer = any(f.rpartition(":")[2].startswith(ENCODING) for f in stack)
            return "write the answer" if is_answer else ROOMS[room]
        if room == "pdp" and function.startswith("audit"):
            return ROOMS["telemetry"]
        if room in ROOMS:
            return ROOMS[room]
    return "decision point"


class Sampler:
    """Notes the stack of this thread, below the caller's frame, at each tick of processor time."""

    def __init__(self) -> None:
        self.stacks: Counter[Stack] = Counter()

    @contextmanager
    def running(self) -> Iterator[None]:
        """While inside. Main thread only."""
        before = signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, TICK_S, TICK_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def _take(self, _number: int, frame: FrameType | None) -> None:
        found: list[str] = []
        while frame is not None and frame.f_code.co_name != "drive":
            module = str(frame.f_globals.get("__name__", ""))
            found.append(f"{module.removeprefix('consentry.')}:{frame.f_code.co_name}")
            frame = frame.f_back
        if frame is not None and found:
            self.stacks[tuple(reversed(found))] += 1


def drive(ask: Callable[[bytes], bytes], bodies: Sequence[bytes], seconds: float) -> Inside:
    """Asks again and again, and notes where the time goes."""
    sampler, calls, endless = Sampler(), 0, cycle(bodies)
    began_s = time.process_time()
    with sampler.running():
        while (used_s := time.process_time() - began_s) < seconds:
            for _ in range(500):
                ask(next(endless))
            calls += 500
    return Inside(us=used_s * 1e6 / calls, stacks=sampler.stacks)


@contextmanager
def application(settings: str) -> Iterator[Application]:
    """A whole sidecar without doors, with the shared policy and the consent; no thread runs."""
    with tempfile.TemporaryDirectory() as folder:
        policies, config = Path(folder, "policies"), Path(folder, "consentry.toml")
        policies.mkdir()
        for name, text in consentry_files(QUESTION.rule_count).items():
            (policies / name).write_text(text)
        config.write_text(f"[audit]\ncapacity = 4000000\n{settings}")
        flags = {"policies": {"path": str(policies)}, "state": {"path": f"{folder}/state"}}
        made = Application(load_settings(flags, config))
        try:
            made.load_first()
            event = ConsentEvent(
                kind=EventKind.GIVEN,
                data_subject_id=PERSON,
                scope=Scope(purpose=QUESTION.purpose),
                happened_at_us=0,
                proof=Proof(method="form"),
                idempotency_key="profile",
            )
            made.ledger.record([event])
            yield made
        finally:
            made.close()


def inside(*, seconds: float, say: Say) -> dict[str, Inside]:
    """Both kinds of check, in this process."""
    found = {}
    sizes = {"hit": (50_000, 1), "miss": (SMALL_CACHE, SMALL_CACHE * 5)}
    for kind, (kept, questions) in sizes.items():
        say(f"inside: {kind}")
        bodies = [consentry_request(QUESTION, n).SerializeToString() for n in range(questions)]
        with application(f"[cache]\nmax_entries = {kept}\n") as made:
            found[kind] = drive(made.point.check_bytes, bodies, seconds)
    return found


def outside(*, calls: int, say: Say) -> dict[str, dict[str, float]]:
    """Microseconds of each kind of thread for a call, sixteen in flight, by kind of check.

    Raises:
        PeerMissingError: the tool that names the threads cannot be had.
    """
    found = {}
    for kind, settings in {"hit": "", "miss": NO_CACHE}.items():
        say(f"outside: {kind}")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            side, sidecar = stack.enter_context(ours_running(QUESTION, folder, settings))
            pin(0, 1)
            h2.load(side.door, side.body, calls=calls, streams=16)
            roles = _roles(sidecar.pid)
            before = thread_cpu_ns(sidecar.pid)
            h2.load(side.door, side.body, calls=calls, streams=16)
            found[kind] = _by_role(roles, before, thread_cpu_ns(sidecar.pid), calls)
    return found


def _by_role(
    roles: dict[int, str], before: dict[int, int], after: dict[int, int], calls: int
) -> dict[str, float]:
    spent: Counter[str] = Counter()
    for task, ns in after.items():
        spent[roles.get(task, "threads of grpc's core")] += ns - before.get(task, 0)
    return {role: ns / 1000 / calls for role, ns in spent.most_common()}


def _roles(pid: int) -> dict[int, str]:
    """What each thread of Python is there for."""
    tool = install.python().with_name("py-spy")
    command = [str(tool), "dump", "--json", "--nonblocking", "--pid", str(pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise install.PeerMissingError(f"py-spy cannot look at the sidecar: {last[:200]}")
    return {thread["os_thread_id"]: _role(thread) for thread in json.loads(done.stdout)}


def _role(thread: dict[str, object]) -> str:
    frames = thread["frames"]
    assert isinstance(frames, list)
    names = {str(frame["name"]).rpartition(".")[2] for frame in frames}
    files = {str(frame["filename"]) for frame in frames}
    if "_serve" in names:
        return "polling thread of grpcio"
    if any(file.endswith("server/pools.py") for file in files):
        return "check threads"
    if any("telemetry" in file for file in files):
        return "writer of the decision log"
    return "other threads"


def told(calls: dict[str, dict[str, float]], found: dict[str, Inside]) -> Figures:
    """Both looks as figures: by kind of check, work and microseconds, and the stacks."""
    return {
        kind: {
            "title": f"Where the microseconds of a {kind} go, 16 in flight",
            "us": round(sum(calls[kind].values()), 3) if kind in calls else None,
            "threads": {role: round(us, 3) for role, us in calls.get(kind, {}).items()},
            "inside_us": round(looked.us, 3),
            "inside": {work: round(us, 3) for work, us in looked.by_work().items()},
            "stacks": {";".join(stack): count for stack, count in looked.stacks.most_common()},
        }
        for kind, looked in found.items()
    }
