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
        assert_each_is_told(*random.sample(CHECKED, 2))


def is_renamed(*pair: Word) -> bool:
    """Whether both are one basis, alike where the second law grants it and where a purpose takes it
    from that law: a basis of another name, which harms nobody but who meant the first.
    """
    law = TEXT.index("regime second_law")
    granted = [word for word in pair if word.start > law and word.text == "contract"]
    taken = [word for word in pair if TEXT.startswith("contract under second_law", word.start)]
    return len(granted) == len(taken) == 1


def test_a_basis_misspelt_alike_where_it_is_granted_and_taken_is_another_basis() -> None:
    law = TEXT.index("regime second_law")
    pair = (
        next(w for w in CHECKED if TEXT.startswith("contract under second_law", w.start)),
        next(w for w in CHECKED if w.start > law and w.text == "contract"),
    )

    assert is_renamed(*pair)
    [told] = compiled(with_typos(*pair))
    assert (told.code, told.title) == ("W802", "regime `second_law` has no basis `contract`")


def side_by_side(first: str, second: str) -> tuple[Word, Word]:
    """The first place where the second word stands among the next dozen."""
    return next(
        (word, other)
        for place, word in enumerate(CHECKED)
        for other in CHECKED[place + 1 : place + 12]
        if (word.text, other.text) == (first, second)
    )


@pytest.mark.parametrize(
    "pair",
    [
        ("years", "benefit"),  # a unit of time, then a keyword in the same declaration
        ("expect", "permit"),  # after a number, where it could be a unit of time
        ("list", "text"),
        ("flag", "false"),
        ("subject", "text"),  # the owner of attributes, and a type
        ("context", "true"),  # the owner of facts, and one of them
        ("urgent", "true"),
        ("subject.country", "email"),  # a column of a table, and what is in another
        ("contract", "second_law"),
        ("not", "context.ticket"),
        ("principal.team", "partners"),  # both sides of a comparison
        ("purpose", "marketing"),
        ("basis", "consent"),
    ],
    ids="-".join,
)
def test_one_of_two_misspelt_words_does_not_hide_the_other(pair: tuple[str, str]) -> None:
    assert_each_is_told(*side_by_side(*pair))


@pytest.mark.slow
@pytest.mark.parametrize("apart", [1, 2, 3])
def test_two_misspelt_words_side_by_side_give_two_messages(
    apart: int, figure: Callable[[str, object], None]
) -> None:
    """Those that stand together are the likeliest to hide each other."""
    for first, second in zip(CHECKED, CHECKED[apart:], strict=False):
        assert_each_is_told(first, second)

    figure(f"misspelt words {apart} apart, each pair with two messages", len(CHECKED) - apart)


@pytest.mark.slow
def test_many_pairs_of_misspelt_words_give_two_messages_each(
    figure: Callable[[str, object], None],
) -> None:
    random = Random(99)
    drawn = [random.sample(CHECKED, 2) for _ in range(3_000)]
    pairs = [pair for pair in drawn if not is_renamed(*pair)]
    for pair in pairs:
        assert_each_is_told(*pair)

    figure("pairs of misspelt words with two messages", len(pairs))
    assert len(pairs) > 2_990
