"""What a sidecar keeps, read from outside: a person's events, and policy sets by their digest.

Only reads, so a running sidecar is not in the way.
"""

from __future__ import annotations

from pathlib import Path

from consentry.app.policy_files import Compiled, compile_set
from consentry.app.question_input import QuestionError
from consentry.app.state_folder import ARCHIVE_FOLDER, LEDGER_FILE, LEDGER_FOLDER
from consentry.consent.resolver import SubjectView
from consentry.consent.sqlite_person import read_events


def ledger_of(state: Path) -> Path:
    """The ledger's file in a state folder.

    Raises:
        QuestionError: there is none.
    """
    path = state / LEDGER_FOLDER / LEDGER_FILE
    if not path.is_file():
        raise QuestionError(f"`{state}` holds no ledger")
    return path


def read_person(
    state: Path, data_subject_id: str, position: int | None, now_us: int
) -> SubjectView:
    """The person's events up to a ledger position, or all, as one reading.

    What was received after `now_us` is not seen, as it was not then.

    Raises:
        LedgerError: the ledger cannot be read.
        QuestionError: there is none, or it is not there yet.
    """
    newest, events = read_events(ledger_of(state), data_subject_id)
    if position is not None and position > newest:
        raise QuestionError(f"the ledger stands at position {newest}")
    at = newest if position is None else position
    seen = tuple(event for event in events if event.position <= at)
    revision = seen[-1].position if seen else 0
    return SubjectView(seen, revision=revision, position=at, read_at_us=now_us)


def compile_archived(state: Path, digest: str) -> Compiled:
    """The policy set that was active under `digest`, compiled anew.

    Raises:
        QuestionError: it is not in the archive, or damaged.
    """
    try:
        return compile_set(f"{state / ARCHIVE_FOLDER}:{digest}")
    except ValueError as problem:
        raise QuestionError(str(problem)) from None
