"""Asking the decision log: found by person and more, and decided again to the same answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson

from consentry.app.main import run as main
from consentry.model.consent import EventKind
from consentry.telemetry.audit.reader import AuditReader, AuditRecord
from tests.support.audited import POLICY, Sidecar, question, sidecar_in


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[Any], str]:
    capsys.readouterr()
    status = main(["audit", *words, "--json"])
    said = capsys.readouterr()
    told, text = [], said.out.lstrip()
    while text:
        value, end = json.JSONDecoder().raw_decode(text)
        told.append(value)
        text = text[end:].lstrip()
    return status, told, said.err


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[AuditRecord]]:
    folder = tmp_path_factory.mktemp("asked")
    with sidecar_in(folder) as sidecar:
        sidecar.says(EventKind.GIVEN)
        sidecar.ask(question(), caller="spiffe://shop/mailer")
        sidecar.ask(question(), caller="spiffe://shop/mailer")
        sidecar.ask(question("bob"))
        sidecar.ask(question(purpose="mailing"))
        sidecar.ask(question(purpose="unheard-of"))
        sidecar.ask(question(principal="somebody"))
    return str(sidecar.state), list(AuditReader(sidecar.state / "audit").records())


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), [0, 1, 2, 3, 4, 5]),
        (("--subject", "ada"), [0, 1, 3, 4, 5]),
        (("--subject", "nobody"), []),
        (("--purpose", "mailing"), [0, 1, 2, 3, 5]),
        (("--purpose", "mailing.news"), [0, 1, 2, 5]),
        (("--decision", "deny"), [2, 4, 5]),
        (("--reason", "purpose_unknown"), [4]),
        (("--principal", "somebody"), [5]),
        (("--caller", "spiffe://shop/mailer"), [0, 1]),
        (("--rule", "mail", "--subject", "ada", "--purpose", "mailing.news"), [5]),
        (("--since", "1h"), [0, 1, 2, 3, 4, 5]),
        (("--until", "1h"), []),
        (("--since", "2026-01-01", "--until", "2026-01-02T00:00:00Z"), []),
    ],
)
def test_query_finds_what_is_asked_for(
    asked: tuple[str, list[AuditRecord]],
    capsys: pytest.CaptureFixture[str],
    words: Sequence[str],
    found: list[int],
) -> None:
    state, records = asked

    status, told, said = run(capsys, "query", "--state", state, *words)

    assert status == 0
    assert [t["decision_id"] for t in told] == [records[number].decision_id for number in found]
    assert f"{len(found)} record" in said
    assert "of 6" in said


def test_query_bounds_are_since_inclusive_and_until_exclusive(
    asked: tuple[str, list[AuditRecord]], capsys: pytest.CaptureFixture[str]
) -> None:
    state, records = asked
    bounds = [records[1].told["time"], records[3].told["time"]]

    _, told, _ = run(capsys, "query", "--state", state, "--since", bounds[0], "--until", bounds[1])

    assert [t["decision_id"] for t in told] == [r.decision_id for r in records[1:3]]


def test_query_tells_people_one_line_a_record(
    asked: tuple[str, list[AuditRecord]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "query", "--state", asked[0], "--reason", "consent_valid"]) == 0
    said = capsys.readouterr()

    lines = said.out.splitlines()
    assert len(lines) == 3
    assert "mailer (spiffe://shop/mailer) may read customer.email for mailing.news" in lines[0]
    assert "ada" not in said.out


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("--state", "/nowhere")])
def test_query_refuses_what_it_cannot_mean(
    capsys: pytest.CaptureFixture[str], words: Sequence[str]
) -> None:
    try:
        status = main(["audit", "query", *words])
    except SystemExit as left:
        status = int(left.code or 0)

    assert status == 2
    assert capsys.readouterr().err


def test_query_reads_what_was_collected_elsewhere(
    asked: tuple[str, list[AuditRecord]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, records = asked
    collected = tmp_path / "collected.ndjson"
    collected.write_text("".join(json.dumps(record.told) + "\n" for record in records[:3]))
    words = ("--state", state, "--log", str(collected), "--subject", "bob")

    _, told, _ = run(capsys, "query", *words)

    assert [t["decision_id"] for t in told] == [records[2].decision_id]


def outcomes(told: list[Any]) -> list[str]:
    return [each["outcome"] for each in told]


def test_replay_comes_to_the_same_whatever_happened_since(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sidecar_in(tmp_path, question="facts", data_subject="clear") as sidecar:
        sidecar.ask(question())
        sidecar.says(EventKind.GIVEN)
        sidecar.ask(question())
        sidecar.ask(question())
        sidecar.ask(question(data=["customer"], partial=True))
        sidecar.ask(question(tier="blocked"))
        sidecar.ask(question(purpose=""))
        sidecar.says(EventKind.WITHDRAWN)
        sidecar.ask(question())
        sidecar.policy.write_text(POLICY.replace('service "mailer"', 'service "other"'))
        sidecar.application.reload()
        sidecar.ask(question())
    records = list(AuditReader(sidecar.state / "audit").records())
    assert [record.effect for record in records] == [
        "deny", "permit", "permit", "permit", "deny", "deny", "deny", "deny",
    ]  # fmt: skip
    assert records[3].granted == ("customer.email",)

    status, told, said = run(capsys, "replay", "--state", str(sidecar.state))

    assert outcomes(told) == ["same"] * 8, told
    assert status == 0
    assert "8 records: 8 the same" in said


def test_replay_notices_a_record_that_was_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sidecar_in(tmp_path, question="facts", data_subject="clear") as sidecar:
        sidecar.ask(question())
    path = sidecar.state / "audit" / "decisions.jsonl"
    path.write_text(path.read_text().replace('"effect":"deny"', '"effect":"permit"'))

    status, told, _ = run(capsys, "replay", "--state", str(sidecar.state))

    assert status == 1
    assert told[0]["outcome"] == "different"
    assert told[0]["effect"] == {"logged": "permit", "now": "deny"}


def test_replay_takes_a_question_that_has_the_digest_of_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sidecar_in(tmp_path) as sidecar:
        decision = sidecar.ask(question())
    for name, asked in (("right", question()), ("wrong", question(tier="gold"))):
        (tmp_path / f"{name}.json").write_text(MessageToJson(asked))
    words = ("--state", str(sidecar.state), "--decision-id", decision)

    told = {
        name: run(capsys, "replay", *words, *more)
        for name, more in {
            "none": (),
            "right": ("--question", str(tmp_path / "right.json")),
            "wrong": ("--question", str(tmp_path / "wrong.json")),
        }.items()
    }

    assert {name: (status, outcomes(lines)) for name, (status, lines, _) in told.items()} == {
        "none": (5, ["not_replayed"]),
        "right": (0, ["same"]),
        "wrong": (5, ["not_replayed"]),
    }
    assert "digest" in told["none"][1][0]["why"]
    assert "not the one" in told["wrong"][1][0]["why"]


def test_replay_needs_the_person_where_the_record_hides_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sidecar_in(tmp_path, question="facts") as sidecar:
        sidecar.says(EventKind.GIVEN)
        decision = sidecar.ask(question())
        sidecar.ask(question("bob"))
    place = ("--state", str(sidecar.state))
    assert '"ada"' not in (sidecar.state / "audit" / "decisions.jsonl").read_text()

    blind = run(capsys, "replay", *place, "--decision-id", decision)
    seeing = run(capsys, "replay", *place, "--subject", "ada")

    assert (blind[0], outcomes(blind[1])) == (5, ["not_replayed"])
    assert "--subject" in blind[1][0]["why"]
    assert (seeing[0], outcomes(seeing[1])) == (0, ["same"])


def test_replay_says_what_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sidecar_in(
        tmp_path, question="facts", data_subject="clear", leave_out=["subject.tier"]
    ) as sidecar:
        sidecar.ask(question())
    left_out = run(capsys, "replay", "--state", str(sidecar.state))
    with sidecar_in(tmp_path, question="facts", data_subject="clear") as sidecar:
        sidecar.says(EventKind.GIVEN, "bob")
        decision = sidecar.ask(question("bob"))
        sidecar.application.ledger.erase("bob", with_rights=True)  # type: ignore[union-attr]
    words = ("--state", str(sidecar.state), "--decision-id", decision)
    erased = run(capsys, "replay", *words)
    for kept in filter(Path.is_dir, (sidecar.state / "policies").iterdir()):
        kept.rename(kept.with_name("0" * 64))
    no_set = run(capsys, "replay", *words)

    assert [found[0] for found in (left_out, erased, no_set)] == [5, 5, 5]
    assert left_out[1][0]["why"] == "facts were left out: subject.tier"
    assert "erasure" in erased[1][0]["why"]
    assert "archive" in no_set[1][0]["why"]


def test_replay_of_an_answer_without_the_consent_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with sidecar_in(tmp_path, question="facts", data_subject="clear") as sidecar:
        sidecar.says(EventKind.GIVEN)
        over = type("Over", (), {"is_over": lambda _: True, "age_us": lambda _: 9})()
        ledger = type(sidecar.application.ledger)
        monkeypatch.setattr(ledger, "lease", property(lambda _: over))
        sidecar.ask(question())
        monkeypatch.undo()
    (record,) = AuditReader(sidecar.state / "audit").records()
    assert record.reason == "consent_state_unavailable"
    assert not record.is_consent_known

    assert outcomes(run(capsys, "replay", "--state", str(sidecar.state))[1]) == ["same"]


def test_keys_are_begun_listed_and_deleted_with_their_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sidecar_in(tmp_path) as sidecar:
        sidecar.ask(question())
    place = ("--state", str(sidecar.state))
    first = run(capsys, "keys", *place)[1][0]["keys"][0]["name"]
    assert main(["audit", "keys", *place, "--delete", first]) == 2, "it is in use"
    begun = run(capsys, "keys", *place, "--begin")[1][0]["begun"]
    with sidecar_in(tmp_path) as sidecar:
        sidecar.ask(question("bob"))
    assert len(run(capsys, "query", *place, "--subject", "ada")[1]) == 1

    status, told, _ = run(capsys, "keys", *place, "--delete", first)

    assert (status, told[0]["deleted"]) == (0, first)
    assert [key["name"] for key in run(capsys, "keys", *place)[1][0]["keys"]] == [begun]
    assert run(capsys, "query", *place, "--subject", "ada")[1] == []
    assert len(run(capsys, "query", *place, "--subject", "bob")[1]) == 1


def test_damaged_key_keeps_a_sidecar_from_starting_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sidecar_in(tmp_path) as sidecar:
        sidecar.ask(question())
    (key,) = (sidecar.state / "audit" / "keys").iterdir()
    key.write_text("zz")

    with pytest.raises(ValueError, match="is not hex"):
        Sidecar(tmp_path)
    capsys.readouterr()
    assert main(["audit", "query", "--state", str(sidecar.state), "--subject", "ada"]) == 4
    assert "is not hex" in capsys.readouterr().err
