"""The canonical format: how it looks, that it keeps meaning and comments, that it is stable."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.printer import format_module
from consentry.lang.tree import Module

NAMES = st.sampled_from(["a", "subject.country", "data", "consent", "long_name_of_something"])
TEXTS = st.text(alphabet=st.sampled_from('ab "\\\n\t{}#é\u202e\x00'), max_size=12)


def quoted(text: str) -> str:
    return '"' + "".join(c if c in "ab {}#é" else f"\\u{{{ord(c):X}}}" for c in text) + '"'


LITERALS = st.one_of(
    st.integers(-99, 99).filter(bool).map(str),
    TEXTS.map(quoted),
    st.sampled_from(["true", "1.50", "2026-04-01", "09:30", "3 days", "2026-04-01T09:00:00Z"]),
)


def expressions() -> st.SearchStrategy[str]:
    operands = st.one_of(NAMES, LITERALS)
    comparisons = st.one_of(
        st.tuples(operands, st.sampled_from(["==", "<=", "in", "overlaps"]), operands).map(
            " ".join
        ),
        NAMES.map("has {}".format),
        st.tuples(NAMES, operands, operands).map("{0[0]} between {0[1]} and {0[2]}".format),
        st.tuples(NAMES, operands).map("age({0[0]}, {0[1]}) - 3 days < now".format),
        st.lists(operands, max_size=9).map(lambda items: f"a in [{', '.join(items)}]"),
    )
    return st.recursive(
        comparisons,
        lambda inner: st.one_of(
            inner.map("not ({})".format),
            st.lists(inner, min_size=2, max_size=4).map(lambda x: "(" + ") and (".join(x) + ")"),
            st.lists(inner, min_size=2, max_size=4).map(lambda x: "(" + ") or (".join(x) + ")"),
        ),
        max_leaves=12,
    )


GAPS = st.sampled_from([" ", "\n", "  # note\n", "\n# own line\n", "\n\n"])
# A gap, which may hold comments, stands for each `~`.
SHAPES = {
    "permit": '{~who role "x",~anyone~when EXPRESSION~}',
    "forbid": '{~when EXPRESSION~cite "c"~}',
    "tag": "~is x,~y as z",
    "purpose": "{~purpose b~keep 3 days~consent lasts 1 year}",
    "regime": '{~permit p { basis consent }~version "1"~set s = [a,~b]~}',
    "data": "{~a~b { c }~}",
    "test": "{~at 2026-04-01~given subject { a = 1,~b = 2 }~given gave m on 2026-04-01~}",
    "attributes": "{~a: text?,~b: list of date~}",
}


@st.composite
def policies(draw: st.DrawFn) -> str:
    """Texts of a few declarations with comments anywhere a space may stand."""
    parts: list[str] = []
    for index in range(draw(st.integers(1, 4))):
        word = draw(st.sampled_from(sorted(SHAPES)))
        text = "" if word == "attributes" else draw(TEXTS.map(quoted))
        shape = SHAPES[word].replace("EXPRESSION", draw(expressions()))
        first, *rest = f"{word} n{index} {text} {shape}~".split("~")
        parts += [first, *(draw(GAPS) + part for part in rest)]
    return "".join(parts)


def parse(text: str) -> Module:
    result = parse_module(Source("a.policy", text))
    assert result.diagnostics == (), text
    return result.module


@settings(max_examples=150, deadline=None)
@given(policies())
def test_formatting_keeps_the_tree_and_the_comments_and_is_stable(text: str) -> None:
    module = parse(text)

    formatted = format_module(module)

    again = parse(formatted)
    assert again == module
    assert sorted(c.text for c in again.comments) == sorted(c.text for c in module.comments)
    assert format_module(again) == formatted


def test_words_of_one_block_are_aligned() -> None:
    text = 'permit a "t" as r is g { who anyone unless x\n basis consent } tag b tag c\ntag d'

    assert format_module(parse(text)) == (
        'permit a "t" is g as r {\n'
        "    who    anyone\n"
        "    unless x\n"
        "    basis  consent\n"
        "}\n"
        "\n"
        "tag b\n"
        "\n"
        "tag c\n"
        "tag d\n"
    )


def test_long_lists_are_broken_at_their_commas() -> None:
    names = ", ".join(f"customer.field_number_{index}" for index in range(9))

    rows = format_module(parse(f"forbid a {{ data {names} when x }}")).split("\n")

    assert max(map(len, rows)) <= 100
    assert rows[1].startswith("    data customer.field_number_0,")
    assert rows[2].startswith("         customer.field_number_")


def test_comments_stay_where_they_belong() -> None:
    text = (
        "# head\n\npermit a { # opens\n  # before who\n  who anyone # says who\n  may read\n"
        "  # last inside\n}\n# end\n"
    )

    assert format_module(parse(text)) == (
        "# head\npermit a {  # opens\n    # before who\n    who anyone  # says who\n    may read\n"
        "    # last inside\n}\n\n# end\n"
    )


def test_fewest_parentheses_that_keep_the_meaning() -> None:
    text = 'forbid a { when ((a or b)) and ((c == d)) and not (e like "x*") and (f and g) }'

    assert '(a or b) and c == d and not (e like "x*") and f and g' in format_module(parse(text))


def test_nothing_formats_to_nothing() -> None:
    assert format_module(parse("")) == ""
    assert format_module(parse("# only\n")) == "# only\n"
