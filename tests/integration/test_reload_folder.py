"""Reload with real files, the real compiler in its child, and the watcher stepped by hand."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from consentry.app.system import SystemClock
from consentry.compiler.compile import compile_policies
from consentry.consent.resolver import SubjectView
from consentry.diagnostics.span import Source
from consentry.engine.evaluate import evaluate
from consentry.model.request import DataSubject, Principal, Request
from consentry.pdp.archive import PolicyArchive
from consentry.pdp.compile_process import compile_in_child
from consentry.pdp.folder import look_at_folder
from consentry.pdp.policy_store import Compile, PolicyStore
from consentry.pdp.sources import read_packs, read_policy_folder
from consentry.pdp.watcher import PolicyWatcher

TREES = """
data customer { email phone }
purpose service "Deliver" { basis contract }
"""
PERMIT = 'permit serve { who service "shop" may read data customer for service }\n'
FORBID = "forbid phones { data customer.phone }\n"


class Sidecar:
    """A store and its watcher over one folder; compiles in a child only where that is the claim."""

    def __init__(self, folder: Path, state: Path, compiler: Compile = compile_policies) -> None:
        self.folder = folder
        self.archive = PolicyArchive(state)
        self.store = PolicyStore(
            read_sources=lambda: read_policy_folder(folder),
            packs=read_packs(),
            clock=SystemClock(),
            archive=self.archive,
            compile_apart=compiler,
            settle=lambda: None,
        )
        self.watcher = PolicyWatcher(look=lambda: look_at_folder(folder), store=self.store)

    def settle(self) -> bool:
        """Look until nothing new is to be seen; whether the active set became another."""
        before = self.digest
        for _ in range(3):
            self.watcher.step()
        return self.digest != before

    @property
    def digest(self) -> str:
        return self.store.current.digest if self.store.current is not None else ""

    def rule_names(self) -> set[str]:
        assert self.store.current is not None
        return {rule.name for rule in self.store.current.program.rules if rule.regime == 0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "trees.policy").write_text(TREES)
    (folder / "rules.policy").write_text(PERMIT)
    return folder


@pytest.fixture
def sidecar_with_child(folder: Path, tmp_path: Path) -> Sidecar:
    sidecar = Sidecar(folder, tmp_path / "state", compile_in_child)
    assert sidecar.store.load_first().is_reloaded
    return sidecar


@pytest.fixture
def sidecar(folder: Path, tmp_path: Path) -> Sidecar:
    sidecar = Sidecar(folder, tmp_path / "state")
    assert sidecar.store.load_first().is_reloaded
    sidecar.watcher.step()
    sidecar.watcher.step()
    return sidecar


def write_in_place(folder: Path) -> None:
    (folder / "rules.policy").write_text(PERMIT + FORBID)


def write_and_rename(folder: Path) -> None:
    (folder / "rules.tmp").write_text(PERMIT + FORBID)
    (folder / "rules.tmp").rename(folder / "rules.policy")


def add_a_file(folder: Path) -> None:
    (folder / "more.policy").write_text(FORBID)


def add_in_a_new_subfolder(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "more.policy").write_text(FORBID)


def make_the_folder_again(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "trees.policy").write_text(TREES)
    (folder / "rules.policy").write_text(PERMIT + FORBID)


def replace_with_old_times_and_size(folder: Path) -> None:
    """The same size and the same times, as `rsync --times` may leave them."""
    path = folder / "rules.policy"
    padded = PERMIT + "#" * len(FORBID)
    path.write_text(padded)
    status = path.stat()
    path.write_text((PERMIT + FORBID).ljust(len(padded)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        write_in_place,
        write_and_rename,
        add_a_file,
        add_in_a_new_subfolder,
        make_the_folder_again,
        replace_with_old_times_and_size,
    ],
)
def test_change_is_seen_and_loaded(sidecar: Sidecar, change: Callable[[Path], None]) -> None:
    assert sidecar.rule_names() == {"serve"}

    change(sidecar.folder)

    assert sidecar.settle()
    assert sidecar.rule_names() == {"serve", "phones"}


def test_renamed_and_removed_files_are_seen(sidecar: Sidecar) -> None:
    rules = sidecar.folder / "rules.policy"
    rules.rename(sidecar.folder / "other.policy")
    assert sidecar.settle()

    more = sidecar.folder / "more.policy"
    more.write_text(FORBID)
    assert sidecar.settle()
    assert sidecar.rule_names() == {"serve", "phones"}

    more.unlink()
    assert sidecar.settle()
    assert sidecar.rule_names() == {"serve"}


def mount_version(mount: Path, name: str, rules: str) -> None:
    """What the kubelet does: a new hidden folder, and one atomic move of the link `..data`."""
    version = mount / f"..{name}"
    version.mkdir()
    (version / "trees.policy").write_text(TREES)
    (version / "rules.policy").write_text(rules)
    (mount / "..data_tmp").symlink_to(version.name)
    (mount / "..data_tmp").rename(mount / "..data")
    for file in ("trees.policy", "rules.policy"):
        if not (mount / file).is_symlink():
            (mount / file).symlink_to(f"..data/{file}")
    for old in mount.glob("..2026*"):
        if old != version:
            shutil.rmtree(old)


def test_swap_of_a_config_map_is_seen(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    mount_version(mount, "2026_01_01", PERMIT)
    sidecar = Sidecar(mount, tmp_path / "state")
    assert sidecar.store.load_first().is_reloaded

    mount_version(mount, "2026_01_02", PERMIT + FORBID)

    assert sidecar.settle()
    assert sidecar.rule_names() == {"serve", "phones"}
    assert sidecar.store.current is not None
    names = [source.name for source in sidecar.store.current.sources]
    assert names == ["rules.policy", "trees.policy"]


def test_swap_of_a_git_checkout_is_seen(tmp_path: Path) -> None:
    """What git-sync does: the folder itself is a link that moves to a new worktree."""
    link = tmp_path / "git" / "current"
    for number, rules in enumerate((PERMIT, PERMIT + FORBID)):
        tree = tmp_path / "git" / ".worktrees" / f"{number}" / "policies"
        tree.mkdir(parents=True)
        (tree / "all.policy").write_text(TREES + rules)
    link.symlink_to(".worktrees/0")
    sidecar = Sidecar(link / "policies", tmp_path / "state")
    assert sidecar.store.load_first().is_reloaded

    new = tmp_path / "git" / "new"
    new.symlink_to(".worktrees/1")
    new.rename(link)
    shutil.rmtree(tmp_path / "git" / ".worktrees" / "0")

    assert sidecar.settle()
    assert sidecar.rule_names() == {"serve", "phones"}


def test_broken_set_is_refused_until_it_is_mended(sidecar: Sidecar) -> None:
    good = sidecar.digest
    rules = sidecar.folder / "rules.policy"
    rules.write_text(PERMIT + "forbid { nonsense")

    assert not sidecar.settle()
    assert sidecar.digest == good
    assert not sidecar.store.reload().is_reloaded

    rules.write_text(PERMIT + FORBID)
    assert sidecar.settle()


def test_half_written_file_is_not_loaded_while_it_grows(sidecar: Sidecar) -> None:
    good = sidecar.digest
    rules = sidecar.folder / "rules.policy"
    text = PERMIT + FORBID
    for length in range(len(PERMIT) // 2, len(text), 10):
        rules.write_text(text[:length])
        assert not sidecar.watcher.step()
        assert sidecar.digest == good

    rules.write_text(text)
    assert sidecar.settle()
    assert sidecar.rule_names() == {"serve", "phones"}


def test_folder_that_goes_away_leaves_the_last_good_set(sidecar: Sidecar) -> None:
    good = sidecar.digest
    moved = sidecar.folder.with_name("elsewhere")
    sidecar.folder.rename(moved)
    assert not sidecar.settle()
    result = sidecar.store.reload()
    assert [found.code for found in result.diagnostics] == ["F501"]

    sidecar.folder.mkdir()
    assert [found.code for found in sidecar.store.reload().diagnostics] == ["F502"]
    assert sidecar.digest == good

    sidecar.folder.rmdir()
    moved.rename(sidecar.folder)
    assert not sidecar.settle()
    assert not sidecar.store.reload().is_refused


def test_every_active_set_can_be_taken_from_the_archive(sidecar: Sidecar) -> None:
    digests = [sidecar.digest]
    for change in (write_in_place, add_in_a_new_subfolder):
        change(sidecar.folder)
        if not sidecar.settle():
            # The second change declares the same rule twice and is refused.
            assert sidecar.store.reload().is_refused
            continue
        digests.append(sidecar.digest)

    assert sorted(digests) == list(sidecar.archive.digests())
    texts = {
        source.name: source.text for source in sidecar.archive.load(digests[0]).sources
    }  # fmt: skip
    assert texts == {"rules.policy": PERMIT, "trees.policy": TREES}


def test_validation_in_the_child_changes_nothing(sidecar_with_child: Sidecar) -> None:
    sidecar = sidecar_with_child
    good = sidecar.digest
    broken = sidecar.store.validate([Source("a.policy", "forbid { nonsense")])
    fine = sidecar.store.validate([Source("a.policy", TREES + PERMIT)])

    assert any(found.is_error for found in broken.diagnostics)
    assert fine.program is not None
    assert sidecar.digest == good


def test_checks_go_on_without_a_failure_during_reloads(sidecar_with_child: Sidecar) -> None:
    """Two reloads, each while another thread asks without a pause."""
    sidecar = sidecar_with_child
    request = Request(
        principal=Principal(id="shop", kind="service"),
        action="read",
        data=("customer.phone",),
        data_subject=DataSubject(id="ada"),
        purpose="service",
    )
    view = SubjectView((), revision=0, position=0, read_at_us=0)
    now_us = SystemClock().now_us()
    seen: dict[str, set[str]] = {}
    problems: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        try:
            while not stop.is_set():
                snapshot = sidecar.store.current
                assert snapshot is not None
                decision = evaluate(snapshot.linked, request, view, now_us)
                seen.setdefault(snapshot.digest, set()).add(decision.effect.value)
        except BaseException as problem:  # noqa: BLE001 - told to the test's own thread
            problems.append(problem)

    asking = threading.Thread(target=ask)
    asking.start()
    digests = {sidecar.digest: "permit"}
    for text, effect in ((PERMIT + FORBID, "deny"), (PERMIT, "permit")):
        (sidecar.folder / "rules.policy").write_text(text)
        assert sidecar.store.reload().is_reloaded
        digests[sidecar.digest] = effect
    stop.set()
    asking.join()

    assert problems == []
    assert seen == {digest: {effect} for digest, effect in digests.items()}
