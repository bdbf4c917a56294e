"""Messages as people and tools see them, and the suggestions in them."""

from __future__ import annotations

from consentry.diagnostics.codes import ALL_CODES, CODES
from consentry.diagnostics.diagnostic import Diagnostic, Severity
from consentry.diagnostics.render import render_json, render_text
from consentry.diagnostics.span import Source, Span
from consentry.diagnostics.suggest import closest

TEXT = 'permit a {\n\twho "日本", b\n}\n'
SOURCE = Source("a.policy", TEXT)
SOURCES = {"a.policy": SOURCE}


def found(start: int, end: int, line: int, column: int, **more: object) -> Diagnostic:
    span = Span("a.policy", start, end, line, column)
    return Diagnostic(code="R203", title="unknown `b`", span=span, **more)  # type: ignore[arg-type]  # plain fields


def test_text_form_is_exactly_that_of_the_house_style() -> None:
    diagnostic = found(7, 8, 1, 8, label="no such name", help="did you mean `c`?")

    assert render_text([diagnostic], SOURCES) == (
        "error[R203]: unknown `b`\n"
        " --> a.policy:1:8\n"
        "  |\n"
        "1 | permit a {\n"
        "  |        ^ no such name\n"
        "  |\n"
        "  = help: did you mean `c`?\n"
        "\n"
        "1 error\n"
    )


def test_carets_stand_under_their_text_after_tabs_and_wide_letters() -> None:
    at = TEXT.index("b\n")

    rows = render_text([found(at, at + 1, 2, 12)], SOURCES).split("\n")

    assert rows[3] == '2 |     who "日本", b'
    # Each of the two letters takes two columns of the terminal.
    assert rows[4].index("^") == rows[3].index("b") + 2


def test_span_of_several_lines_shows_its_first_and_last() -> None:
    rows = render_text([found(7, len(TEXT) - 1, 1, 8)], SOURCES).split("\n")

    assert rows[3:8] == ["1 | permit a {", "  |        ^^^", "...", "3 | }", "  | ^ ends here"]


def test_related_place_is_shown_with_its_own_label() -> None:
    related = ((Span("a.policy", 0, 6, 1, 1), "first declared here"),)

    text = render_text([found(7, 8, 1, 8, related=related)], SOURCES)

    assert " ::: a.policy:1:1\n" in text
    assert "  | ------ first declared here" in text


def test_direction_controls_do_not_reach_the_terminal() -> None:
    source = Source("a", "# \u202e\x1b[31m\n")
    diagnostic = Diagnostic(code="P102", title="x \x1b", span=Span("a", 2, 3, 1, 3))

    text = render_text([diagnostic], {"a": source})

    assert "\u202e" not in text
    assert "\x1b" not in text


def test_colour_only_when_asked() -> None:
    assert "\x1b[" not in render_text([found(7, 8, 1, 8)], SOURCES)
    assert "\x1b[" in render_text([found(7, 8, 1, 8)], SOURCES, is_coloured=True)


def test_long_line_is_cut_around_the_underline() -> None:
    source = Source("a", "x" * 5000)
    diagnostic = Diagnostic(code="P120", title="t", span=Span("a", 2500, 2503, 1, 2501))

    rows = render_text([diagnostic], {"a": source}).split("\n")

    assert max(map(len, rows)) < 200
    assert rows[4].endswith("^^^")


def test_unknown_source_and_no_place_are_told_without_an_excerpt() -> None:
    nowhere = Diagnostic(code="F501", title="no rules", span=None, severity=Severity.WARNING)

    text = render_text([nowhere, found(7, 8, 1, 8)], {})

    assert text.startswith("warning[F501]: no rules\n\nerror[R203]")
    assert text.endswith("1 error, 1 warning\n")


def test_json_has_every_field_and_the_same_content() -> None:
    (one,) = render_json([found(7, 8, 1, 8, label="l", help="h", note="n")], SOURCES)

    assert one == {
        "severity": "error",
        "code": "R203",
        "title": "unknown `b`",
        "span": {
            "file": "a.policy",
            "start": 7,
            "end": 8,
            "line": 1,
            "column": 8,
            "end_line": 1,
            "end_column": 9,
            "text": "a",
        },
        "label": "l",
        "help": "h",
        "note": "n",
        "related": [],
    }


def test_nearest_spelling_is_suggested_and_nothing_far() -> None:
    assert closest("treatmnt", ["treatment", "marketing"]) == "treatment"
    assert closest("maketing.emial", ["marketing.email", "service"]) == "marketing.email"
    assert closest("email", ["customer.contact.email"]) == "customer.contact.email"
    assert closest("x", ["y", "z"]) is None
    assert closest("when", ["service"]) is None
    assert closest("ab", ["ac", "aa"]) == closest("ab", ["aa", "ac"]) == "aa"


def test_no_code_is_used_twice() -> None:
    assert len(CODES) == len(ALL_CODES)
