"""A storm of reloads must not crowd out those who share its threads, nor lose a wish to load."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from consentry.compiler.compile import CompileResult, compile_policies
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.pdp.policy_store import PolicyStore
from consentry.pdp.sources import read_packs
from tests.support.consent_events import FakeClock

GOOD = """
data customer { email "E-mail address" as user.contact.email }
purpose newsletter "Tell you about our products" is direct_marketing { basis consent }
permit mail "We write to those who asked" {
    who service "mailer"
    may contact
    data customer.email
    for newsletter
    via email
}
"""
BROKEN = "permit { nonsense"


class Scene:
    """A store whose compiler starts when it is told to, and a text that may change meanwhile."""

    def __init__(self) -> None:
        self.text = GOOD
        self.began = threading.Semaphore(0)
        self.may_compile = threading.Semaphore(0)
        self.store = PolicyStore(
            read_sources=self.read,
            packs=read_packs(),
            clock=FakeClock(),
            compile_apart=self.compile,
            settle=lambda: None,
        )
        self.store.load_first()

    def read(self) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
        return (Source("shop.policy", self.text),), ()

    def compile(self, sources: Sequence[Source], packs: Mapping[str, Source]) -> CompileResult:
        self.began.release()
        assert self.may_compile.acquire(timeout=30)
        return compile_policies(sources, packs)


def wait_until_awaited(store: PolicyStore) -> None:
    while not store.is_load_awaited:
        threading.Event().wait(0.001)


def test_third_reload_is_turned_away_at_once_and_the_second_reads_what_is_there_then() -> None:
    scene = Scene()
    with ThreadPoolExecutor(2) as callers:
        scene.text = BROKEN
        first = callers.submit(scene.store.reload)
        assert scene.began.acquire(timeout=30)
        second = callers.submit(scene.store.reload)
        wait_until_awaited(scene.store)
        scene.text = GOOD + "# mended\n"

        third = scene.store.reload()

        scene.may_compile.release(2)
        assert first.result(30).is_refused
        assert second.result(30).is_reloaded
    assert [found.code for found in third.diagnostics] == ["F524"]
    assert not third.is_reloaded
    assert scene.store.current is not None
    assert scene.store.current.sources[0].text.endswith("# mended\n")


def test_reload_is_taken_again_after_a_storm() -> None:
    scene = Scene()
    scene.may_compile.release(1)
    scene.text = GOOD + "# new\n"

    assert scene.store.reload().is_reloaded
    assert not scene.store.reload().is_refused


def test_watcher_tries_again_when_it_was_turned_away() -> None:
    scene = Scene()
    with ThreadPoolExecutor(2) as callers:
        scene.text = BROKEN
        callers.submit(scene.store.reload)
        assert scene.began.acquire(timeout=30)
        callers.submit(scene.store.reload)
        wait_until_awaited(scene.store)

        is_settled = scene.store.reload_if_changed()

        scene.may_compile.release(2)
    assert not is_settled
