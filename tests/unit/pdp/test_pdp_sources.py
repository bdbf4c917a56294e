"""Claims about reading a policy folder: what is taken, what is refused, and that nothing hangs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from consentry.diagnostics.codes_bundles import CODES as BUNDLE_CODES
from consentry.diagnostics.codes_files import CODES
from consentry.pdp import folder as folder_module
from consentry.pdp import sources as sources_module
from consentry.pdp.folder import FolderLook, look_at_folder
from consentry.pdp.pace import at_once
from consentry.pdp.sources import read_packs, read_policy_folder

TEXT = "purpose service { basis contract }\n"


def write(path: Path, text: str = TEXT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(path: Path) -> list[str]:
    sources, problems = read_policy_folder(path)
    assert problems == ()
    return [source.name for source in sources]


def codes(path: Path) -> list[str]:
    return [found.code for found in read_policy_folder(path)[1]]


def test_all_policy_files_below_are_read_sorted_with_slashes(tmp_path: Path) -> None:
    for name in ("b.policy", "a/z.policy", "a/b/c.policy", "notes.txt", "a/README.md"):
        write(tmp_path / name)

    assert names(tmp_path) == ["a/b/c.policy", "a/z.policy", "b.policy"]


def test_text_is_kept_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "a.policy").write_bytes("# Grüße\r\n\t#\n".encode())

    assert read_policy_folder(tmp_path)[0][0].text == "# Grüße\r\n\t#\n"


def test_reading_can_give_way_after_every_file(tmp_path: Path) -> None:
    steps: list[None] = []
    for number in range(7):
        write(tmp_path / f"{number}.policy")

    read_policy_folder(tmp_path, lambda: steps.append(None))

    assert len(steps) == 7


def test_hidden_names_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "a.policy")
    write(tmp_path / ".b.policy")
    write(tmp_path / ".git" / "c.policy")
    write(tmp_path / "..2026" / "d.policy")

    assert names(tmp_path) == ["a.policy"]


def test_config_map_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "..2026_01" / "a.policy")
    write(tmp_path / "..2026_01" / "team" / "b.policy")
    (tmp_path / "..data").symlink_to("..2026_01")
    (tmp_path / "a.policy").symlink_to("..data/a.policy")
    (tmp_path / "team").symlink_to("..data/team")

    assert names(tmp_path) == ["a.policy", "team/b.policy"]


def test_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    write(tmp_path / "worktrees" / "abc" / "a.policy")
    (tmp_path / "current").symlink_to("worktrees/abc")

    assert names(tmp_path / "current") == ["a.policy"]


@pytest.mark.parametrize("target", ["file", "folder"])
def test_link_that_leads_outside_is_refused(tmp_path: Path, target: str) -> None:
    inside = write(tmp_path / "in" / "a.policy").parent
    write(tmp_path / "inside_by_prefix_only" / "b.policy")
    if target == "file":
        (inside / "b.policy").symlink_to("../inside_by_prefix_only/b.policy")
    else:
        (inside / "more").symlink_to("../inside_by_prefix_only")

    assert codes(inside) == ["F504"]


def test_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.policy").symlink_to("gone")

    assert codes(tmp_path) == ["F503"]


def test_circle_of_links_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.policy")
    (tmp_path / "again").symlink_to(".")

    assert codes(tmp_path) == ["F512"]


def test_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.policy")

    assert codes(tmp_path) == ["F505"]


def test_file_that_became_a_pipe_after_the_look_does_not_hang(tmp_path: Path) -> None:
    write(tmp_path / "a.policy")
    look = look_at_folder(tmp_path)
    (tmp_path / "a.policy").unlink()
    os.mkfifo(tmp_path / "a.policy")

    assert [found.code for found in sources_module._read(look, at_once)[1]] == ["F505"]


def test_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.policy").symlink_to("/dev/zero")

    assert codes(tmp_path) == ["F504"]


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    assert codes(tmp_path / "none") == ["F501"]


def test_file_instead_of_folder_is_refused(tmp_path: Path) -> None:
    assert codes(write(tmp_path / "a.policy")) == ["F501"]


def test_folder_name_with_a_zero_byte_is_refused(tmp_path: Path) -> None:
    assert codes(tmp_path / "a\0b") == ["F501"]


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")

    assert codes(tmp_path) == ["F502"]


def test_text_that_is_not_utf8_is_refused_with_the_byte(tmp_path: Path) -> None:
    (tmp_path / "a.policy").write_bytes(b"# caf\xe9\n")

    (found,) = read_policy_folder(tmp_path)[1]
    assert (found.code, found.label) == ("F506", "byte 5 is 0xe9")
    assert found.span is not None
    assert found.span.file == "a.policy"


def test_byte_order_mark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.policy").write_bytes(b"\xef\xbb\xbf# x\n")

    assert codes(tmp_path) == ["F507"]


def test_file_of_just_the_limit_is_read_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.policy", "#" * sources_module.MAX_FILE_BYTES)
    assert names(tmp_path) == ["a.policy"]

    write(path, "#" * (sources_module.MAX_FILE_BYTES + 1))
    assert codes(tmp_path) == ["F508"]


def test_too_many_files_are_refused_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MAX_FILES", 3)
    for number in range(3):
        write(tmp_path / f"{number}.policy")
    assert len(names(tmp_path)) == 3

    for number in range(3, 9):
        write(tmp_path / f"{number}.policy")
    assert codes(tmp_path) == ["F509"]


def test_too_many_names_are_refused_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MAX_ENTRIES", 3)
    for number in range(6):
        write(tmp_path / f"{number}.txt")

    assert codes(tmp_path) == ["F509"]


def test_too_large_set_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources_module, "MAX_TOTAL_BYTES", 2 * len(TEXT))
    for number in range(3):
        write(tmp_path / f"{number}.policy")

    assert codes(tmp_path) == ["F510"]


@pytest.mark.parametrize("name", [b"a\xff.policy", b"a\x1b[31m.policy", b"a\n.policy"])
def test_name_that_cannot_be_shown_is_refused(tmp_path: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(tmp_path), name), "wb"):  # noqa: PTH118, PTH123 - bytes
        pass

    (found,) = read_policy_folder(tmp_path)[1]
    assert found.code == "F511"
    assert found.title.isprintable()


def test_deep_folders_are_refused(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*(["d"] * (folder_module.MAX_DEPTH + 1)))
    write(deep / "a.policy")

    assert codes(tmp_path) == ["F512"]


def test_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.policy")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("consentry.pdp.sources.os.open", refuse)
    (found,) = read_policy_folder(tmp_path)[1]

    assert (found.code, found.title) == ("F503", "`a.policy` cannot be read: permission denied")
    assert str(tmp_path) not in found.title


def test_folder_that_changes_while_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link swap between two files must not give half of each version."""
    for version in ("1", "2"):
        for name in ("a", "b"):
            write(tmp_path / f"..{version}" / f"{name}.policy", f"# {version}\n")
    (tmp_path / "..data").symlink_to("..1")
    for name in ("a", "b"):
        (tmp_path / f"{name}.policy").symlink_to(f"..data/{name}.policy")
    real_read, swaps = sources_module._read, iter([True])

    def read_and_swap(look: FolderLook, step: Callable[[], None]) -> object:
        result = real_read(look, step)
        if next(swaps, False):
            (tmp_path / "..new").symlink_to("..2")
            (tmp_path / "..new").rename(tmp_path / "..data")
        return result

    monkeypatch.setattr(sources_module, "_read", read_and_swap)
    sources, problems = read_policy_folder(tmp_path)

    assert problems == ()
    assert [source.text for source in sources] == ["# 2\n", "# 2\n"]


def test_folder_that_never_rests_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.policy")
    real_read, numbers = sources_module._read, iter(range(100))

    def read_and_change(look: FolderLook, step: Callable[[], None]) -> object:
        write(tmp_path / f"more{next(numbers)}.policy")
        return real_read(look, step)

    monkeypatch.setattr(sources_module, "_read", read_and_change)

    assert codes(tmp_path) == ["F513"]


def test_looks_are_equal_until_something_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.policy", "# 1\n")
    before = look_at_folder(tmp_path)
    assert look_at_folder(tmp_path) == before

    status = path.stat()
    path.write_text("# 2\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert look_at_folder(tmp_path) != before


def test_packs_are_named_after_their_files() -> None:
    for name, source in read_packs().items():
        assert source.name == f"consentry/packs/{name}.policy"
        assert source.text


def test_every_code_about_files_that_is_given_is_registered() -> None:
    known = {info.code for info in (*CODES, *BUNDLE_CODES)}
    rooms = Path(folder_module.__file__).parent.parent
    places = [path for path in rooms.glob("*/*.py") if path.parent.name != "diagnostics"]
    texts = "".join(path.read_text() for path in places)
    used = {f"F{number}" for number in range(500, 600) if f'"F{number}"' in texts}

    assert used == known
