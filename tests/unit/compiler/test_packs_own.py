"""Claims about packs that an author brings: a file, a `use`, and no code."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentry.app.policy_files import compile_path
from consentry.author.policy_tests import run_policy_tests
from tests.support.compiling import compile_files, program_of

LAW = """
regime lantern_act "An invented law about lanterns" {
    version "7"
    governs subject.country == "XQ"
    permit agreed "The person agreed" as consent_valid { basis consent when consent.given }
    forbid no_lanterns "Nobody is profiled" as prohibited_by_law { for profiling cite "s. 3" }
}
"""
HOUSE = """
use lantern, strict "1"
attributes subject { country: text? }
data person { email as user.contact.email }
purpose offers as personalize.profiling { basis consent }
purpose news as marketing.communications.email { basis consent }
permit all { who anyone may read data anything for anything }
test lanterns "The invented law holds" {
    given  subject { country = "XQ" }
    given  gave offers on 2026-01-01
    given  gave news on 2026-01-01
    at     2026-02-01
    check  person may read person.email for offers
    expect deny prohibited_by_law
    check  person may read person.email for news
    expect permit consent_valid
}
"""


def test_a_new_law_needs_a_file_and_no_code(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "lantern.policy").write_text(LAW)
    (tmp_path / "shop.policy").write_text(HOUSE)

    compiled = compile_path(tmp_path)
    report = run_policy_tests(compiled.result)

    assert [d.title for d in compiled.diagnostics if d.is_error] == []
    assert report.check_count == 2
    assert report.is_passed


def test_in_a_pack_another_consent_is_named_by_a_standard_use() -> None:
    law = LAW.replace('cite "s. 3"', "unless consented(transfer, explicit)")
    house = HOUSE.replace(
        "purpose news", "purpose abroad as transfer { basis consent }\npurpose news"
    )
    house = house.replace(
        "given  gave news", "given  gave abroad is explicit on 2026-01-01\n given gave news"
    )
    house = house.replace("deny prohibited_by_law", "permit consent_valid")

    agreed = compile_files({"shop.policy": house, "packs/lantern.policy": law})
    silent = compile_files({"shop.policy": HOUSE, "packs/lantern.policy": law})

    assert run_policy_tests(agreed).is_passed
    assert run_policy_tests(silent).is_passed


def test_the_law_is_part_of_the_digest() -> None:
    before = compile_files({"shop.policy": HOUSE, "packs/lantern.policy": LAW})
    after = compile_files({"shop.policy": HOUSE, "packs/lantern.policy": LAW + "# amended\n"})

    assert program_of(before).digest != program_of(after).digest


@pytest.mark.parametrize(
    ("files", "code", "file"),
    [
        ({"packs/House-Law.policy": ""}, "F543", "packs/House-Law.policy"),
        ({"packs/lantern.tests.policy": ""}, "F543", "packs/lantern.tests.policy"),
        ({"packs/core.policy": ""}, "F544", "packs/core.policy"),
        ({"packs/a/lantern.policy": LAW}, "F544", "packs/lantern.policy"),
        ({"packs/other.policy": "regime other { }"}, "F545", "packs/other.policy"),
    ],
)
def test_a_pack_that_cannot_take_part_is_told(files: dict[str, str], code: str, file: str) -> None:
    whole = {"shop.policy": HOUSE, "packs/lantern.policy": LAW}

    found = compile_files(whole | files).diagnostics

    assert [(d.code, d.span and d.span.file) for d in found if d.code.startswith("F")] == [
        (code, file)
    ]


def test_a_pin_names_the_versions_there_are() -> None:
    two = LAW + LAW.replace("lantern_act", "lamp_act").replace('"7"', '"8"')
    house = HOUSE.replace("use lantern", 'use lantern "6"')

    (found,) = compile_files({"shop.policy": house, "packs/lantern.policy": two}).diagnostics

    assert (found.code, found.label) == ("R202", "the pack at hand has versions `7` and `8`")


def test_a_translation_beside_the_policies_is_held_against_them(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "lantern.policy").write_text(LAW)
    (tmp_path / "shop.policy").write_text(HOUSE)
    (tmp_path / "shop.th.toml").write_text(
        '[regime]\nlantern_act = "กฎหมายสมมุติ"\n[rule]\nlantern_act.agreed = "x"\n', "utf-8"
    )
    (tmp_path / "packs" / "lantern.th.toml").write_text('[regime]\nlantern = "ก"\n', "utf-8")

    compiled = compile_path(tmp_path)

    assert not compiled.has_errors
    assert sorted(d.code for d in compiled.diagnostics) == ["F541", "F542"]
