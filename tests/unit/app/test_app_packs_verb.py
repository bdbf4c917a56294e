"""`consentry packs` as an officer and a script meet it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_every_pack_is_listed_with_its_figures(consentry: Run) -> None:
    told = consentry("packs")

    lines = told.stdout.splitlines()
    assert told.returncode == 0
    assert lines[0].split() == [
        "pack",
        "version",
        "lines",
        "rules",
        "citations",
        "unchecked",
        "law",
    ]
    assert {line.split()[0] for line in lines[1:-1]} >= {"core", "strict", "ccpa", "pdpa_th"}
    assert "packs, " in lines[-1]
    assert lines[-1].endswith(" citations")


def test_one_pack_is_shown_rule_by_rule(consentry: Run) -> None:
    told = consentry("packs", "us_md")

    assert "us_md 2025.1: Maryland Online Data Privacy Act of 2024, from 2025-10-01" in told.stdout
    assert "forbid sensitive_sale as prohibited_by_law" in told.stdout


def test_the_same_is_told_as_json(consentry: Run) -> None:
    (pack,) = json.loads(consentry("packs", "lgpd", "--as-of", "2026-01-01", "--json").stdout)

    assert (pack["name"], pack["versions"], pack["uses"]) == ("lgpd", ["2026.1"], ["law"])
    assert pack["rules"] == len(pack["regimes"][0]["rules"]) > 20
    assert pack["citations"] == pack["rules"]
    assert [change["on"] for change in pack["changes"]] == ["2026-01-27", "2026-03-17"]


def test_what_is_about_to_change_can_be_found(consentry: Run) -> None:
    told = consentry("packs", "--changes", "--as-of", "2026-03-01", "lgpd")
    after = consentry("packs", "--changes", "--as-of", "2026-04-01", "lgpd")

    assert told.stdout.startswith("2026-03-17  from then: forbid `lgpd.profiled_advertising")
    assert after.stdout == "nothing begins or ends after 2026-04-01\n"


def test_a_pack_can_be_kept(consentry: Run, project_root: Path) -> None:
    text = (project_root / "src/consentry/packs/strict.policy").read_text()

    assert consentry("packs", "--text", "strict").stdout == text


def test_packs_of_a_policy_set_count_too(consentry: Run, tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "lantern.policy").write_text('regime lantern_act { version "7" }')

    told = consentry("packs", "lantern", "--policies", str(tmp_path))

    assert told.stdout.startswith("lantern: 1 line in packs/lantern.policy")


def test_a_misspelt_pack_is_wrong_usage(consentry: Run) -> None:
    told = consentry("packs", "ccpq")

    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "no pack is called `ccpq`; did you mean `ccpa`?\n"


def test_a_broken_pack_is_told_and_not_shown(consentry: Run, tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "lantern.policy").write_text("regime lantern_act { permit x { when } }")

    told = consentry("packs", "lantern", "--policies", str(tmp_path))

    assert (told.returncode, told.stdout) == (1, "")
    assert "error[P120]" in told.stderr


def test_a_folder_that_is_not_there_is_told(consentry: Run, tmp_path: Path) -> None:
    told = consentry("packs", "--policies", str(tmp_path / "none"))

    assert (told.returncode, told.stdout) == (1, "")
    assert "error[F501]" in told.stderr
