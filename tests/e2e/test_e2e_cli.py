"""The installed command: it starts, its statuses reach the shell, its streams are apart."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]
EVAL = (
    "--principal", "service:campaign-mailer", "--action", "contact",
    "--data", "customer.contact.email", "--subject", "s-1", "--subject-attr", "country=DE",
    "--purpose", "marketing.email", "--channel", "email", "--at", "2026-05-01",
)  # fmt: skip


def test_check_leaves_with_zero_or_one(consentry: Run, policies: Path) -> None:
    assert consentry("check", str(policies)).returncode == 0

    file = policies / "marketing.policy"
    file.write_text(file.read_text() + "forbid pause { for marketting }\n")

    told = consentry("check", str(policies), "--json")
    assert told.returncode == 1
    assert [d["code"] for d in json.loads(told.stdout)["diagnostics"]] == ["R203"]
    assert told.stderr == ""


def test_fmt_and_test_hold_for_the_shop(consentry: Run) -> None:
    assert consentry("fmt", "--check", "policies").returncode == 0
    assert consentry("test", "policies").returncode == 0


def test_eval_leaves_with_one_for_a_denial_and_zero_for_a_permit(consentry: Run) -> None:
    gave = ("--event", "gave marketing on 2026-03-10")

    assert consentry("eval", "policies", *EVAL).returncode == 1
    assert consentry("eval", "policies", *EVAL, *gave).returncode == 0


def test_wrong_words_leave_with_two_and_say_usage(consentry: Run) -> None:
    told = consentry("chekc")

    assert told.returncode == 2
    assert "usage: consentry" in told.stderr


def test_reader_that_leaves_early_sees_no_traceback(command: str, project_root: Path) -> None:
    words = f"{command} test policies --json | head -n 1"

    told = subprocess.run(
        ["/bin/sh", "-c", words], capture_output=True, text=True, cwd=project_root, check=False
    )

    assert told.stdout == "{\n"
    assert told.stderr == ""
