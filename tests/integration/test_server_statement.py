"""The statement as served: from the very set that decides, in every form and language."""

from __future__ import annotations

import http.client
import re
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from server_world import POLICY, World, call, channel_to, outcome

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.span import Source
from consentry.lang.translations import Translation
from consentry.pdp.archive import PolicyArchive
from consentry.pdp.past_policies import PastPolicies
from consentry.pdp.policy_store import PolicyStore
from consentry.pdp.sources import read_packs, read_policy_folder
from consentry.publish.publisher import Format
from consentry.server.options import ServerOptions
from consentry.server.proof import LiveProof, ProvenStatements
from consentry.server.sidecar import Sidecar
from consentry.server.statement_service import StatementMethods
from consentry.server.statements import MAX_AGE_S, Statements, Texts
from consentry.server.transparency import preferred_language, transparency_routes
from consentry.telemetry.metrics import Metrics
from consentry.v1 import policy_pb2 as wire

GET = f"{POLICY}GetStatement"
POLICIES = """
mission "We say what we do" { controller "Acme" in "DE" contact "a@acme.example" }
data customer "What we hold" { email "E-mail address" }
purpose news "Tell you what is new" { basis consent keep 30 days }
permit mail "We write to people who asked" {
    who service "mailer" may contact data customer.email for news
}
"""
THAI = Translation(
    language="th", texts={("purpose", "news"): "บอกสิ่งใหม่"}, source=Source("a.th.toml", "")
)


class FakeClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now_us(self) -> int:
        return 1_780_000_000_000_000

    def monotonic_s(self) -> float:
        return self.seconds


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Any]:
    file = tmp_path / "policies" / "a.policy"
    file.parent.mkdir()
    file.write_text(POLICIES)
    clock, translations = FakeClock(), [THAI]
    archive = PolicyArchive(tmp_path / "archive")
    store = PolicyStore(
        read_sources=lambda: read_policy_folder(file.parent),
        packs=read_packs(),
        clock=clock,
        archive=archive,
        settle=lambda: None,
        compile_apart=compile_policies,
    )
    texts = Texts(packs=read_packs(), translations=lambda: translations, pack_translations=())
    statements = Statements(policies=store, texts=texts, clock=clock)
    store.on_change(statements.note_change)
    world = World()
    sidecar = Sidecar(
        decider=world.decider,
        ledger=world.ledger,  # type: ignore[arg-type]  # a fake of what this test does not ask
        policies=store,
        metrics=world.metrics,
        clock=clock,
        options=ServerOptions(
            listen=("127.0.0.1:0",), health_listen=None, http_listen="127.0.0.1:0"
        ),
        further=(
            StatementMethods(statements, PastPolicies(archive, compile_apart=compile_policies)),
        ),
        pages=transparency_routes(statements),
    )
    bound = sidecar.start()
    yield SimpleNamespace(
        store=store, file=file, bound=bound, clock=clock, translations=translations
    )
    sidecar.stop()


def get(running: Any, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection(running.bound.http, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = (answer.status, answer.headers, answer.read().decode())
    connection.close()
    return found


def load(running: Any) -> str:
    assert running.store.reload().is_reloaded
    digest: str = running.store.current.digest
    return digest


def test_page_is_that_of_the_set_that_decides(running: Any) -> None:
    running.file.write_text(POLICIES)
    first = load(running)
    _, _, before = get(running, "/transparency")
    running.file.write_text(POLICIES.replace("keep 30 days", "keep 90 days"))
    second = load(running)
    _, headers, after = get(running, "/transparency")

    assert first in before
    assert "30 days" in before
    assert second in after
    assert first not in after
    assert headers["consentry-policy-digest"] == second
    assert "Tell you what is new: kept longer (30 days → 90 days)" in after


def test_there_is_no_page_before_there_is_a_policy_set(running: Any) -> None:
    status, _, text = get(running, "/transparency")

    assert (status, text) == (503, "no policies\n")
    with channel_to(running.bound.grpc[0]) as channel:
        problem = outcome(channel, GET, b"")
    assert problem.code() is grpc.StatusCode.UNAVAILABLE


def test_page_fetches_nothing_and_is_nobodys_frame(running: Any) -> None:
    load(running)
    _, headers, _ = get(running, "/transparency")

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "media_type", "start"),
    [
        ("/transparency", "text/html; charset=utf-8", "<!doctype html>"),
        ("/transparency.md", "text/markdown; charset=utf-8", "# "),
        ("/transparency.jsonld", "application/ld+json", "{"),
    ],
)
def test_statement_is_served_in_each_form(
    running: Any, path: str, media_type: str, start: str
) -> None:
    load(running)
    status, headers, text = get(running, path)

    assert (status, headers["content-type"]) == (200, media_type)
    assert text.startswith(start)


def test_language_is_the_one_asked_for_or_preferred(running: Any) -> None:
    load(running)

    asked = get(running, "/transparency?language=th")
    preferred = get(running, "/transparency", **{"accept-language": "fr, th;q=0.9, en;q=0.8"})
    unknown = get(running, "/transparency?language=xx")

    assert asked[1]["content-language"] == preferred[1]["content-language"] == "th"
    assert "บอกสิ่งใหม่" in asked[2]
    assert unknown[0] == 404


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"), ("th", "th"), ("th-TH,th;q=0.9,en;q=0.8", "th"), ("en;q=0.9,th;q=0.1", "en"),
        ("*", "en"), ("fr", "en"), ("th;q=x", "en"), (";;;,,,", "en"), ("th;q=0", "en"),
    ],
)  # fmt: skip
def test_preferred_language_is_read_as_browsers_write_it(accepted: str, language: str) -> None:
    assert preferred_language(accepted) == language


def test_changed_translation_shows_within_a_bounded_time(running: Any) -> None:
    load(running)
    get(running, "/transparency?language=th")
    running.translations[:] = [
        Translation(language="th", texts={("purpose", "news"): "ข่าว"}, source=THAI.source)
    ]

    kept = get(running, "/transparency?language=th")[2]
    running.clock.seconds += MAX_AGE_S
    fresh = get(running, "/transparency?language=th")[2]

    assert "บอกสิ่งใหม่" in kept
    assert "ข่าว" in fresh


def test_statement_is_given_over_grpc(running: Any) -> None:
    digest = load(running)
    request = wire.GetStatementRequest(format=wire.STATEMENT_FORMAT_MARKDOWN, language="th")

    with channel_to(running.bound.grpc[0]) as channel:
        answer = wire.GetStatementResponse.FromString(
            call(channel, GET, request.SerializeToString())
        )

    assert answer.policy_digest == digest
    assert answer.text == get(running, "/transparency.md?language=th")[2]
    assert "data customer" in answer.untranslated
    assert list(answer.languages) == ["en", "th"]


def test_what_changed_is_told_since_an_archived_set(running: Any) -> None:
    first = load(running)
    for days in (60, 90):
        running.file.write_text(POLICIES.replace("keep 30 days", f"keep {days} days"))
        load(running)
    request = wire.GetStatementRequest(since_digest=first)

    with channel_to(running.bound.grpc[0]) as channel:
        answer = wire.GetStatementResponse.FromString(
            call(channel, GET, request.SerializeToString())
        )

    assert "30 days → 90 days" in answer.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"language": "xx"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"format": 99}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"since_digest": "ab" * 32}, grpc.StatusCode.NOT_FOUND),
    ],
)
def test_statement_that_cannot_be_given_is_refused(
    running: Any, changes: dict[str, Any], code: grpc.StatusCode
) -> None:
    load(running)
    raw = wire.GetStatementRequest(**changes).SerializeToString()

    with channel_to(running.bound.grpc[0]) as channel:
        assert outcome(channel, GET, raw).code() is code


def test_what_changed_is_told_after_a_restart_too(running: Any) -> None:
    old = load(running)
    before = running.store.current.program
    running.file.write_text(POLICIES.replace("keep 30 days", "keep 90 days"))
    load(running)
    texts = Texts(packs=read_packs(), translations=list, pack_translations=())

    anew = Statements(
        policies=running.store,
        texts=texts,
        clock=running.clock,
        find_before=lambda digest: None if digest == old else before,
    )

    assert "kept longer (30 days → 90 days)" in anew.get(Format.HTML, "en").text


def test_a_page_that_nobody_asks_for_again_keeps_no_replaced_set(running: Any) -> None:
    load(running)
    get(running, "/transparency")
    replaced = weakref.ref(running.store.current.linked)

    running.file.write_text(POLICIES.replace("keep 30 days", "keep 60 days"))
    load(running)

    assert replaced() is None


def test_of_replaced_sets_only_the_last_is_kept_and_the_one_before_is_freed_bit_by_bit(
    running: Any,
) -> None:
    texts, freed = Texts(packs=read_packs(), translations=list, pack_translations=()), []
    statements = Statements(
        policies=running.store, texts=texts, clock=running.clock, let_go=freed.extend
    )
    running.store.on_change(statements.note_change)
    load(running)
    first = running.store.current.program
    for days in (60, 90):
        assert freed == []
        running.file.write_text(POLICIES.replace("keep 30 days", f"keep {days} days"))
        load(running)

    assert set(first.rules) <= set(freed)
    assert not set(running.store.current.program.purposes) & set(freed)


def test_live_figures_stand_on_the_page_and_nowhere_else(running: Any) -> None:
    load(running)
    texts = Texts(packs=read_packs(), translations=list, pack_translations=())
    statements = Statements(policies=running.store, texts=texts, clock=running.clock)
    metrics = Metrics()
    for _ in range(57):
        metrics.decision_cell("permit", "consent_valid", "news", "read").add()
    proven = ProvenStatements(
        statements, LiveProof(metrics, running.clock, lambda: None), running.store
    )

    page = proven.get(Format.HTML, "en").text

    assert re.search(r'<a href="#purpose-news">[^<]*</a></th><td>50</td><td>fewer than 20<', page)
    for kind in (Format.MARKDOWN, Format.JSONLD):
        assert proven.get(kind, "en") == statements.get(kind, "en")
    assert 'id="proof"' not in statements.get(Format.HTML, "en").text


def test_a_page_shows_no_figures_that_are_older_than_they_may_be(running: Any) -> None:
    load(running)
    texts = Texts(packs=read_packs(), translations=list, pack_translations=())
    statements = Statements(policies=running.store, texts=texts, clock=running.clock)
    metrics = Metrics()
    proof = LiveProof(metrics, running.clock, lambda: None)
    proven = ProvenStatements(statements, proof, running.store)
    proof.figures()
    running.clock.seconds += 40.0
    before = proven.get(Format.HTML, "en").text
    for _ in range(57):
        metrics.decision_cell("permit", "consent_valid", "news", "read").add()

    running.clock.seconds += 40.0

    assert "<td>50</td>" not in before
    assert "<td>50</td>" in proven.get(Format.HTML, "en").text
