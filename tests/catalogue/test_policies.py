"""Broken policies are told by their code and place; the set that decides stays."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.catalogue.target import Target

FILE: Final = "rollout.policy"
GOOD: Final = "# a comment\n"
SEED: Final = 20_261_125


def rules(count: int) -> str:
    return "".join(
        f'permit r{n} {{ who role "marketer" may read data customer for marketing.email }}\n'
        for n in range(count)
    )


def condition(text: str) -> str:
    head = 'forbid x { who role "marketer" may read data customer for marketing.email when '
    return f"{head}{text} }}\n"


def utf16(text: str) -> bytes:
    return text.encode("utf-16")


BROKEN: Final[dict[str, tuple[str | bytes, str]]] = {
    "P2": ('permit half { who role "a" may rea', "P1"),
    "P5a": (b'tag a "\xc3\x28"\n', "F506"),
    "P5b": (utf16('tag a "b"\n'), "F50"),
    "P6": ('tag a "x\0y"\n', "P101"),
    "P7a": ("# \u202e abc\n", "P102"),
    "P7b": ('tag a "x\u2066y"\n', "P102"),
    "P8": ("p\u0435rmit x {}\n", "P103"),
    "P9a": ('tag\u00a0a "b"\n', "P104"),
    "P9b": ('tag a "b"\uff0c\n', "P104"),
    "P10": ('permitadmin { who role "a" }\n', "P12"),
    "P11": ('tag permit "b"\n', "P111"),
    "P12a": ('tag a "no end\n', "P105"),
    "P12b": ('tag a "first\nsecond"\n', "P105"),
    "P13a": ('tag a "\\x41"\n', "P106"),
    "P13b": ('tag a "\\u{110000}"\n', "P106"),
    "P13c": ('tag a "\\u{D800}"\n', "P106"),
    "P14a": (condition("(" * 501 + "now < 2030-01-01" + ")" * 501), "P112"),
    "P14b": (condition("not " * 501 + "now < 2030-01-01"), "P112"),
    "P15": ("# " + "x" * (1024 * 1024) + "\n", "P113|F508"),
    "P16a": (condition("subject.country == " + "9" * 65), "P107|T3"),
    "P16b": (condition("subject.country == 1e999"), "P107|P1"),
    "P16c": (condition("subject.country == 01"), "P107"),
    "P17a": (condition("now < 2026-02-30"), "P108"),
    "P17b": (condition("now < 2026-02-03T24:00:00Z"), "P109"),
    "P17c": (condition("now < 2026-02-03T10:00:00"), "P109"),
    "P18": ('tag twice_here "a"\ntag twice_here "b"\n', "R230"),
    "P20a": ('permit x { who role "a" may read data customer for marketin.email }\n', "R203"),
    "P20b": (condition('subject.contry == "DE"'), "T301"),
    "P21": ("data a_round as a_round { a }\n", "R2|P1"),
    "P25": (condition('subject.country like "(a+)+$"'), "OK"),
    "P28": ('tag host "{0.__init__.__globals__}"\ntag other "__import__(1)"\n', "OK"),
    "P29": ("permit x {\n" * 300, "P114"),
    "P30": ('# one\r\ntag crlf "b"\n# three\r\n', "OK"),
    "P33": ('use core "9999.1"\n', "R202"),
}


@pytest.fixture
def rollout(target: Target) -> Iterator[Path]:
    """The file that is rolled out; what was there before comes back."""
    file = target.policies / FILE
    yield file
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)
    assert not target.reload().diagnostics or target.reload().is_reloaded


def assert_refused(target: Target, file: Path, text: str | bytes, code: str) -> None:
    """Rolls the text out: refused with a diagnostic of that code, or (`OK`) taken."""
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    if code == "OK":
        assert target.reload().is_reloaded
        return
    with target.unharmed():
        result = target.reload()
        codes = [d.code for d in result.diagnostics]
        wanted = tuple(code.split("|"))
        if "OK" in wanted and result.is_reloaded:
            return
        assert not result.is_reloaded
        assert any(found.startswith(wanted) for found in codes), codes
        assert len(result.diagnostics) <= 60
        assert all(d.file or d.code.startswith("F5") for d in result.diagnostics)
        assert not any(
            "lark" in d.title.lower() or "python" in d.title.lower() for d in result.diagnostics
        )


@pytest.mark.parametrize("row", BROKEN)
def test_broken_text(row: str, target: Target, rollout: Path) -> None:
    text, code = BROKEN[row]
    assert_refused(target, rollout, text, code)


def variants(text: str, count: int) -> Iterator[str]:
    """The same mistake elsewhere: below comments, beside good declarations, after empty lines."""
    random_ = random.Random(SEED)
    for number in range(count):
        before = "".join(
            random_.choice(["\n", "# words\n", f'tag before_{number}_{n} "good"\n', "   \n"])
            for n in range(random_.randrange(1, 6))
        )
        after = random_.choice(["", f'tag after_{number} "good"\n', "\n\n", "# words"])
        yield before + text + after


@pytest.mark.parametrize(
    "row", [r for r, (t, c) in BROKEN.items() if isinstance(t, str) and c != "OK"]
)
@pytest.mark.parametrize("count", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_variants_of_a_broken_text(
    row: str, count: int, compiled: Callable[[str], list[str]]
) -> None:
    text, code = BROKEN[row]
    assert isinstance(text, str)
    for changed in variants(text, count):
        codes = compiled(changed)
        wanted = tuple(code.split("|"))
        assert any(found.startswith(wanted) for found in codes) or "OK" in wanted, codes


@pytest.fixture(scope="module")
def compiled(project_root: Path) -> Callable[[str], list[str]]:
    """Codes of what is wrong when a text stands beside the shop's policies."""
    from consentry.compiler.compile import compile_policies  # noqa: PLC0415
    from consentry.diagnostics.span import Source  # noqa: PLC0415
    from consentry.pdp.sources import read_packs  # noqa: PLC0415

    packs = read_packs()
    shop = [Source(f.name, f.read_text()) for f in (project_root / "policies").glob("*.policy")]
    names = {"attributes.policy", "data.policy", "purposes.policy", "mission.policy"}
    few = [source for source in shop if source.name in names]

    def compile_beside(text: str) -> list[str]:
        result = compile_policies([*few, Source(FILE, text)], packs)
        return [d.code for d in result.diagnostics]

    return compile_beside


def test_same_id_in_two_files_is_told_with_both_places(target: Target, rollout: Path) -> None:
    other = rollout.with_name("other.policy")
    other.write_text('tag in_both "a"\n')
    try:
        assert_refused(target, rollout, 'tag in_both "b"\n', "R230")
    finally:
        other.unlink()


@pytest.mark.parametrize("kind", ["pipe", "folder", "link outside", "loop"])
def test_what_is_no_plain_file_is_told_and_nobody_waits_for_it(
    kind: str, target: Target, rollout: Path
) -> None:
    match kind:
        case "pipe":
            os.mkfifo(rollout)
        case "folder":
            rollout.mkdir()
        case "link outside":
            rollout.symlink_to("/etc/hostname")
        case _:
            rollout.symlink_to(rollout)
    with target.unharmed():
        result = target.reload()
        assert not result.is_reloaded
        assert kind == "folder" or {d.code for d in result.diagnostics} & {
            "F503",
            "F504",
            "F505",
            "F512",
        }


def test_empty_set_is_refused_and_never_permits_all(target: Target) -> None:
    held = {file: file.read_bytes() for file in target.policies.glob("*.policy")}
    try:
        for text in (b"", b"# only a comment\n", None):
            for file in held:
                if text is None:
                    file.unlink()
                else:
                    file.write_bytes(text)
            with target.unharmed():
                result = target.reload()
                assert not result.is_reloaded
                assert {d.code for d in result.diagnostics} & {"R244", "F502"}
    finally:
        for file, content in held.items():
            file.write_bytes(content)
        target.reload()
