"""Claims about translations: what they may hold, whom they belong to, and that Thai is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentry.compiler.texts import check_translation, find_untranslated, texts_of
from consentry.diagnostics.code_samples import SET
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.translations import Translation, find_language, parse_translation
from consentry.pdp.sources import read_packs
from consentry.pdp.translations import read_pack_translations, read_translations, texts_in
from tests.support.compiling import compile_text

POLICY = """
mission "We keep little." { controller "Acme" in "TH" }
tag loyalty "For members"
data customer "What we hold" { email "E-mail address" }
purpose marketing "Tell you" { basis consent purpose email "By e-mail" }
regime charter "Our charter" { permit agreed "You agreed" { when consent.given } }
permit mail "We write" { who anyone may read data customer for marketing }
test t "A claim" { at 2026-01-01 check person may read customer for marketing expect permit }
"""
THAI = """
[mission]
text = "เราเก็บเท่าที่จำเป็น"
[tag]
loyalty = "สำหรับสมาชิก"
[data]
customer = "สิ่งที่เราเก็บ"
"customer.email" = "อีเมล"
[purpose]
marketing = "บอกคุณ"
"marketing.email" = "ทางอีเมล"
[regime]
charter = "ธรรมนูญ"
[rule]
"charter.agreed" = "คุณตกลง"
mail = "เราเขียนถึงคุณ"
"""
TEXTS = texts_of([parse_module(Source("a.policy", POLICY)).module])
PACKS = dict(read_packs())


def thai(text: str) -> Translation:
    translation, problems = parse_translation(Source("a.th.toml", text), "th")
    assert problems == ()
    assert translation is not None
    return translation


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("shop.th.toml", "th"),
        ("shop.pt-BR.toml", "pt-BR"),
        ("a.b.de.toml", "de"),
        ("shop.toml", None),
        (".th.toml", None),
        ("shop.th.policy", None),
    ],
)
def test_the_name_of_a_file_tells_its_language(name: str, language: str | None) -> None:
    assert find_language(name) == language


def test_every_kind_of_text_can_be_translated() -> None:
    whole = thai(THAI)

    assert check_translation(whole, TEXTS) == ()
    assert find_untranslated(whole, TEXTS) == ()
    assert whole.find_text("purpose", "marketing.email") == "ทางอีเมล"
    assert whole.find_text("purpose", "marketing.sms") is None


def test_what_is_left_out_is_listed() -> None:
    part = thai(THAI.replace('mail = "เราเขียนถึงคุณ"\n', ""))

    assert find_untranslated(part, TEXTS) == (("rule", "mail"),)


def test_a_misspelt_name_is_reported_with_the_nearest() -> None:
    text = THAI.replace('"marketing.email"', '"marketing.emial"')

    (found,) = check_translation(thai(text), TEXTS)

    assert (found.code, found.is_error) == ("F542", False)
    assert found.span is not None
    assert text[found.span.start : found.span.end] == "marketing.emial"
    assert "`marketing.email`" in found.help


@pytest.mark.parametrize(
    ("text", "code", "underlined"),
    [
        ('[purpose]\na = "x', "F540", ""),
        ("[purpose]\na = x", "F540", "x"),
        ('[porpose]\na = "x"', "F541", "porpose"),
        ('purpose = "x"', "F541", "purpose"),
        ('[purpose]\na.b = "x"', "F541", "a"),
        ("[purpose]\na = 1", "F541", "a"),
        ('[purpose]\nmail = " "', "F541", "mail"),
    ],
)
def test_what_is_no_translation_is_told_where(text: str, code: str, underlined: str) -> None:
    translation, (found,) = parse_translation(Source("a.th.toml", text), "th")

    assert translation is None
    assert found.code == code
    assert found.span is not None
    assert text[found.span.start : found.span.end].startswith(underlined)


def test_translations_are_found_below_a_folder(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "a.th.toml").write_text('[tag]\na = "ก"\nb = "ข"', encoding="utf-8")
    (tmp_path / "team" / "b.th.toml").write_text('[tag]\nb = "ค"', encoding="utf-8")
    (tmp_path / "c.de.toml").write_text('[tag]\na = "A"', encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool]")
    (tmp_path / "d.th.toml").write_bytes(b'[tag]\na = "\xe9"')

    found, problems = read_translations(tmp_path)

    assert texts_in("th", found) == {("tag", "a"): "ก", ("tag", "b"): "ค"}
    assert texts_in("fr", found) == {}
    assert [problem.code for problem in problems] == ["F506"]


@pytest.mark.parametrize("pack", sorted(PACKS.keys() - {"law"}))
def test_every_text_of_a_pack_is_there_in_thai(pack: str) -> None:
    """`law` declares facts only, which have no texts."""
    texts = texts_of([parse_module(PACKS[pack]).module])
    in_thai = [t for t in read_pack_translations().get(pack, ()) if t.language == "th"]

    assert len(in_thai) == 1
    assert find_untranslated(in_thai[0], texts) == ()
    assert check_translation(in_thai[0], texts) == ()
    assert [k for k, text in in_thai[0].texts.items() if not is_thai(text)] == []


def is_thai(text: str) -> bool:
    return any("\u0e00" <= character <= "\u0e7f" for character in text)


def test_every_standard_key_is_described() -> None:
    symbols = compile_text(SET).symbols
    assert symbols is not None
    described = texts_of([parse_module(PACKS["core"]).module])

    assert [key for key in symbols.categories if ("data", key) not in described] == []
    assert [key for key in symbols.uses if ("purpose", key) not in described] == []
