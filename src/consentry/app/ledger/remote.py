"""The same for a ledger whose sidecar is running: asked of it."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import CommandError
from consentry.app.output import ProgressBar, counted, err, out
from consentry.app.reaching import add_reach, reach_of
from consentry.client import ConsentryError
from consentry.client.keeper import LedgerKeeper, RefusedError
from consentry.model.consent import ConsentEvent
from consentry.server.consent_codec import encode_event

_POLL_S: Final = 0.2
_EVENT_FIELD: Final = re.compile(r"events\[(\d+)\]\.?(.*)")


def add_target(parser: argparse.ArgumentParser) -> None:
    """The flags that name a running sidecar and say who asks."""
    parser.add_argument(
        "--target", metavar="ADDRESS", help="ask the running sidecar at this address instead"
    )
    add_reach(parser)


@contextmanager
def sidecar_at(options: argparse.Namespace) -> Iterator[LedgerKeeper]:
    """A client whose failures end the command.

    Raises:
        CommandError: no answer came, or what the flags name cannot be used.
    """
    try:
        reach = reach_of(options)
        keeper = LedgerKeeper(options.target, tls=reach.tls, token=reach.token)
    except (OSError, ValueError) as problem:
        raise CommandError(str(problem), ExitCode.USAGE) from problem
    with keeper as client:
        try:
            yield client
        except ConsentryError as problem:
            raise CommandError(str(problem), ExitCode.LEDGER) from problem


def verify_remote(options: argparse.Namespace) -> ExitCode:
    """Lets the sidecar walk its chain anew and follows it."""
    bar = ProgressBar("verifying")
    with sidecar_at(options) as client:
        answer = client.verify_ledger(again=True)
        while not answer.HasField("ended_at"):
            bar(answer.verified_position, answer.ledger_position)
            time.sleep(_POLL_S)
            answer = client.verify_ledger()
    bar.close()
    found: dict[str, Any] = {
        "holds": answer.is_done,
        "position": answer.verified_position,
        "digest": answer.digest.hex(),
        "erased": answer.erased_count,
    }
    if answer.HasField("fault"):
        found |= {"position": answer.fault.position or None, "fault": answer.fault.code}
    if options.json:
        out().json(found)
    elif answer.HasField("fault"):
        where = f" at position {answer.fault.position}" if answer.fault.position else ""
        err().line(f"consentry ledger verify: {answer.fault.code}{where}")
    elif answer.is_done:
        rows = counted(answer.verified_position, "row")
        out().line(f"it holds: {rows} up to {answer.verified_position}:{answer.digest.hex()}")
    else:
        err().line("consentry ledger verify: the sidecar could not read its ledger; see its log")
    return ExitCode.OK if answer.is_done else ExitCode.FINDINGS


class RemoteRecorder:
    """Into the ledger of a running sidecar, which looks at every event itself."""

    def __init__(self, client: LedgerKeeper) -> None:
        self._client: Final = client

    def record(self, events: Sequence[ConsentEvent]) -> tuple[int, dict[int, tuple[str, str]]]:
        """How many are new; what was refused of them, by index: field and code.

        Raises:
            ConsentryError: no answer came.
        """
        messages = [encode_event(event).event for event in events]
        refused: dict[int, tuple[str, str]] = {}
        while len(refused) < len(messages):
            left = [index for index in range(len(messages)) if index not in refused]
            try:
                answer = self._client.record(messages[index] for index in left)
            except RefusedError as problem:
                named = [_EVENT_FIELD.fullmatch(field) for field, _ in problem.violations]
                for match, (_, code) in zip(named, problem.violations, strict=True):
                    if match is None:
                        raise
                    refused.setdefault(left[int(match[1])], (match[2], code))
            else:
                return sum(not told.is_replay for told in answer.recorded), refused
        return 0, refused
