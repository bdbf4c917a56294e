"""The author's verbs as an author and a script meet them: exit status, text and JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
EVAL = (
    "--principal", "service:campaign-mailer", "--role", "marketer",
    "--action", "contact", "--data", "customer.contact.email",
    "--subject", "s-1", "--subject-attr", "country=DE",
    "--purpose", "marketing.email", "--channel", "email", "--at", "2026-05-01T09:00:00Z",
)  # fmt: skip
GAVE = ("--event", 'gave marketing under notice "2026-03" on 2026-03-10')


def break_marketing(policies: Path) -> None:
    file = policies / "marketing.policy"
    file.write_text(file.read_text() + "forbid pause { for marketting }\n")


def test_check_of_the_shop_finds_nothing(consentry: Run) -> None:
    told = consentry("check", "policies", "--strict")

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("ok: ")


def test_check_points_at_the_wrong_word(consentry: Run, policies: Path) -> None:
    break_marketing(policies)

    told = consentry("check", str(policies))

    assert told.returncode == 1
    assert "error[R203]: unknown purpose `marketting`" in told.stdout
    assert "^^^^^^^^^^" in told.stdout
    assert "did you mean `marketing`?" in told.stdout
    assert told.stdout.rstrip().endswith("\n1 error")


def test_check_as_json_has_the_same_content(consentry: Run, policies: Path) -> None:
    break_marketing(policies)

    told = consentry("check", str(policies), "--json")

    report = json.loads(told.stdout)
    assert told.returncode == 1
    assert (report["is_valid"], report["errors"], report["digest"]) == (False, 1, "")
    assert [d["code"] for d in report["diagnostics"]] == ["R203"]


def test_warnings_are_errors_only_when_asked(consentry: Run, policies: Path) -> None:
    file = policies / "attributes.policy"
    file.write_text(file.read_text() + 'set unused = ["nobody"]\n')

    by_code = consentry("check", str(policies), "--error", "W807")

    assert consentry("check", str(policies)).returncode == 0
    assert consentry("check", str(policies), "--error", "W801").returncode == 0
    assert consentry("check", str(policies), "--strict").returncode == 1
    assert by_code.returncode == 1
    assert "error[W807]: set `unused` is never used" in by_code.stdout


def test_code_that_does_not_exist_is_a_usage_error(consentry: Run) -> None:
    told = consentry("check", "policies", "--error", "W999")

    assert told.returncode == 2
    assert "no diagnostic has the code 'W999'" in told.stderr


def test_notes_are_told_on_demand(consentry: Run) -> None:
    silent = consentry("check", "policies")
    told = consentry("check", "policies", "--notes", "--json")
    strict = consentry("check", "policies", "--error", "W818")

    notes = json.loads(told.stdout)["diagnostics"]
    assert "W818" not in silent.stdout
    assert told.returncode == 0
    assert {note["severity"] for note in notes} == {"note"}
    assert "leaving out `context.ticket`" not in told.stdout  # in a permit, `has` narrows
    assert strict.returncode == 1


def test_check_knows_the_day(consentry: Run, policies: Path) -> None:
    file = policies / "safeguards.policy"
    file.write_text(file.read_text().replace("until 2026-12-31", "until 2020-12-31"))

    told = consentry("check", str(policies))

    assert "warning[W812]: `swiss_courier` is past its date" in told.stdout


def test_sarif_says_where_and_how_bad(consentry: Run, policies: Path) -> None:
    break_marketing(policies)

    told = consentry("check", str(policies), "--format", "sarif")

    (run,) = json.loads(told.stdout)["runs"]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert told.returncode == 1
    assert (result["ruleId"], result["level"]) == ("R203", "error")
    assert place["artifactLocation"]["uri"] == f"{policies.as_posix()}/marketing.policy"
    assert place["region"]["snippet"]["text"] == "marketting"


def test_missing_folder_is_told_as_a_diagnostic(consentry: Run, tmp_path: Path) -> None:
    told = consentry("check", str(tmp_path / "absent"))

    assert told.returncode == 1
    assert "F501" in told.stdout


def test_shop_is_in_canonical_format(consentry: Run) -> None:
    told = consentry("fmt", "--check", "policies")

    assert told.returncode == 0, told.stdout


def test_fmt_check_and_diff_write_nothing(consentry: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.policy"
    file.write_text("purpose  a{basis   contract}")

    assert consentry("fmt", "--check", str(tmp_path)).returncode == 1
    told = consentry("fmt", "--diff", str(tmp_path))

    assert told.returncode == 0
    assert "-purpose  a{basis   contract}" in told.stdout
    assert file.read_text() == "purpose  a{basis   contract}"


def test_fmt_writes_once_and_keeps_mode_and_link(consentry: Run, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    file = real / "a.policy"
    file.write_text("purpose  a{basis   contract}")
    file.chmod(0o640)

    first = consentry("fmt", str(real), "--json")
    second = consentry("fmt", str(real), "--json")

    assert json.loads(first.stdout)["changed"] == ["a.policy"]
    assert json.loads(second.stdout)["changed"] == []
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in real.iterdir()] == ["a.policy"]


def test_fmt_leaves_a_file_that_it_cannot_read(consentry: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.policy"
    file.write_text("purpose a { basis }\n")

    told = consentry("fmt", str(tmp_path))

    assert told.returncode == 1
    assert "error[P" in told.stderr
    assert file.read_text() == "purpose a { basis }\n"


def test_fmt_filters_standard_input(consentry: Run) -> None:
    first = consentry("fmt", "-", stdin="purpose  a{basis   contract}")
    again = consentry("fmt", "-", stdin=first.stdout)

    assert first.returncode == again.returncode == 0
    assert first.stdout == again.stdout != ""
    assert consentry("fmt", "-", stdin="purpose {").returncode == 1


def test_tests_of_the_shop_pass(consentry: Run) -> None:
    told = consentry("test", "policies")

    assert told.returncode == 0, told.stdout
    assert "0 failed" in told.stdout


def test_failing_test_says_what_came_out_and_where(consentry: Run, policies: Path) -> None:
    file = policies / "marketing.tests.policy"
    file.write_text(file.read_text().replace("expect deny consent_missing", "expect permit"))

    told = consentry("test", str(policies), "-k", "newsletter_*")

    assert told.returncode == 1
    assert "FAIL newsletter_needs_consent at marketing.tests.policy:" in told.stdout
    assert "expected permit, the answer is deny consent_missing" in told.stdout
    assert "1 failed" in told.stdout


def test_pattern_without_a_test_is_a_finding(consentry: Run) -> None:
    told = consentry("test", "policies", "-k", "no_such_test")

    assert told.returncode == 1
    assert "no_such_test" in told.stderr


def test_test_as_json_tells_every_check(consentry: Run) -> None:
    told = consentry("test", "policies", "--json", "-k", "withdrawn")

    report = json.loads(told.stdout)
    (test,) = report["tests"]
    (check,) = test["checks"]
    assert (told.returncode, report["passed"], report["failed"]) == (0, 1, 0)
    assert check["decision"]["reason"] == "consent_withdrawn"


def test_eval_denies_without_consent_and_permits_with_it(consentry: Run) -> None:
    denied = consentry("eval", "policies", *EVAL)
    permitted = consentry("eval", "policies", *EVAL, *GAVE)

    assert (denied.returncode, permitted.returncode) == (1, 0)
    assert denied.stdout.startswith("DENY  consent_missing")
    assert permitted.stdout.startswith("PERMIT  consent_valid")
    assert "must: unsubscribe_link" in permitted.stdout
    assert "valid until 2028-03-10T00:00:00Z" in permitted.stdout
    assert "strict.consent_valid at consentry/packs/strict.policy:" in permitted.stdout


def test_eval_as_json_names_masks_and_places(consentry: Run) -> None:
    told = consentry(
        "eval", "policies", "--principal", "person:bo", "--role", "support", "--action", "read",
        "--data", "customer.contact.phone", "customer.contact.email", "--subject", "s-1",
        "--purpose", "service.support", "--context", "ticket=SR-1", "--json",
    )  # fmt: skip

    decision = json.loads(told.stdout)
    assert told.returncode == 0
    assert {leaf["data"]: leaf["mask"] for leaf in decision["leaves"]} == {
        "customer.contact.email": None,
        "customer.contact.phone": "last 4",
    }
    assert decision["reasons"][0]["line"] > 0


@pytest.mark.parametrize(
    "words",
    [
        ("--principal", "mailer"),
        ("--subject-attr", "cuontry=DE"),
        ("--subject-attr", "born=yesterday"),
        ("--event", "gave marketing"),
        ("--event", "gave marketing on 2026-06-01"),
        ("--event", "gave marketing on 2026-03-10 } permit x { who anyone"),
        ("--at", "tomorrow"),
    ],
)
def test_eval_refuses_what_makes_no_question(consentry: Run, words: tuple[str, ...]) -> None:
    told = consentry("eval", "policies", *EVAL, *words)

    assert told.returncode == 2
    assert told.stderr != ""
    assert "Traceback" not in told.stderr


def test_eval_of_a_broken_set_shows_its_diagnostics(consentry: Run, policies: Path) -> None:
    break_marketing(policies)

    told = consentry("eval", str(policies), *EVAL)

    assert told.returncode == 2
    assert "R203" in told.stderr


def test_output_into_a_pipe_has_no_colour(consentry: Run) -> None:
    assert "\x1b" not in consentry("eval", "policies", *EVAL).stdout


def test_coverage_names_what_no_test_reaches(consentry: Run, policies: Path) -> None:
    file = policies / "marketing.policy"
    file.write_text('forbid never_tested { when principal.id == "nobody" }\n\n' + file.read_text())

    told = consentry("test", str(policies), "--coverage")

    assert told.returncode == 0
    assert "marketing.policy:1: no test reaches forbid never_tested" in told.stdout
    assert "marketing.policy:1:28: never true in forbid never_tested: principal.id" in told.stdout


def test_gate_fails_below_its_percentage(consentry: Run, policies: Path) -> None:
    (policies / "marketing.tests.policy").unlink()

    told = consentry("test", str(policies), "--min", "100")

    assert told.returncode == 1
    assert "coverage is below 100 %" in told.stdout


def test_coverage_of_a_pack_as_json(consentry: Run) -> None:
    told = consentry("test", "policies", "--pack", "strict", "--json")

    report = json.loads(told.stdout)["coverage"]
    assert told.returncode == 0
    assert report["regimes"] == {"covered": 1, "total": 1, "percent": 100}
    assert {rule["file"] for rule in report["uncovered_rules"]} == {"consentry/packs/strict.policy"}


def test_junit_report_holds_every_test_and_why_one_failed(
    consentry: Run, policies: Path, tmp_path: Path
) -> None:
    file = policies / "marketing.tests.policy"
    file.write_text(file.read_text().replace("expect deny consent_missing", "expect permit"))
    junit = tmp_path / "junit.xml"

    told = consentry("test", str(policies), "--junit", str(junit))

    root = ET.parse(junit).getroot()
    (failure,) = root.iter("failure")
    assert told.returncode == 1
    assert root.get("failures") == "1"
    assert root.get("tests") == str(len(list(root.iter("testcase"))))
    assert "expected permit, the answer is deny consent_missing" in (failure.get("message") or "")
    assert "got       deny consent_missing" in (failure.text or "")
