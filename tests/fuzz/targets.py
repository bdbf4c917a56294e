"""What is fuzzed, and what must hold whatever the bytes are. A target raises when it does not."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

from consentry.compiler.compile import compile_policies
from consentry.consent.errors import EventRefusedError
from consentry.consent.exchange.files import (
    Outcome,
    ReadEvent,
    one_event,
    read_csv,
    read_ndjson,
    signal_maker,
)
from consentry.consent.exchange.rows import event_of_row, row_of_event
from consentry.consent.signals.events import SignalMap, gpp_events, tcf_events
from consentry.consent.validate import check_events
from consentry.diagnostics.render import render_text
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.printer import format_module
from consentry.model.request import Request, RequestError
from consentry.pdp.bundle import BundleError, read_bundle
from consentry.pdp.sources import read_packs
from consentry.server.codec import ProtoCodec
from consentry.server.decode import decode_request, parse_check

MAX_TEXT_BYTES: Final = 1024 * 1024
_BESIDE: Final = "data shop { field } purpose letters { basis consent }\n"
_NAMES: Final = SignalMap(purposes={1: "a", 2: "b"}, special_features={1: "c"})


@cache
def _packs() -> dict[str, Source]:
    return dict(read_packs())


def policy(raw: bytes) -> None:
    """Text is compiled, or told what is wrong; what parses reads the same when it was formatted."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return
    source = Source("fuzzed.policy", text)
    parsed = parse_module(source)
    render_text(list(parsed.diagnostics)[:3], {source.name: source})
    # Compiling costs a hundred times as much; of broken texts one in many is enough.
    if not parsed.diagnostics or len(raw) % 32 == 0:
        found = compile_policies([Source("beside.policy", _BESIDE), source], _packs())
        render_text(list(found.diagnostics)[:3], {source.name: source})
    if not parsed.diagnostics:
        printed = format_module(parsed.module)
        again = parse_module(Source("again.policy", printed))
        if again.diagnostics or format_module(again.module) != printed:
            raise AssertionError("what was formatted reads otherwise")


def request(raw: bytes) -> None:
    """Both ways of decoding give the same question, or the same complaints."""
    if _decoded(lambda: ProtoCodec().decode_check(raw).request) != _decoded(
        lambda: decode_request(parse_check(raw)[0])
    ):
        raise AssertionError("the quick way and the long way differ")


def _decoded(decode: Callable[[], Request]) -> object:
    try:
        return decode()
    except RequestError as problem:
        return problem.violations


def consents(raw: bytes) -> None:
    """A file of consents is read row by row; an event that is taken comes back as it went."""
    text = raw.decode("utf-8", "replace")
    makers = (
        one_event,
        signal_maker(tcf_events, _NAMES),
        signal_maker(gpp_events, _NAMES),
    )
    for make in makers:
        _take(read_ndjson(io.StringIO(text), make))
        _take(read_csv(io.StringIO(text, newline=""), make))


def _take(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, ReadEvent):
            event = outcome.event
            try:
                check_events((event,), now_us=2**52)
            except EventRefusedError:
                continue
            if event_of_row(row_of_event(event)) != event:
                raise AssertionError("an event comes back as another")


def bundle(raw: bytes) -> None:
    """Bytes are a bundle, and then exactly its own, or they are refused."""
    try:
        found = read_bundle(raw)
    except BundleError:
        return
    if found.raw() != raw:
        raise AssertionError("a bundle that is not written as it was read")


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "policy": policy,
    "request": request,
    "consents": consents,
    "bundle": bundle,
}
