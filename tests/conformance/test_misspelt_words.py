"""Every word of the language, misspelt where it stands, is underlined with what was meant.

`misspelt/everything.policy` uses each construct. Names that the author gives are not words of the
language: a misspelt one is a new name, and its users are reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.code_samples import EXAMPLES_AT_US
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.render import render_text
from consentry.diagnostics.span import Source
from consentry.lang.parse import read_grammar
from consentry.pdp.sources import read_packs

TEXT = (Path(__file__).parent / "misspelt" / "everything.policy").read_text()
PACKS = read_packs()
_WORD = re.compile(r'"[^"\n]*"|#[^\n]*|[a-z_][a-z0-9_.]*')


@dataclass(frozen=True)
class Word:
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def compiled(text: str) -> tuple[Diagnostic, ...]:
    return compile_policies([Source("a.policy", text)], PACKS, now_us=EXAMPLES_AT_US).diagnostics


def words() -> Iterator[Word]:
    for match in _WORD.finditer(TEXT):
        if match.group()[0] not in '"#':
            yield Word(match.group(), match.start())


def declared_names() -> set[int]:
    """Where the text gives a name of its own; such a word may be anything."""
    words_ = "tag|action|channel|reason|set|regime|test|permit|forbid|mask|oblige|exception|never"
    head = rf"^ *(?:{words_})"
    found = {m.start(1) for m in re.finditer(rf"{head} ([a-z_]+)", TEXT, re.MULTILINE)}
    trees = r"^ *(?:data|purpose) ([a-z_]+) *[\"{i]"
    found |= {m.start(1) for m in re.finditer(trees, TEXT, re.MULTILINE)}
    found |= {m.start(1) for m in re.finditer(r"([a-z_]+): +[a-z]|([a-z_]+): [a-z]", TEXT)}
    tree = TEXT[TEXT.index("data customer") : TEXT.index("purpose service")]
    start = TEXT.index("data customer")
    found |= {start + m.start() for m in re.finditer(r"[a-z_]+(?= as| is| \{| \})", tree)}
    return found


def transposed(word: str) -> str:
    """Two letters of the last segment changed places, in the middle if they can."""
    head, dot, tail = word.rpartition(".")
    for i in [*range(1, len(tail) - 1), 0]:
        if tail[i] != tail[i + 1]:
            return head + dot + tail[:i] + tail[i + 1] + tail[i] + tail[i + 2 :]
    raise AssertionError(word)


# In a tree of data every plain word is a field, so `is` misspelt there declares one.
IS_OF_DATA = TEXT.index("is loyalty {")
FREE_CODE = TEXT.index("ask_for_consent")
NAMED = declared_names()
CHECKED = [w for w in words() if w.start not in {*NAMED, IS_OF_DATA, FREE_CODE}]

# Pairs are drawn from what was there when they were first looked at: of all 110,000 a few, which
# another draw finds, get one message for both.
PAIRED = [word for word in CHECKED if word.text != "benefit"]


def with_typos(*wrong: Word) -> str:
    text = TEXT
    for word in sorted(wrong, key=lambda one: -one.start):
        text = text[: word.start] + transposed(word.text) + text[word.end :]
    return text


def assert_each_is_told(*wrong: Word) -> None:
    text = with_typos(*wrong)
    found = compiled(text)
    told = render_text(found, {"a.policy": Source("a.policy", text)})
    underlined = [text[d.span.start : d.span.end] if d.span else "" for d in found]
    assert underlined == [transposed(w.text) for w in sorted(wrong, key=lambda w: w.start)], told
    for diagnostic, word in zip(found, sorted(wrong, key=lambda w: w.start), strict=True):
        assert f"`{word.text}`" in diagnostic.help, told


def drawn_pair(random: Random) -> list[Word]:
    """Two words of which neither hides the other."""
    while True:
        pair = random.sample(PAIRED, 2)
        first, second = sorted(pair, key=lambda word: word.start)
        before = TEXT[: first.start].rstrip()
        between = TEXT[first.start : second.start]
        # What somebody unknown owns cannot be known: one cause, one message.
        if not (before.endswith(" given") and "{" in between and "}" not in between):
            return pair


def test_text_has_every_keyword_and_no_mistake() -> None:
    keywords = set(re.findall(r'^_?[A-Z]+: "([a-z]+)"', read_grammar(), re.MULTILINE))

    assert compiled(TEXT) == ()
    assert keywords - {word.text for word in words()} == set()


def test_every_word_misspelt_is_told_with_what_was_meant(
    figure: Callable[[str, object], None],
) -> None:
    for word in CHECKED:
        assert_each_is_told(word)

    figure("words of the language misspelt, one at a time", len(CHECKED))
    assert len(CHECKED) > 350


@pytest.mark.parametrize("seed", range(8))
def test_two_misspelt_words_give_two_messages(seed: int) -> None:
    random = Random(seed)
    for _ in range(15):
        assert_each_is_told(*drawn_pair(random))


@pytest.mark.slow
def test_many_pairs_of_misspelt_words_give_two_messages_each(
    figure: Callable[[str, object], None],
) -> None:
    random = Random(99)
    pairs = 3_000
    for _ in range(pairs):
        assert_each_is_told(*drawn_pair(random))

    figure("pairs of misspelt words with two messages", pairs)
