"""Diagnostics as text for people and as JSON for tools, the same content in both.

The text form is plain ASCII (but for the author's own characters), coloured only when asked:

    error[R203]: unknown purpose `treatmnt`
     --> policies/imaging/share_scans.policy:4:15
      |
    4 |     for treatmnt
      |         ^^^^^^^^ no purpose with this name
      |
      = help: did you mean `treatment`?

A span of several lines shows its first line underlined to the end, and its last line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consentry.diagnostics.diagnostic import Diagnostic, Severity
from consentry.diagnostics.excerpt import Lines, marked_line, shown_text
from consentry.diagnostics.span import Source, Span

_RESET: Final = "\x1b[0m"
_BOLD: Final = "\x1b[1m"
_BLUE: Final = "\x1b[1;34m"
_SEVERITY_COLOURS: Final = {
    Severity.ERROR: "\x1b[1;31m",
    Severity.WARNING: "\x1b[1;33m",
    Severity.NOTE: "\x1b[1;36m",
}


@dataclass(frozen=True, slots=True)
class _Paint:
    """Colours, or none."""

    is_on: bool

    def __call__(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self.is_on and text else text


def render_text(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source], *, is_coloured: bool = False
) -> str:
    """All diagnostics in the order given, a blank line between, and a last line that counts them.

    `sources` are by file name; a diagnostic whose file is not among them shows its place only.
    Empty when there is nothing to tell.
    """
    if not diagnostics:
        return ""
    lines = {name: Lines(source) for name, source in sources.items()}
    paint = _Paint(is_coloured)
    blocks = [_render_one(diagnostic, lines, paint) for diagnostic in diagnostics]
    return "\n\n".join([*blocks, summary(diagnostics)]) + "\n"


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    counts = Counter(diagnostic.severity for diagnostic in diagnostics)
    parts = [
        f"{counts[severity]} {severity.value}{'s' if counts[severity] > 1 else ''}"
        for severity in Severity
        if counts[severity]
    ]
    return ", ".join(parts)


def _render_one(diagnostic: Diagnostic, lines: Mapping[str, Lines], paint: _Paint) -> str:
    colour = _SEVERITY_COLOURS[diagnostic.severity]
    head = paint(colour, f"{diagnostic.severity.value}[{diagnostic.code}]")
    rows = [head + paint(_BOLD, f": {shown_text(diagnostic.title)}")]
    places = [(span, label, _BLUE, "-") for span, label in diagnostic.related]
    if diagnostic.span is not None:
        places.insert(0, (diagnostic.span, diagnostic.label, colour, "^"))
    width = max((_gutter(span, lines) for span, _, _, _ in places), default=1)
    edge = " " * width + paint(_BLUE, " |")
    for index, (span, label, place_colour, mark) in enumerate(places):
        arrow = "-->" if index == 0 else ":::"
        rows.append(" " * width + paint(_BLUE, arrow) + f" {span.file}:{span.line}:{span.column}")
        if span.file in lines:
            rows.append(edge)
            rows += _excerpt(
                lines[span.file],
                span,
                label,
                width=width,
                paint=paint,
                colour=place_colour,
                mark=mark,
            )
        elif label:
            rows.append(f"{edge} {shown_text(label)}")
    notes = [("help", diagnostic.help), ("note", diagnostic.note)]
    if places and any(text for _, text in notes):
        rows.append(edge)
    rows += [
        " " * width + paint(_BLUE, " =") + paint(_BOLD, f" {word}:") + f" {shown_text(text)}"
        for word, text in notes
        if text
    ]
    return "\n".join(rows)


def _gutter(span: Span, lines: Mapping[str, Lines]) -> int:
    """Columns that the line numbers of an excerpt need."""
    if span.file not in lines:
        return len(str(span.line))
    return len(str(_last_line(lines[span.file], span)))


def _last_line(lines: Lines, span: Span) -> int:
    """The line of the span's last character."""
    size = len(lines.source.text)
    return lines.number(min(max(span.start, span.end - 1), size))


def _excerpt(
    lines: Lines, span: Span, label: str, *, width: int, paint: _Paint, colour: str, mark: str
) -> list[str]:
    marked = marked_line(lines, span)
    last = _last_line(lines, span)
    edge = " " * width + paint(_BLUE, " | ")
    carets = paint(colour, mark * marked.carets + (f" {shown_text(label)}" if label else ""))
    rows = [
        paint(_BLUE, f"{marked.number:>{width}} | ") + marked.text,
        edge + " " * marked.indent + carets,
    ]
    if last > marked.number:
        if last > marked.number + 1:
            rows.append(paint(_BLUE, "..."))
        end = marked_line(lines, Span(span.file, span.end - 1, span.end, last, 1))
        rows.append(paint(_BLUE, f"{last:>{width}} | ") + end.text)
        under = paint(colour, mark + " ends here")
        rows.append(edge + " " * end.indent + under)
    return [row.rstrip() for row in rows]


def render_json(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]
) -> list[dict[str, object]]:
    """One object for each diagnostic, with every field, absent ones as null or empty."""
    lines = {name: Lines(source) for name, source in sources.items()}
    return [
        {
            "severity": diagnostic.severity.value,
            "code": diagnostic.code,
            "title": diagnostic.title,
            "span": _span_json(diagnostic.span, lines),
            "label": diagnostic.label,
            "help": diagnostic.help,
            "note": diagnostic.note,
            "related": [
                {"span": _span_json(span, lines), "label": label}
                for span, label in diagnostic.related
            ],
        }
        for diagnostic in diagnostics
    ]


def _span_json(span: Span | None, lines: Mapping[str, Lines]) -> dict[str, object] | None:
    """A place; its end and text are null where the source is not at hand."""
    if span is None:
        return None
    place: dict[str, object] = {
        "file": span.file,
        "start": span.start,
        "end": span.end,
        "line": span.line,
        "column": span.column,
        "end_line": None,
        "end_column": None,
        "text": None,
    }
    if (found := lines.get(span.file)) is not None:
        end_line = found.number(min(span.end, len(found.source.text)))
        place["end_line"] = end_line
        place["end_column"] = span.end - found.starts[end_line - 1] + 1
        place["text"] = found.source.text[span.start : span.end]
    return place
