"""`consentry statement` and `consentry record` on the command line."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from consentry.pdp.archive import PolicyArchive
from consentry.pdp.sources import read_packs, read_policy_folder

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_statement_of_the_shop_is_a_page(consentry: Run) -> None:
    told = consentry("statement", "policies")

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("<!doctype html>")
    assert 'id="promise-sold"' in told.stdout


@pytest.mark.parametrize(("kind", "start"), [("markdown", "# "), ("jsonld", "{")])
def test_statement_is_written_in_other_forms(consentry: Run, kind: str, start: str) -> None:
    told = consentry("statement", "policies", "--format", kind, "--language", "th")

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(start)
    if kind == "jsonld":
        assert json.loads(told.stdout)["@graph"][0]["dct:language"] == "th"


def test_statement_goes_to_a_file(consentry: Run, tmp_path: Path) -> None:
    file = tmp_path / "statement.html"

    told = consentry("statement", "policies", "--out", str(file))

    assert (told.returncode, told.stdout) == (0, "")
    assert file.read_text() == consentry("statement", "policies").stdout
    refused = consentry("statement", "policies", "--out", str(tmp_path / "no" / "where"))
    assert refused.returncode == 2
    assert "cannot be written" in refused.stderr


def test_text_that_is_not_translated_is_a_warning(consentry: Run, policies: Path) -> None:
    (policies / "more.policy").write_text(
        'forbid never_at_night "Nobody is called at night" { via phone }\n'
    )

    told = consentry("statement", str(policies), "--language", "th")

    assert told.returncode == 0
    assert "warning: 1 text not translated into `th`" in told.stderr
    assert "[rule] never_at_night" in told.stderr


def test_what_changed_is_told_since_another_set(consentry: Run, policies: Path) -> None:
    file = policies / "purposes.policy"
    file.write_text(file.read_text().replace("keep  90 days", "keep  1 year"))

    told = consentry("statement", str(policies), "--since", "policies", "--format", "markdown")

    assert "**Spot stolen cards: kept longer (90 days → 1 year)** (matters)" in told.stdout


def test_what_changed_is_told_since_an_archived_set(
    consentry: Run, tmp_path: Path, project_root: Path
) -> None:
    sources, _ = read_policy_folder(project_root / "policies")
    PolicyArchive(tmp_path / "archive").keep("ab" * 32, sources, read_packs(), "1")

    told = consentry("statement", "policies", "--since", f"{tmp_path}/archive:abab")
    unknown = consentry("statement", "policies", "--since", f"{tmp_path}/archive:cdcd")

    assert "Nothing has changed." in told.stdout
    assert unknown.returncode == 2
    assert "keeps no policy set" in unknown.stderr


def test_statement_of_a_broken_set_shows_its_diagnostics(consentry: Run, policies: Path) -> None:
    (policies / "more.policy").write_text("forbid pause { for marketting }\n")

    told = consentry("statement", str(policies))

    assert (told.returncode, told.stdout) == (2, "")
    assert "R203" in told.stderr


def test_record_has_a_row_for_each_activity_and_counts_gaps(consentry: Run) -> None:
    told = consentry("record", "policies")

    header, *rows = list(csv.reader(io.StringIO(told.stdout, newline="")))
    assert told.returncode == 0
    assert header[0] == "Activity"
    assert len(rows) == 16
    assert "gaps in 16 activities" in told.stderr


def test_record_with_gaps_fails_when_asked_to(consentry: Run) -> None:
    assert consentry("record", "policies", "--strict").returncode == 1


def test_record_is_a_page_in_thai(consentry: Run) -> None:
    told = consentry("record", "policies", "--format", "html", "--language", "th")

    assert told.returncode == 0
    assert '<html lang="th">' in told.stdout
    assert told.stdout.count("<tr data-rule=") == 16
