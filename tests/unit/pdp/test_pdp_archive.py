"""Claims about the archive: whole or not there, and what comes out is what went in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from consentry.diagnostics.span import Source
from consentry.pdp.archive import ArchiveError, PolicyArchive

DIGEST = "ab" * 32
OTHER = "cd" * 32
SOURCES = (Source("b/../../evil.policy", "# ä\r\n"), Source("a.policy", ""))
PACKS = {"core": Source("consentry/packs/core.policy", "# core\n")}


def test_kept_set_comes_back_as_it_was(tmp_path: Path) -> None:
    archive = PolicyArchive(tmp_path / "policies")
    archive.keep(DIGEST, SOURCES, PACKS, "7")

    kept = archive.load(DIGEST)

    assert kept.sources == SOURCES
    assert kept.packs == PACKS
    assert kept.compiler_versions == ("7",)
    assert archive.digests() == (DIGEST,)


def test_names_of_authors_are_never_paths(tmp_path: Path) -> None:
    PolicyArchive(tmp_path / "policies").keep(DIGEST, SOURCES, PACKS, "7")

    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"manifest.json", "0000.text", "0001.text", "0002.text"}


def test_another_compiler_version_is_added(tmp_path: Path) -> None:
    archive = PolicyArchive(tmp_path)
    for version in ("1", "2", "1"):
        archive.keep(DIGEST, SOURCES, PACKS, version)

    assert archive.load(DIGEST).compiler_versions == ("1", "2")
    assert archive.load(DIGEST).sources == SOURCES


def test_interrupted_write_leaves_nothing_under_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = PolicyArchive(tmp_path)
    for fails_at in range(5):
        calls = iter(range(100))

        def fail(fd: int, fails_at: int = fails_at, calls: object = calls) -> None:
            assert hasattr(calls, "__next__")
            if next(calls) == fails_at:
                raise OSError(28, "no space")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(OSError, match="no space"):
                archive.keep(DIGEST, SOURCES, PACKS, "1")
        assert archive.digests() == ()
        assert list(tmp_path.iterdir()) == []

    archive.keep(DIGEST, SOURCES, PACKS, "1")
    assert archive.load(DIGEST).sources == SOURCES


def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".new-abc").mkdir()
    (tmp_path / ".new-abc" / "0000.text").write_text("half")

    PolicyArchive(tmp_path).keep(DIGEST, SOURCES, PACKS, "1")

    assert [path.name for path in tmp_path.iterdir()] == [DIGEST]


@pytest.mark.parametrize("file", ["0000.text", "0002.text", "manifest.json"])
def test_damage_is_noticed_and_mended_by_keeping_again(tmp_path: Path, file: str) -> None:
    archive = PolicyArchive(tmp_path)
    archive.keep(DIGEST, SOURCES, PACKS, "1")
    (tmp_path / DIGEST / file).write_text("damaged")

    with pytest.raises(ArchiveError):
        archive.load(DIGEST)
    archive.keep(DIGEST, SOURCES, PACKS, "1")

    assert archive.load(DIGEST).sources == SOURCES


def test_texts_of_the_set_before_are_not_written_again(tmp_path: Path) -> None:
    archive = PolicyArchive(tmp_path)
    archive.keep(DIGEST, SOURCES, PACKS, "1")
    archive.keep(OTHER, (SOURCES[0], Source("a.policy", "# changed")), PACKS, "1")

    for file, is_shared in (("0000.text", True), ("0001.text", False), ("0002.text", True)):
        assert (tmp_path / OTHER / file).samefile(tmp_path / DIGEST / file) is is_shared
    assert archive.load(DIGEST).sources == SOURCES
    assert archive.load(OTHER).sources[1].text == "# changed"


def test_keeping_can_give_way_after_every_text(tmp_path: Path) -> None:
    steps: list[None] = []

    PolicyArchive(tmp_path, step=lambda: steps.append(None)).keep(DIGEST, SOURCES, PACKS, "1")

    assert len(steps) == len(SOURCES) + len(PACKS)


def _damage(file: Path) -> None:
    file.write_text("damaged")


@pytest.mark.parametrize("happens", [_damage, Path.unlink])
def test_a_text_that_is_not_what_it_was_is_written_again(
    tmp_path: Path, happens: Callable[[Path], None]
) -> None:
    archive = PolicyArchive(tmp_path)
    archive.keep(DIGEST, SOURCES, PACKS, "1")
    happens(tmp_path / DIGEST / "0000.text")

    archive.keep(OTHER, SOURCES, PACKS, "1")

    assert archive.load(OTHER).sources == SOURCES


def test_sets_are_kept_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "not permitted")

    monkeypatch.setattr(os, "link", refuse)
    archive = PolicyArchive(tmp_path)
    for digest in (DIGEST, OTHER):
        archive.keep(digest, SOURCES, PACKS, "1")

    assert archive.load(OTHER).sources == archive.load(DIGEST).sources == SOURCES


@pytest.mark.parametrize("digest", ["", "../x", "ab", "AB" * 32, "ab" * 32 + "\n"])
def test_only_a_digest_names_a_set(tmp_path: Path, digest: str) -> None:
    archive = PolicyArchive(tmp_path)

    with pytest.raises(ValueError, match="digest"):
        archive.keep(digest, SOURCES, PACKS, "1")
    with pytest.raises(ArchiveError):
        archive.load(digest)


def test_set_that_was_never_kept_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError):
        PolicyArchive(tmp_path).load(DIGEST)
