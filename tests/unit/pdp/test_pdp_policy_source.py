"""Claims about bundles as a source: who is trusted, what is too old, and when a serial counts."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.pdp.bundle import Bundle
from consentry.pdp.bundle_http import BundleUrl
from consentry.pdp.policy_source import BundleFile, BundleSource, FolderSource
from consentry.pdp.serials import HighestSerial, SerialRecord
from consentry.pdp.sources import read_packs
from tests.support.bundles import FORBID, PERMIT, TREES, Keys, bundle_of

PACKS = read_packs()


class Scene:
    """A bundle file and all that judges it; `load` does what the store does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = Keys(folder / "keys")
        self.file = folder / "shop.bundle"
        self.record = SerialRecord(folder / "bundles")
        self.source = self.opened()

    def opened(self, *, rollback_to_serial: int | None = None) -> BundleSource:
        return BundleSource(
            BundleFile(self.file),
            trusted_keys=self.keys.public,
            packs=PACKS,
            record=self.record,
            rollback_to_serial=rollback_to_serial,
        )

    def put(self, bundle: Bundle) -> None:
        self.file.write_bytes(bundle.raw())

    def put_signed(self, rules: str = PERMIT, *, serial: int = 1) -> None:
        self.file.write_bytes(self.keys.signed(rules, serial=serial))

    def load(self, source: BundleSource | None = None) -> list[str]:
        source = source or self.source
        sources, problems = source.read()
        if problems:
            return codes(problems)
        program = compile_policies(sources, PACKS).program
        assert program is not None
        return codes(source.admit(program.digest))


def codes(problems: Sequence[Diagnostic]) -> list[str]:
    return [found.code for found in problems]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_signed_bundle_gives_its_texts_and_translations(scene: Scene) -> None:
    scene.put_signed()

    sources, problems = scene.source.read()

    assert problems == ()
    assert sources == (Source("rules.policy", PERMIT), Source("trees.policy", TREES))
    assert scene.source.translations() == ()
    assert scene.load() == []
    assert [one.language for one in scene.source.translations()] == ["th"]


def test_unsigned_bundle_is_refused(scene: Scene) -> None:
    scene.put(bundle_of())

    assert scene.load() == ["F548"]


def test_bundle_of_a_stranger_is_refused_until_the_stranger_is_trusted(scene: Scene) -> None:
    stranger = Keys(scene.folder / "stranger")
    scene.put(stranger.sign(bundle_of()))
    before = scene.source.look()

    assert scene.load() == ["F549"]

    scene.keys.public.write_bytes(stranger.public.read_bytes())
    assert scene.source.look() != before
    assert scene.load() == []


def test_folder_in_the_place_of_a_bundle_decides_nothing(scene: Scene) -> None:
    scene.file.mkdir()
    (scene.file / "a.policy").write_text(TREES + PERMIT)

    assert scene.load() == ["F546"]


def test_pipe_in_the_place_of_a_bundle_is_not_waited_for(scene: Scene) -> None:
    os.mkfifo(scene.file)

    assert scene.load() == ["F546"]


def test_bundle_without_trusted_keys_is_told_what_is_missing(scene: Scene) -> None:
    scene.put_signed()

    _, (found,) = FolderSource(scene.file).read()

    assert (found.code, "policies.trusted_keys" in found.help) == ("F501", True)


@pytest.mark.parametrize("content", [None, b"{}", b"no keys", b'{"keys": []}'])
def test_without_trusted_keys_nobody_is_trusted(scene: Scene, content: bytes | None) -> None:
    scene.put_signed()
    if content is None:
        scene.keys.public.unlink()
    else:
        scene.keys.public.write_bytes(content)

    assert scene.load() == ["F550"]


def test_missing_bundle_is_refused(scene: Scene) -> None:
    assert scene.load() == ["F546"]


def test_older_bundle_is_refused_also_after_a_restart(scene: Scene) -> None:
    scene.put_signed(serial=7)
    assert scene.load() == []

    scene.put_signed(FORBID + PERMIT, serial=6)

    assert scene.load() == ["F551"]
    assert scene.load(scene.opened()) == ["F551"]


def test_serial_counts_only_once_the_bundle_is_active(scene: Scene) -> None:
    scene.put_signed(serial=9)
    scene.source.read()

    assert scene.record.read() is None


def test_two_bundles_with_one_serial_are_refused_and_one_signed_twice_is_not(scene: Scene) -> None:
    scene.put_signed(serial=7)
    assert scene.load() == []

    scene.keys.folder.generate()
    scene.put_signed(serial=7)
    assert scene.load() == []

    scene.put_signed(FORBID + PERMIT, serial=7)
    assert scene.load() == ["F552"]


def test_operator_can_allow_one_older_serial_and_only_that(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    for serial in (5, 7):
        scene.put_signed(serial=serial)
        assert scene.load() == []
    allowing = scene.opened(rollback_to_serial=5)

    scene.put_signed(serial=6)
    assert scene.load(allowing) == ["F551"]

    scene.put_signed(serial=5)
    with caplog.at_level(logging.WARNING):
        assert scene.load(allowing) == []
    assert "bundle_rollback_allowed" in caplog.messages
    highest = scene.record.read()
    assert highest is not None
    assert highest.serial == 7


def test_record_that_cannot_be_read_refuses_every_bundle(scene: Scene) -> None:
    scene.put_signed(serial=7)
    assert scene.load() == []

    for damaged in ("", "[]", '{"serial": "7"}', '{"serial": 7}'):
        (scene.folder / "bundles" / "highest.json").write_text(damaged)
        assert scene.load() == ["F557"]


def test_record_that_cannot_be_written_refuses_the_bundle(scene: Scene) -> None:
    scene.put_signed(serial=7)
    (scene.folder / "bundles").write_text("a file where the folder should be")

    assert scene.load() == ["F557"]


def test_record_only_rises(scene: Scene) -> None:
    assert scene.record.raise_to(HighestSerial(3, "a")) is None
    assert scene.record.raise_to(HighestSerial(2, "b")) == HighestSerial(3, "a")
    assert scene.record.read() == HighestSerial(3, "a")


def test_bundle_built_with_other_packs_is_refused(scene: Scene) -> None:
    scene.put_signed()
    other = dict(PACKS) | {"core": Source(PACKS["core"].name, PACKS["core"].text + "\n")}
    source = BundleSource(
        BundleFile(scene.file), trusted_keys=scene.keys.public, packs=other, record=scene.record
    )

    _, (found,) = source.read()

    assert (found.code, found.title) == ("F553", "this release has another text of the pack `core`")


def test_bundle_that_names_another_digest_is_refused(scene: Scene) -> None:
    scene.put(scene.keys.sign(bundle_of(digest="0" * 64)))

    assert scene.load() == ["F554"]
    assert scene.record.read() is None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.bundle",
        "ftp://example.org/a.bundle",
        "https://",
        "https://user:secret@example.org/a.bundle",
        "https://example.org/a bundle",
        "https://example.org:port/a.bundle",
        "shop.bundle",
    ],
)
def test_url_that_may_not_be_used_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|http|user|percent|Port"):
        BundleUrl(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_plain_http_is_for_this_machine(host: str) -> None:
    assert BundleUrl(f"http://{host}:8000/a.bundle")
