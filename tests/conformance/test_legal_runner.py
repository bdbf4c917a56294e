"""Runner of legal scenarios: what a file may say, and what one that says something else is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.conformance.legal.__main__ import main

DEFAULTS = {
    "facts": {
        "at": "2026-06-01T12:00:00Z",
        "controller": {"id": "acme", "establishment": "DE"},
        "subject": {"id": "s-1", "residence": "DE", "age": 35},
        "packs": [],
    },
    "request": {"actor": {"id": "svc", "controller": "acme", "department": "marketing"}},
}
ROW = {
    "id": "OWN-001",
    "regime": "OWN",
    "title": "a consent that was given",
    "facts": {
        "activity": {
            "purpose": "marketing.communications.email",
            "basis": "consent",
            "categories": ["user.contact.email"],
            "departments": ["marketing"],
        },
        "consents": [
            {
                "purpose": "marketing.communications.email",
                "state": "given",
                "at": "2026-01-10T09:00:00Z",
            }
        ],
    },
    "request": {
        "purpose": "marketing.communications.email",
        "action": "contact",
        "channel": "email",
        "data": ["user.contact.email"],
    },
    "expected": {"decision": "permit", "obligations": ["offer_withdrawal"]},
    "reason_code": "consent_valid",
    "source": "made up",
}


def file_of(folder: Path, *rows: object, **head: object) -> Path:
    path = folder / "own.yaml"
    content = {"version": 1, "defaults": DEFAULTS, "scenarios": list(rows), **head}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(list(arguments))
    told = capsys.readouterr()
    return status, told.out, told.err


def test_a_scenario_that_comes_out_as_expected_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, str(file_of(tmp_path, ROW)))

    assert status == 0
    assert "passed  OWN-001  a consent that was given" in out
    assert "OWN           1 passed     0 failed" in out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"reason_code": "contract_necessary"}, "expected the reason contract_necessary, it is"),
        ({"expected": {"decision": "deny", "obligations": []}}, "expected deny, the answer is"),
        (
            {"expected": {"decision": "permit", "obligations": ["pseudonymise"]}},
            "expected the obligations pseudonymise",
        ),
        (
            {"expected": {"decision": "permit", "obligations": []}},
            "nobody expected the obligations offer_withdrawal",
        ),
        (
            {
                "expected": {
                    "decision": "permit",
                    "obligations": ["offer_withdrawal"],
                    "valid_until": "2026-06-02T00:00:00Z",
                }
            },
            "expected valid_until 2026-06-02T00:00:00+00:00, it is no end",
        ),
    ],
)
def test_each_difference_fails_and_is_told(
    change: dict[str, object], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, str(file_of(tmp_path, {**ROW, **change})))

    assert status == 1
    assert "FAILED  OWN-001" in out
    assert told in out


def test_json_tells_the_same_to_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, str(file_of(tmp_path, ROW)), "--json")
    told = json.loads(out)

    assert status == 0
    assert (told["passed"], told["failed"]) == (1, 0)
    assert told["scenarios"][0] == {
        "id": "OWN-001",
        "regime": "OWN",
        "passed": True,
        "differences": [],
        "reasons": ["consent_valid"],
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"request": {"purpose": "x"}}, "`request.action`: Field required"),
        ({"facts": {"at": "soon"}}, "`facts.at`: Input should be a valid datetime"),
        ({"facts": {"at": "2026-06-01T12:00:00"}}, "`facts.at`: Input should have timezone"),
        ({"facts": {"pakcs": []}}, "`facts.pakcs`: Extra inputs are not permitted"),
        ({"facts": {"packs": ["XX"]}}, "`facts.packs`: `XX` is no pack; there are GDPR"),
        (
            {"facts": {"activity": {"purpose": "sales", "effects": ["spam"]}}},
            "`facts.activity.effects`: `spam` is no effect; there are automated_decision",
        ),
        (
            {"facts": {"consents": [{"purpose": "sales", "state": "maybe", "at": "2026-01-01"}]}},
            "`facts.consents.0.state`: `maybe` is no state",
        ),
    ],
)
def test_a_wrong_scenario_is_named_with_the_place_and_the_word(
    change: dict[str, object], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file_of(tmp_path, {**ROW, **change})

    status, _, err = run(capsys, str(path))

    assert status == 2
    assert f"{path}: scenario OWN-001: {told}" in err


def test_all_that_is_wrong_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {**ROW, "facts": {"at": "soon", "tgas": {}}}

    status, _, err = run(capsys, str(file_of(tmp_path, wrong, "row", ROW, ROW)))

    assert status == 2
    assert "`facts.at`" in err
    assert "`facts.tgas`" in err
    assert "scenario 2 is not a map" in err
    assert "scenario OWN-001 stands there twice" in err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "is not YAML"),
        ("a: 1", "has no list `scenarios`"),
        ("scenarios: []", "`version` is not 1"),
    ],
)
def test_a_file_that_holds_no_scenarios_is_refused(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")

    assert run(capsys, str(path))[0] == 2
    main([str(path)])
    assert told in capsys.readouterr().err


def test_a_file_that_is_not_there_is_an_error_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capsys, str(tmp_path / "none.yaml"))

    assert status == 2
    assert "cannot be read" in err


def test_scenarios_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file_of(tmp_path, ROW, {**ROW, "id": "OTHER-1", "regime": "OTHER"})

    assert "1 passed" in run(capsys, str(path), "--only", "OWN")[1]
    assert "OTHER-1" not in run(capsys, str(path), "--only", "OWN")[1]
    assert run(capsys, str(path), "--only", "NONE")[0] == 2


def test_a_house_that_does_not_compile_fails_its_scenario_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    activity = {"purpose": "sales", "basis": "whim", "categories": ["user.contact.email"]}
    wrong = {**ROW, "facts": {"activity": activity}}

    status, out, _ = run(capsys, str(file_of(tmp_path, wrong)))

    assert status == 1
    assert "its house does not compile" in out
    assert "unknown basis `whim`" in out


def test_the_house_of_a_scenario_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, str(file_of(tmp_path, ROW)), "--policy")

    assert status == 0
    assert "purpose email as marketing.communications.email {" in out
    assert 'who role "marketing"' in out
