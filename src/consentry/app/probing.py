"""Withdraws for a made-up person and asks sidecars until each of them denies."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from consentry.app.reaching import PLAIN, Reach
from consentry.client import Client, ConsentryError, Subject, event
from consentry.client.questions import Principal
from consentry.model.consent import PROBE_PREFIX
from consentry.telemetry.probe_file import PROBE_METRIC

METRIC: Final = PROBE_METRIC
_HELP: Final = (
    "From an acknowledged withdrawal of a made-up person to the first denial. Page above the"
    " freshness bound."
)
_PAUSE_S: Final = 0.005


class ProbeError(Exception):
    """The probe could not be made; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeQuestion:
    """What is asked about the made-up person: something that consent alone permits."""

    principal: Principal
    action: str
    data: tuple[str, ...]
    purpose: str
    channel: str = ""
    subject_attributes: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Probed:
    """One sidecar: seconds from the acknowledged withdrawal to its first denial; None: never.

    `reason` is that of its last answer.
    """

    target: str
    seconds: float | None
    reason: str


@dataclass(slots=True)
class _Asked:
    """What one sidecar said last."""

    is_permitted: bool = False
    reason: str = "unavailable"


def probe(
    targets: Sequence[str],
    asked: ProbeQuestion,
    *,
    timeout_s: float,
    tell: Callable[[str], None],
    reach: Reach = PLAIN,
) -> list[Probed]:
    """Gives consent at the first sidecar, waits until all permit, withdraws, and times each.

    The person's id begins with `consentry-probe-`, so that it is told from people's.

    Raises:
        ProbeError: an event could not be recorded, or a sidecar does not permit with consent: then
            its denials after the withdrawal would say nothing.
    """
    person = f"{PROBE_PREFIX}{uuid.uuid4().hex}"
    clients = [
        Client(target, timeout_s=1.0, tls=reach.tls, token=reach.token) for target in targets
    ]
    try:
        with ThreadPoolExecutor(len(clients)) as pool:
            tell("recording consent")
            _record(clients[0], "given", person, asked)
            tell("waiting until every sidecar permits")
            permits = pool.map(
                lambda client: _until(client, person, asked, is_permitted=True, limit_s=timeout_s),
                clients,
            )
            for target, (_, last) in zip(targets, permits, strict=True):
                if not last.is_permitted:
                    raise ProbeError(f"{target} does not permit with consent: {last.reason}")
            tell("withdrawing")
            has_withdrawn = threading.Event()
            began_s = [0.0]

            def time_one(client: Client) -> tuple[float | None, _Asked]:
                has_withdrawn.wait()
                at_s, last = _until(client, person, asked, is_permitted=False, limit_s=timeout_s)
                return (None if at_s is None else max(0.0, at_s - began_s[0])), last

            waiting = [pool.submit(time_one, client) for client in clients]
            try:
                _record(clients[0], "withdrawn", person, asked)
            finally:
                began_s[0] = time.monotonic()
                has_withdrawn.set()
            answers = [future.result() for future in waiting]
    finally:
        for client in clients:
            client.close()
    return [
        Probed(target, seconds, last.reason)
        for target, (seconds, last) in zip(targets, answers, strict=True)
    ]


def metrics_text(probed: Sequence[Probed], timeout_s: float) -> str:
    """The result for Prometheus; one that never denied has infinity."""
    lines = [
        f"# HELP {METRIC} {_HELP} +Inf: none within {timeout_s:g} s.",
        f"# TYPE {METRIC} gauge",
    ]
    for one in probed:
        target = one.target.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        value = "+Inf" if one.seconds is None else repr(one.seconds)
        lines.append(f'{METRIC}{{sidecar="{target}"}} {value}')
    return "\n".join(lines) + "\n"


def _record(client: Client, kind: str, person: str, asked: ProbeQuestion) -> None:
    given = {"notice": asked.notice, "qualities": ("explicit",)} if kind == "given" else {}
    try:
        client.record_consent(
            event(kind, person, purpose=asked.purpose, proof_method="probe", **given)  # type: ignore[arg-type]  # by name
        )
    except ConsentryError as problem:
        raise ProbeError(f"the event `{kind}` was not recorded: {problem}") from problem


def _until(
    client: Client, person: str, asked: ProbeQuestion, *, is_permitted: bool, limit_s: float
) -> tuple[float | None, _Asked]:
    """When the sidecar first answered so, None: not in time; and its last answer.

    A sidecar that gives no answer has not denied: whoever asks it is denied by the client, but
    what it would say is not known.
    """
    last, end_s = _Asked(), time.monotonic() + limit_s
    while time.monotonic() < end_s:
        decision = client.check(
            principal=asked.principal,
            action=asked.action,
            data=asked.data,
            subject=Subject(id=person, attributes=dict(asked.subject_attributes)),
            purpose=asked.purpose,
            channel=asked.channel,
        )
        last = _Asked(decision.is_permitted, decision.reason)
        if decision.is_answered and decision.is_permitted is is_permitted:
            return time.monotonic(), last
        time.sleep(_PAUSE_S)  # a probe must not be a load
    return None, last
