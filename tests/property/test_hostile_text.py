"""The worst texts of one mebibyte: a clean answer, in the time and memory of a harmless one.

Time is told as a ratio to a harmless text of the same size in the same run, so that a slow
machine changes nothing.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from functools import cache

import pytest

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.render import render_text
from consentry.diagnostics.span import Source
from consentry.pdp.sources import read_packs

SIZE = 1024 * 1024
SMALL = 32 * 1024
Figure = Callable[[str, object], None]

_HEAD = "data d { f } purpose p { basis contract }\n"
_RULE = 'permit r{} {{ who role "a" may read data d.f for p when now < 2030-01-01 }}\n'


def filled(part: str, head: str = "", tail: str = "") -> Callable[[int], str]:
    """`part` as often as fits between head and tail into so many bytes."""

    def of_size(size: int) -> str:
        room = size - len((head + tail).encode())
        return head + part * (room // len(part.encode())) + tail

    return of_size


def rules(count: int) -> str:
    return _HEAD + "".join(_RULE.format(number) for number in range(count))


def harmless(size: int) -> str:
    return rules((size - len(_HEAD)) // len(_RULE.format(10_000)) - 1)


HOSTILE = {
    "open parentheses": filled("(", "forbid f { when "),
    "open braces": filled("{"),
    "open lists": filled("[", "set s = "),
    "nots": filled("not ", "forbid f { when "),
    "nested purposes": filled("purpose a { "),
    "string without an end": filled("x", 'tag a "'),
    "many strings without an end": filled('tag a "x\n'),
    "escapes": filled("\\u{20}", 'tag a "', '"\n'),
    "bad escapes": filled("\\q", 'tag a "', '"\n'),
    "one name": filled("a", "tag "),
    "one path": filled("a.", "forbid f { data "),
    "one number": filled("9", "set s = ["),
    "comments": filled("#\n"),
    "one comment": filled("#"),
    "tiny declarations": filled("tag a\n"),
    "misspelt declarations": filled("prmit a\n"),
    "misspelt clauses of one rule": filled("wen true ", "forbid f { "),
    "misspelt operators": filled("annd x ", "forbid f { when x "),
    "unknown clauses": filled("zzzz 1 ", "forbid f { "),
    "semicolons": filled(";"),
    "letters of other alphabets": filled("\u0430 "),
    "control characters": filled("\x01"),
    "a chain of `or`": filled(" or true", "forbid f { when true", " }"),
    "a sum without an end": filled(" + 1 days", "forbid f { when now", " < now }"),
    "a list of words": filled('"x", ', _HEAD + "set s = [", '"x"]'),
    "unknown purposes": filled("q, ", _HEAD + "forbid f { for ", "p }"),
    "one purpose many times": filled("purpose p\n", _HEAD),
}


def judged(text: str) -> tuple[tuple[Diagnostic, ...], float]:
    source = Source("a.policy", text)
    packs = read_packs()
    started = time.process_time()
    found = compile_policies([source], packs).diagnostics
    render_text(found, {source.name: source})
    return found, time.process_time() - started


def peak_mib(text: str) -> float:
    source, packs = Source("a.policy", text), read_packs()
    tracemalloc.start()
    compile_policies([source], packs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


@cache
def harmless_s(size: int) -> float:
    """Seconds of processor for a harmless text of the size."""
    judged(rules(10))  # builds the grammar
    found, took_s = judged(harmless(size))
    assert [d.code for d in found if d.is_error] == []
    return took_s


@pytest.mark.parametrize("size", [SMALL, pytest.param(SIZE, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_answered_cleanly_and_soon(name: str, size: int, figure: Figure) -> None:
    text = HOSTILE[name](size)
    assert size - 32 <= len(text.encode()) <= size

    found, took_s = judged(text)

    errors = [d for d in found if d.is_error]
    ratio = took_s / harmless_s(size)
    figure(f"hostile {size // 1024} KiB, {name}: time to a harmless one", f"{ratio:.2f}")
    assert errors or (name == "a chain of `or`" and size == SMALL)
    assert len(errors) <= 200
    # A small text has less to share the fixed costs with.
    assert ratio < (3 if size == SIZE else 12)


@pytest.mark.slow
def test_hostile_text_takes_no_more_memory_than_a_harmless_one(figure: Figure) -> None:
    bound = peak_mib(harmless(SIZE))
    peaks = {name: peak_mib(text(SIZE)) for name, text in HOSTILE.items()}

    worst = max(peaks, key=peaks.__getitem__)
    figure("harmless 1 MiB: peak memory in MiB", f"{bound:.0f}")
    figure("hostile 1 MiB: worst peak memory in MiB", f"{peaks[worst]:.0f} ({worst})")
    assert peaks[worst] < 2 * bound


@pytest.mark.parametrize(
    "count", [1_000, pytest.param(20_000, marks=pytest.mark.slow)], ids=lambda n: f"{n}"
)
def test_figures_of_many_rules(count: int, figure: Figure) -> None:
    texts = [_HEAD, *(_RULE.format(n) for n in range(count))]
    # A file holds a mebibyte at most, so many rules are several files.
    files = [
        Source(f"{at:06}.policy", "".join(texts[at : at + 5_000]))
        for at in range(0, len(texts), 5_000)
    ]
    packs = read_packs()
    started = time.process_time()
    result = compile_policies(files, packs)
    took_s = time.process_time() - started

    assert result.program is not None
    assert len(result.program.rules) >= count
    figure(f"parse and compile {count:,} rules, s", f"{took_s:.2f}")
