"""Claims about loading: all or nothing, the last good set stays, the archive comes first."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Mapping, Sequence
from itertools import count, groupby
from pathlib import Path

import pytest
from pdp_fakes import POLICY, STRICTER, FakeClock

from consentry.compiler.compile import CompileResult, compile_policies
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.engine.link import LinkedProgram
from consentry.model.program import Program
from consentry.model.values import MICROS_PER_SECOND
from consentry.pdp.archive import PolicyArchive
from consentry.pdp.folder import problem
from consentry.pdp.pace import Pace
from consentry.pdp.policy_store import PolicyStore
from consentry.pdp.snapshot import Snapshot
from consentry.pdp.sources import read_packs
from consentry.telemetry.metrics import Metrics
from tests.support.policy_texts import many_rules

BROKEN = "permit { nonsense"


class Scene:
    def __init__(
        self, archive: PolicyArchive | None = None, max_age_s: float | None = None
    ) -> None:
        self.text = POLICY
        self.problems: tuple[Diagnostic, ...] = ()
        self.compile_count = 0
        self.settle_count = 0
        self.active_at_rest: list[str] = []
        self._steps = count()
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.store = PolicyStore(
            read_sources=self.read,
            packs=read_packs(),
            clock=self.clock,
            metrics=self.metrics,
            archive=archive,
            max_age_s=max_age_s,
            compile_apart=self.compile,
            settle=self.settle,
            pace=Pace(self.ever_later_s, self.rest),
        )

    def read(self) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
        return (Source("shop.policy", self.text),), self.problems

    def compile(self, sources: Sequence[Source], packs: Mapping[str, Source]) -> CompileResult:
        self.compile_count += 1
        return compile_policies(sources, packs)

    def settle(self) -> None:
        self.settle_count += 1

    def ever_later_s(self) -> float:
        """A clock by which each step is over its time."""
        return float(next(self._steps))

    def rest(self, _seconds: float) -> None:
        current = self.store.current
        self.active_at_rest.append("" if current is None else current.digest)

    def current(self) -> Snapshot:
        assert self.store.current is not None
        return self.store.current

    def loads(self, result: str) -> float | None:
        return self.metrics.registry.get_sample_value(
            "consentry_policy_load_total", {"result": result}
        )


def test_nothing_decides_before_the_first_load() -> None:
    scene = Scene()

    assert scene.store.current is None
    assert not scene.store.is_fresh()


def test_first_load_needs_no_child() -> None:
    scene = Scene()

    result = scene.store.load_first()

    assert result.is_reloaded
    assert not result.is_refused
    assert result.digest == scene.current().digest != ""
    assert scene.compile_count == 0


def test_reload_replaces_the_set_and_tells_listeners() -> None:
    scene = Scene()
    scene.store.load_first()
    first = scene.current()
    told: list[Snapshot] = []
    scene.store.on_change(told.append)
    scene.text = STRICTER

    result = scene.store.reload()

    assert result.is_reloaded
    assert scene.current().digest == result.digest != first.digest
    assert told == [scene.current()]
    assert scene.settle_count == 2
    info = scene.metrics.registry.get_sample_value(
        "consentry_policy_info", {"digest": result.digest}
    )
    assert info == 1


def test_reload_rests_after_every_few_rules_and_has_one_whole_set_each_time() -> None:
    scene = Scene()
    scene.text = many_rules(1_000)
    scene.store.load_first()
    first = scene.current().digest
    assert scene.active_at_rest == []  # nobody waits for an answer yet

    scene.text += "# another\n"
    scene.store.reload()

    assert [digest for digest, _ in groupby(scene.active_at_rest)] == [
        first, scene.current().digest,
    ]  # fmt: skip
    # In linking, and in freeing what was replaced.
    assert scene.active_at_rest.count(first) > 20
    assert scene.active_at_rest.count(scene.current().digest) > 20


def test_replaced_set_goes_without_the_collector() -> None:
    scene = Scene()
    scene.store.load_first()
    replaced = weakref.ref(scene.current().linked)
    gc.disable()
    try:
        scene.text = STRICTER
        scene.store.reload()
    finally:
        gc.enable()

    assert replaced() is None


def test_reloads_leave_nothing_for_the_collector(tmp_path: Path) -> None:
    scene = Scene(PolicyArchive(tmp_path))
    texts = [POLICY, STRICTER, f"{POLICY}# once more\n"]
    compiled = {
        text: compile_policies((Source("shop.policy", text),), read_packs()) for text in texts
    }
    scene.store.load_first()
    scene.store._compile_again = lambda sources, _packs: compiled[sources[0].text]
    gc.unfreeze()
    gc.collect()

    for text in texts[1:] * 3:
        scene.text = text
        assert scene.store.reload().is_reloaded

    gc.unfreeze()
    assert gc.collect() == 0


def test_unchanged_files_are_not_compiled_again() -> None:
    scene = Scene()
    scene.store.load_first()
    first = scene.current()

    result = scene.store.reload()

    assert not result.is_reloaded
    assert result.digest == first.digest
    assert scene.current() is first
    assert scene.compile_count == 0
    assert scene.loads("unchanged") == 1


def test_broken_set_is_refused_and_the_last_good_one_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    scene.store.load_first()
    first = scene.current()
    scene.text = BROKEN

    with caplog.at_level(logging.INFO):
        result = scene.store.reload()

    assert result.is_refused
    assert not result.is_reloaded
    assert result.digest == first.digest
    assert scene.current() is first
    assert scene.loads("failed") == 1
    assert caplog.messages == ["policy_refused"]
    assert [source.text for source in result.sources] == [BROKEN]


def test_broken_first_set_leaves_nothing_and_a_mended_one_loads() -> None:
    scene = Scene()
    scene.text = BROKEN
    assert scene.store.load_first().digest == ""
    assert scene.store.current is None

    scene.text = POLICY
    assert scene.store.reload().is_reloaded


def test_fault_of_reading_refuses_the_set_even_if_the_rest_compiles() -> None:
    scene = Scene()
    scene.store.load_first()
    scene.text, scene.problems = STRICTER, (problem("F508", "too large", "b.policy"),)

    assert scene.store.reload().is_refused
    assert scene.compile_count == 0
    assert scene.store.reload_if_changed()


@pytest.mark.parametrize("code", ["F503", "F513", "F520", "F521"])
def test_fault_that_may_pass_is_told_apart_for_the_watcher(code: str) -> None:
    scene = Scene()
    scene.problems = (problem(code, "for now"),)

    assert not scene.store.reload_if_changed()


def test_set_that_cannot_be_linked_is_refused() -> None:
    scene = Scene()
    scene.store.load_first()
    first = scene.current()

    def broken(_: Program) -> LinkedProgram:
        raise KeyError("c1")

    scene.store._link = broken
    scene.text = STRICTER
    result = scene.store.reload()

    assert [found.code for found in result.diagnostics if found.is_error] == ["F523"]
    assert scene.current() is first


def test_every_active_set_is_archived_with_its_packs(tmp_path: Path) -> None:
    archive = PolicyArchive(tmp_path)
    scene = Scene(archive)
    first = scene.store.load_first().digest
    scene.text = STRICTER
    second = scene.store.reload().digest
    scene.text = BROKEN
    scene.store.reload()

    assert set(archive.digests()) == {first, second}
    kept = archive.load(first)
    again = compile_policies(kept.sources, kept.packs)
    assert again.program is not None
    assert again.program.digest == first


def test_set_that_cannot_be_archived_does_not_become_active(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(PolicyArchive(tmp_path))
    scene.store.load_first()
    first = scene.current()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PolicyArchive, "keep", full)
    scene.text = STRICTER
    result = scene.store.reload()

    found = result.diagnostics[-1]
    assert (found.code, found.title) == (
        "F530", "the policy set could not be archived: no space left on device",
    )  # fmt: skip
    assert scene.current() is first
    assert not scene.store.reload_if_changed()


def test_validation_loads_nothing() -> None:
    scene = Scene()
    scene.store.load_first()
    first = scene.current()

    good = scene.store.validate([Source("a.policy", STRICTER)])
    bad = scene.store.validate([Source("a.policy", BROKEN)])

    assert good.program is not None
    assert bad.program is None
    assert scene.current() is first


def test_what_callers_want_validated_never_meets_the_compiler_of_reloads() -> None:
    scene = Scene()
    scene.store.load_first()
    asked: list[str] = []

    def compile_again(sources: Sequence[Source], packs: Mapping[str, Source]) -> CompileResult:
        asked.extend(source.name for source in sources)
        return compile_policies(sources, packs)

    store = PolicyStore(
        read_sources=scene.read,
        packs=read_packs(),
        clock=scene.clock,
        compile_apart=scene.compile,
        compile_again=compile_again,
        settle=scene.settle,
    )

    store.validate([Source("theirs.policy", STRICTER)])
    store.reload()

    assert asked == ["shop.policy"]
    assert scene.compile_count == 1


def test_one_validation_too_many_is_refused_at_once() -> None:
    scene = Scene()
    inner: list[CompileResult] = []

    def validate_again(sources: Sequence[Source], packs: Mapping[str, Source]) -> CompileResult:
        inner.append(scene.store.validate(sources))
        return compile_policies(sources, packs)

    scene.store._compile_apart = validate_again
    outer = scene.store.validate([Source("a.policy", POLICY)])

    assert outer.program is not None
    assert [found.code for found in inner[0].diagnostics] == ["F524"]
    assert inner[1].program is not None
    assert scene.store.validate([Source("a.policy", POLICY)]).program is not None


def test_listener_that_fails_does_not_undo_the_load(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    told: list[Snapshot] = []

    def broken(_: Snapshot) -> None:
        raise RuntimeError

    scene.store.on_change(broken)
    scene.store.on_change(told.append)

    assert scene.store.load_first().is_reloaded
    assert told == [scene.current()]
    assert "policy_listener_failed" in caplog.messages


def test_set_stays_fresh_while_its_source_agrees() -> None:
    scene = Scene(max_age_s=60)
    scene.store.load_first()
    scene.clock.us += 50 * MICROS_PER_SECOND
    scene.store.confirm()
    scene.clock.us += 60 * MICROS_PER_SECOND
    assert scene.store.is_fresh()

    scene.clock.us += 1
    assert not scene.store.is_fresh()


def test_set_whose_newer_one_is_refused_grows_old() -> None:
    scene = Scene(max_age_s=60)
    scene.store.load_first()
    scene.text = BROKEN
    scene.store.reload()
    scene.clock.us += 61 * MICROS_PER_SECOND
    scene.store.confirm()
    assert not scene.store.is_fresh()

    scene.text = POLICY
    scene.store.reload()
    assert scene.store.is_fresh()


def test_without_a_maximum_a_set_never_grows_old() -> None:
    scene = Scene()
    scene.store.load_first()
    scene.clock.us += 10**15

    assert scene.store.is_fresh()
