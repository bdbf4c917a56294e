"""`consentry explain` on the command line: for three readers, from a file, from a ledger, past."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from consentry.app.state_folder import ARCHIVE_FOLDER, LEDGER_FILE, LEDGER_FOLDER
from consentry.app.system import ProcessIds
from consentry.consent.sqlite import SqliteLedger
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from consentry.model.values import midnight_us
from consentry.pdp.archive import PolicyArchive
from consentry.pdp.sources import read_packs, read_policy_folder

Run = Callable[..., subprocess.CompletedProcess[str]]
NEWSLETTER = (
    "--principal", "service:campaign-mailer", "--action", "contact",
    "--data", "customer.contact.email", "--subject", "s-1", "--subject-attr", "country=DE",
    "--purpose", "marketing.email", "--channel", "email", "--at", "2026-05-01T09:00:00Z",
)  # fmt: skip
QUESTION = json.dumps(
    {
        "principal": {"id": "campaign-mailer", "type": "service"},
        "action": "contact",
        "data": ["customer.contact.email"],
        "subject": {"id": "s-1", "attributes": [{"name": "country", "value": {"text": "DE"}}]},
        "purpose": "marketing.email",
        "channel": "email",
    }
)


class SettableClock:
    def __init__(self) -> None:
        self.at_us = midnight_us(date(2026, 3, 10))

    def now_us(self) -> int:
        return self.at_us

    def monotonic_s(self) -> float:
        return self.at_us / 1_000_000


def act(kind: EventKind, purpose: str, day: date) -> ConsentEvent:
    return ConsentEvent(
        kind=kind,
        data_subject_id="s-1",
        scope=Scope(purpose=purpose),
        happened_at_us=midnight_us(day),
        idempotency_key=kind.value,
        notice="2026-03" if kind is EventKind.GIVEN else "",
        proof=Proof(method="form"),
    )


@pytest.fixture
def state(tmp_path: Path, project_root: Path) -> Iterator[Path]:
    """A sidecar's state: consent on 10 March, withdrawn on 1 April, the shop's policies kept."""
    folder = tmp_path / "state"
    (folder / LEDGER_FOLDER).mkdir(parents=True)
    clock = SettableClock()
    ledger = SqliteLedger(folder / LEDGER_FOLDER / LEDGER_FILE, clock=clock, ids=ProcessIds())
    ledger.record([act(EventKind.GIVEN, "marketing", date(2026, 3, 10))])
    clock.at_us = midnight_us(date(2026, 4, 1))
    ledger.record([act(EventKind.WITHDRAWN, "marketing.email", date(2026, 4, 1))])
    sources, _ = read_policy_folder(project_root / "policies")
    PolicyArchive(folder / ARCHIVE_FOLDER).keep(DIGEST, sources, read_packs(), "1")
    yield folder
    ledger.close()


DIGEST = "ab" * 32


def test_explanation_names_rules_events_and_the_smallest_change(consentry: Run) -> None:
    told = consentry("explain", "policies", *NEWSLETTER)

    assert told.returncode == 1
    assert told.stdout.startswith("DENY  consent_missing")
    assert "+ permit mail_newsletter  marketing.policy:2  <- used" in told.stdout
    assert "1. the person consents to `marketing.email`  -> consent_valid" in told.stdout


def test_conditions_are_told_part_by_part(consentry: Run) -> None:
    told = consentry(
        "explain", "policies", *NEWSLETTER, "--subject-attr", "country=FR",
        "--context", "campaign=TEST-1",
    )  # fmt: skip

    lines = [line.strip() for line in told.stdout.splitlines()]
    assert "true: has subject.country" in lines
    assert "false: subject.country in served_countries" in lines
    used = lines.index("+ forbid tests_reach_nobody  marketing.policy:61  <- used")
    assert lines[used + 1].startswith("so: when has context.campaign and")
    assert 'true: context.campaign like "TEST-*"' in lines[used:]


def test_customer_reads_one_sentence(consentry: Run) -> None:
    told = consentry("explain", "policies", *NEWSLETTER, "--for", "customer")

    assert told.stdout.count("\n") == 1
    assert "the person has not consented to this" in told.stdout


def test_json_holds_the_whole_tree(consentry: Run) -> None:
    told = consentry("explain", "policies", *NEWSLETTER, "--json")

    tree = json.loads(told.stdout)
    (leaf,) = tree["leaves"]
    assert (tree["effect"], tree["reason"]) == ("deny", "consent_missing")
    assert leaf["permits"][0]["name"] == "mail_newsletter"
    assert [regime["name"] for regime in leaf["regimes"]] == ["", "strict"]
    assert tree["changes"][0]["changes"][0]["kind"] == "consent"


def test_changes_are_left_out_when_not_wanted(consentry: Run) -> None:
    told = consentry("explain", "policies", *NEWSLETTER, "--no-changes", "--json")

    assert json.loads(told.stdout)["changes"] == []


def test_question_may_be_a_check_request_in_json(consentry: Run, tmp_path: Path) -> None:
    file = tmp_path / "asked.json"
    file.write_text(QUESTION)
    at = ("--at", "2026-05-01T09:00:00Z")

    of_file = consentry("explain", "policies", "--question", str(file), *at)
    of_stdin = consentry("explain", "policies", "--question", "-", *at, stdin=QUESTION)
    of_options = consentry("explain", "policies", *NEWSLETTER)

    assert of_file.stdout == of_stdin.stdout == of_options.stdout


def test_eval_takes_the_same_question(consentry: Run) -> None:
    told = consentry("eval", "policies", "--question", "-", stdin=QUESTION)

    assert (told.returncode, told.stdout.split()[:2]) == (1, ["DENY", "consent_missing"])


@pytest.mark.parametrize(
    ("words", "stdin", "problem"),
    [
        (("--question", "-"), "{", "is not a CheckRequest"),
        (("--question", "-"), '{"action": "read"}', "principal.id"),
        (("--question", "nowhere.json"), "", "cannot be read"),
        (("--question", "-", "--action", "read"), QUESTION, "leave out --action"),
        (("--principal", "service:x"), "", "say --action, --data, --subject"),
        ((*NEWSLETTER, "--position", "1"), "", "--position needs --state"),
        ((*NEWSLETTER, "--policy-digest", DIGEST), "", "--policy-digest needs --state"),
        ((*NEWSLETTER, "--state", "no/such/folder"), "", "holds no ledger"),
    ],
)
def test_what_makes_no_question_is_refused(
    consentry: Run, words: tuple[str, ...], stdin: str, problem: str
) -> None:
    told = consentry("explain", "policies", *words, stdin=stdin)

    assert told.returncode == 2
    assert problem in told.stderr
    assert "Traceback" not in told.stderr


def test_events_come_from_the_ledger_of_a_running_sidecar(consentry: Run, state: Path) -> None:
    told = consentry("explain", "policies", *NEWSLETTER, "--state", str(state))

    assert told.stdout.startswith("DENY  consent_withdrawn")
    assert "ledger position 2" in told.stdout
    assert "withdrew from marketing.email: ends the consents before it" in told.stdout


def test_answer_is_replayed_as_of_a_position(consentry: Run, state: Path) -> None:
    told = consentry("explain", "policies", *NEWSLETTER, "--state", str(state), "--position", "1")

    assert told.returncode == 0
    assert told.stdout.startswith("PERMIT  consent_valid")


def test_answer_is_replayed_as_of_a_moment(consentry: Run, state: Path) -> None:
    at = [*NEWSLETTER[:-1], "2026-03-20"]

    told = consentry("explain", "policies", *at, "--state", str(state))

    assert told.stdout.startswith("PERMIT  consent_valid")


def test_archived_policy_set_answers_by_its_digest(consentry: Run, state: Path) -> None:
    words = (*NEWSLETTER, "--state", str(state), "--policy-digest", DIGEST)

    told = consentry("explain", "no/such/policies", *words)
    unknown = consentry("explain", *words[:-1], "cd" * 32)

    assert told.stdout.startswith("DENY  consent_withdrawn")
    assert unknown.returncode == 2
    assert "keeps no policy set" in unknown.stderr


def test_position_that_the_ledger_has_not_reached_is_refused(consentry: Run, state: Path) -> None:
    told = consentry("explain", "policies", *NEWSLETTER, "--state", str(state), "--position", "9")

    assert told.returncode == 2
    assert "the ledger stands at position 2" in told.stderr


def test_file_that_is_no_ledger_leaves_with_the_ledgers_status(
    consentry: Run, tmp_path: Path
) -> None:
    file = tmp_path / LEDGER_FOLDER / LEDGER_FILE
    file.parent.mkdir()
    file.write_text("not a database, and long enough to be taken for a damaged one " * 40)

    told = consentry("explain", "policies", *NEWSLETTER, "--state", str(tmp_path))

    assert told.returncode == 4
    assert "Traceback" not in told.stderr
