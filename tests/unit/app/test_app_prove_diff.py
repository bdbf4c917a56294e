"""`prove` and `diff` as an author and a script meet them: status, text, JSON, seeded faults."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from consentry.pdp.archive import PolicyArchive
from consentry.pdp.sources import read_packs, read_policy_folder

Run = Callable[..., subprocess.CompletedProcess[str]]
SINCE = ("--since", "2026-05-01")


def without(policies: Path, file: str, declaration: str) -> None:
    """Takes one declaration out of a file, and all tests out of the set."""
    path = policies / file
    before, found, rest = path.read_text().partition(f"{declaration} ")
    assert found
    path.write_text(before + rest.partition("\n}\n")[2])
    for tests in policies.glob("*.tests.policy"):
        tests.unlink()


def test_promises_of_the_shop_are_proven(consentry: Run) -> None:
    told = consentry("prove", "policies", *SINCE)

    assert told.returncode == 0, told.stdout
    assert "0 refuted, 0 undecided" in told.stdout


def test_forbid_taken_away_breaks_a_promise(consentry: Run, policies: Path) -> None:
    without(policies, "marketing.policy", "oblige ask_for_date_of_birth")
    without(policies, "marketing.policy", "forbid children_not_targeted")

    told = consentry("prove", str(policies), *SINCE)

    assert told.returncode == 1
    assert "refuted   children_profiled at promises.policy:" in told.stdout
    assert "    test never_children_profiled" in told.stdout
    assert "1 refuted" in told.stdout


def test_example_of_a_broken_promise_fails_when_pasted(consentry: Run, policies: Path) -> None:
    without(policies, "marketing.policy", "oblige ask_for_date_of_birth")
    without(policies, "marketing.policy", "forbid children_not_targeted")
    told = json.loads(consentry("prove", str(policies), *SINCE, "--json").stdout)
    (broken,) = [one for one in told["promises"] if one["verdict"] == "refuted"]

    (policies / "pasted.policy").write_text(broken["example"])

    assert consentry("fmt", "--check", str(policies / "pasted.policy")).returncode == 0
    assert consentry("test", str(policies)).returncode == 1


def test_undecided_promise_has_a_status_of_its_own(consentry: Run) -> None:
    told = consentry("prove", "policies", *SINCE, "--limit", "3")

    assert told.returncode == 5
    assert "too large: " in told.stdout


def test_promise_that_is_not_there_is_a_finding(consentry: Run) -> None:
    told = consentry("prove", "policies", "--promise", "no_such")

    assert told.returncode == 1
    assert "no such promise" in told.stdout


def test_set_with_errors_proves_nothing(consentry: Run, policies: Path) -> None:
    (policies / "broken.policy").write_text("never sold { may sel }\n")

    assert consentry("prove", str(policies)).returncode == 1
    assert json.loads(consentry("prove", str(policies), "--json").stdout)["is_proven"] is False


def test_same_set_differs_nowhere(consentry: Run) -> None:
    told = consentry("diff", "policies", "policies", *SINCE)

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("nobody may do more (0 cases of 0 questions")


def test_widened_access_is_shown_and_fails(consentry: Run, policies: Path) -> None:
    without(policies, "marketing.policy", "forbid signal_honoured")

    told = consentry("diff", "policies", str(policies), *SINCE)

    assert told.returncode == 1
    assert "widened      denied before, permitted now:" in told.stdout
    assert "    test widened_example" in told.stdout
    assert "signal { gpc = true }" in told.stdout


def test_narrowed_access_passes_unless_any_change_counts(consentry: Run, policies: Path) -> None:
    file = policies / "service.policy"
    file.write_text(file.read_text() + "forbid no_orders { for service.orders }\n")

    told = consentry("diff", "policies", str(policies), *SINCE)

    assert told.returncode == 0
    assert "narrowed" in told.stdout
    assert consentry("diff", "policies", str(policies), *SINCE, "--any").returncode == 1


def test_diff_as_json_has_the_same_content(consentry: Run, policies: Path) -> None:
    file = policies / "service.policy"
    file.write_text(file.read_text().replace("last 4", "last 6"))

    told = json.loads(consentry("diff", "policies", str(policies), *SINCE, "--json").stdout)

    (change,) = told["changes"]
    assert told["grants_more"] is True
    assert change["kind"] == "weakened"
    assert (change["before"]["mask"], change["after"]["mask"]) == ("last 4", "last 6")
    assert change["example"].startswith("test weakened_example")


def test_set_that_was_active_is_found_by_the_start_of_its_digest(
    consentry: Run, policies: Path, tmp_path: Path
) -> None:
    sources, _ = read_policy_folder(policies)
    archive = tmp_path / "archive"
    digest = json.loads(consentry("check", str(policies), "--json").stdout)["digest"]
    PolicyArchive(archive).keep(digest, sources, read_packs(), "1")
    without(policies, "marketing.policy", "forbid signal_honoured")

    told = consentry("diff", f"{archive}:{digest[:8]}", str(policies), *SINCE)

    assert told.returncode == 1
    assert consentry("diff", f"{archive}:ffffff", "policies").returncode == 2


def test_limit_of_cases_is_named(consentry: Run, policies: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(policies, tmp_path / "other"))
    without(other, "marketing.policy", "forbid signal_honoured")

    told = consentry("diff", str(policies), str(other), *SINCE, "--limit", "1")

    assert told.returncode == 5
    assert "undecided" in told.stdout
