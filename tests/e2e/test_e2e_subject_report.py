"""`consentry subject-report` over the state of a real sidecar."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consentry.client import Client, event, service
from consentry.consent.receipts import look_into_receipt
from tests.support.page_world import MAILER, may_mail
from tests.support.sidecar import RunningSidecar, running_sidecar

ROOT = Path(__file__).resolve().parents[2]
ISSUED_ANEW = {"dct:created"}


@dataclass(frozen=True)
class Kept:
    """A sidecar that answered about two persons, and where it keeps what it knows."""

    sidecar: RunningSidecar
    state: Path
    keys: Path

    def report(self, *words: str, language: str = "en") -> subprocess.CompletedProcess[str]:
        config = self.state.parent / "report.toml"
        config.write_text(f'[receipts]\nkeys_path = "{self.keys}"\n', encoding="utf-8")
        command = [sys.executable, "-m", "consentry.app", "subject-report", "--subject", "ada"]
        places = ["--state", str(self.state), "--policies", str(ROOT / "policies")]
        return subprocess.run(
            [*command, *places, "--config", str(config), "--language", language, *words],
            capture_output=True,
            text=True,
            check=False,
            env={k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")},
        )

    def told(self, *words: str) -> dict[str, Any]:
        done = self.report("--format", "json", *words)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("report")
    keys = folder / "keys"
    command = [sys.executable, "-m", "consentry.app", "keys", "generate", "--keys", str(keys)]
    subprocess.run(command, check=True, capture_output=True)
    config = folder / "sidecar.toml"
    # Strict: each record is written with its answer.
    settings = f'[audit]\nmode = "strict"\n[receipts]\nkeys_path = "{keys}"\n'
    config.write_text(settings, encoding="utf-8")
    with (
        running_sidecar(ROOT / "policies", folder / "state", "--config", str(config)) as sidecar,
        Client(sidecar.target) as client,
    ):
        may_mail(client, "ada")
        given = event(
            "given", "ada", purpose="marketing.email", notice="2026-03", proof_method="web_form"
        )
        client.record_consent(given)
        may_mail(client, "ada")
        may_mail(client, "somebody-else")
        client.record_consent(event("withdrawn", "ada", purpose="marketing.email"))
        may_mail(client, "ada")
        client.check(
            principal=service("warehouse"),
            action="read",
            data=("customer.contact.address",),
            subject="ada",
            purpose="service.orders",
        )
        yield Kept(sidecar, folder / "state", keys)


def test_a_report_tells_who_asked_what_on_which_ground_and_what_was_answered(kept: Kept) -> None:
    told = kept.told()

    mails = [one for one in told["asked"] if one["principal"] == MAILER.id]
    consent = next(one for one in told["events"] if one["kind"] == "given")
    assert [(one["effect"], one["reason"]) for one in mails] == [
        ("deny", "consent_missing"),
        ("permit", "consent_valid"),
        ("deny", "consent_withdrawn"),
    ]
    assert [one["consent_event"] for one in mails] == [None, consent["id"], None]
    assert mails[1]["bases"] == ["consent"]
    assert mails[1]["purpose_text"] == "By e-mail"
    assert {one["principal"] for one in told["asked"]} == {MAILER.id, "warehouse"}
    assert "somebody-else" not in json.dumps(told)


def test_a_report_holds_every_act_with_its_receipt(kept: Kept) -> None:
    told = kept.told()

    assert [one["kind"] for one in told["events"]] == ["given", "withdrawn"]
    assert all(one["receipt"].count(".") == 2 for one in told["events"])
    assert told["events"][0]["text"] == "You agreed: By e-mail"


def test_after_a_breach_one_principal_in_one_span_is_told(kept: Kept) -> None:
    assert len(kept.told("--principal", "warehouse", "--since", "1h")["asked"]) == 1
    assert kept.told("--since", "2999-01-01")["asked"] == []
    assert kept.told("--until", "2001-01-01")["asked"] == []
    assert len(kept.told("--principal", "warehouse")["events"]) == 2


@pytest.mark.parametrize(
    ("language", "wanted"), [("en", "was asked about you"), ("th", "มีใครขอใช้ข้อมูลของคุณบ้าง")]
)
def test_the_page_is_in_plain_words_and_for_nobody_else(
    kept: Kept, tmp_path: Path, language: str, wanted: str
) -> None:
    page = tmp_path / "report.html"

    done = kept.report("--out", str(page), language=language)

    text = page.read_text("utf-8")
    assert (done.returncode, done.stdout) == (0, "")
    assert "4 answers, 2 acts" in done.stderr
    assert wanted in text
    assert MAILER.id in text
    assert "<script" not in text
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert "not translated" not in done.stderr


def test_a_report_asks_the_sidecar_for_the_ledger_where_it_is_told_to(kept: Kept) -> None:
    here, there = kept.told(), kept.told("--target", kept.sidecar.target)

    assert [one["id"] for one in there["events"]] == [one["id"] for one in here["events"]]
    assert there["asked"] == here["asked"]


def test_receipts_of_a_sidecar_are_those_that_its_state_would_give(kept: Kept) -> None:
    here, there = kept.told(), kept.told("--target", kept.sidecar.target)

    def said(told: dict[str, Any]) -> list[dict[str, Any]]:
        receipts = [look_into_receipt(one["receipt"]) for one in told["events"]]
        return [{k: v for k, v in one.items() if k not in ISSUED_ANEW} for one in receipts]

    assert len(said(there)) == 2
    assert said(there) == said(here)


def test_a_sidecar_without_a_key_is_told_as_one_that_gives_no_receipts(kept: Kept) -> None:
    away = kept.keys.with_name("keys-away")
    kept.keys.rename(away)
    try:
        there = kept.told("--target", kept.sidecar.target)
    finally:
        away.rename(kept.keys)

    assert there["gaps"]["receipts"] is False


def test_what_the_log_cannot_tell_stands_in_the_report(kept: Kept, tmp_path: Path) -> None:
    lines = tmp_path / "collected.jsonl"
    lines.write_text('{"event":"gap","dropped":7,"from":1,"to":7}\nhalf a li\n')

    gaps = kept.told("--log", str(lines))["gaps"]

    assert (gaps["dropped"], gaps["damaged"]) == (7, 1)
    assert any("7 answers" in sentence for sentence in gaps["told"])


def test_a_log_that_was_named_and_is_not_there_is_told(kept: Kept, tmp_path: Path) -> None:
    done = kept.report("--format", "json", "--log", str(tmp_path / "typo.jsonl"))

    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no decision log" in done.stderr


def test_a_state_without_a_ledger_is_refused(kept: Kept, tmp_path: Path) -> None:
    done = kept.report("--state", str(tmp_path))

    assert done.returncode == 4
    assert "holds no ledger" in done.stderr
