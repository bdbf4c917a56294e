"""`consentry mapping`, and the settings of a mapping."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consentry.app.main import run
from consentry.app.settings_loading import SettingsError, load_settings
from consentry.server.ext_authz.routes import PARTS

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "deploy" / "envoy" / "consentry.toml"
CASES = ROOT / "deploy" / "envoy" / "cases.toml"


def cases(tmp_path: Path, text: str) -> str:
    file = tmp_path / "cases.toml"
    file.write_text(text)
    return str(file)


def test_the_published_cases_hold_and_reach_every_route(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["mapping", "--config", str(CONFIG), "--policies", str(ROOT / "policies")]
    assert run([*words, "--every-route", str(CASES)]) == 0
    assert "0 failed" in capsys.readouterr().out


def test_a_case_can_expect_every_part_that_a_route_can_map(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = ", ".join(f'{part} = "nothing like it"' for part in PARTS)
    file = cases(
        tmp_path,
        f"""
        [[case]]
        name = "all parts"
        path = "/reports/orders/c-7"
        expect = {{ {expected} }}
        """,
    )

    assert run(["mapping", "--config", str(CONFIG), file]) == 1
    told = capsys.readouterr().out
    assert "is no part of a question" not in told
    for part in PARTS:
        assert f"{part}: expected nothing like it" in told


def test_a_case_that_does_not_hold_says_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = cases(
        tmp_path,
        """
        [[case]]
        name = "wrong"
        path = "/reports/orders/c-7"
        expect = { subject = "c-8", purpose = "analytics.reporting", colour = "red" }
        [[case]]
        name = "not refused"
        path = "/reports/orders/c-7"
        expect = { refused = "path_ambiguous" }
        [[case]]
        name = "refused"
        path = "/nowhere"
        expect = { subject = "c-8" }
        """,
    )

    assert run(["mapping", "--config", str(CONFIG), file]) == 1
    told = capsys.readouterr().out
    assert "subject: expected c-8, is c-7" in told
    assert "colour: is no part of a question" in told
    assert "refused: request_unmapped" in told
    assert "purpose:" not in told
    assert "3 cases, 3 failed" in told


def test_names_that_the_policies_lack_are_failures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = cases(
        tmp_path,
        """
        [[case]]
        name = "typing error"
        path = "/mail/c-7"
        method = "POST"
        extensions = { purpose = "marketing.emial", service = "m" }
        expect = { subject = "c-7" }
        """,
    )
    words = ["mapping", "--config", str(CONFIG), "--json", file]

    assert run(words) == 0
    assert json.loads(capsys.readouterr().out)["unreached_routes"] == ["support-address", "report"]
    assert run([*words, "--policies", str(ROOT / "policies")]) == 1
    [case] = json.loads(capsys.readouterr().out)["cases"]
    assert case["problems"] == ["purpose: the policies have no marketing.emial"]


@pytest.mark.parametrize("text", ["", "[[case]]\nname='x'\n", "case = 3", "no toml", "x = 1"])
def test_a_file_without_cases_is_wrong_usage(tmp_path: Path, text: str) -> None:
    assert run(["mapping", "--config", str(CONFIG), cases(tmp_path, text)]) == 2


def test_a_wrong_mapping_keeps_the_sidecar_from_starting(tmp_path: Path) -> None:
    file = tmp_path / "consentry.toml"
    file.write_text(
        '[[envoy.routes]]\nname = "x"\npath = "/a//b"\n'
        'action = "read"\ndata = "{query.x}"\nprincipal = "p"\n'
    )

    with pytest.raises(SettingsError) as told:
        load_settings({}, file)

    assert "x: path is no path" in str(told.value)
    assert "{query.x}" in str(told.value)


def test_a_door_without_routes_is_refused() -> None:
    with pytest.raises(SettingsError, match="without any, every request would be refused"):
        load_settings({"envoy": {"is_enabled": True}}, None)
