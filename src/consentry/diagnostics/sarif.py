"""Diagnostics in SARIF 2.1.0, the format in which code hosts and editors take findings.

Source: OASIS Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from consentry.diagnostics.codes import CODES
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.excerpt import Lines
from consentry.diagnostics.span import Source, Span

SARIF_VERSION: Final = "2.1.0"
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def render_sarif(
    diagnostics: Sequence[Diagnostic],
    sources: Mapping[str, Source],
    *,
    tool_version: str,
    path_of: Callable[[str], str],
) -> dict[str, object]:
    """One SARIF log with one run, in which every diagnostic is a result.

    `path_of` turns a file's name into its path as the reader of the log knows it. Columns count
    characters, as everywhere; the log says so.
    """
    lines = {name: Lines(source) for name, source in sources.items()}
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    places = {code: index for index, code in enumerate(codes)}
    return {
        "$schema": _SCHEMA,
        "version": SARIF_VERSION,
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "consentry",
                        "version": tool_version,
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(d, places[d.code], lines, path_of) for d in diagnostics],
            }
        ],
    }


def _rule(code: str) -> dict[str, object]:
    """What the registry knows of a code; its page is told as help."""
    info = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": info.title},
        "fullDescription": {"text": info.explanation},
        "help": {"text": f"{info.explanation} More in docs/diagnostics/{code}.md."},
    }


def _result(
    diagnostic: Diagnostic,
    rule_index: int,
    lines: Mapping[str, Lines],
    path_of: Callable[[str], str],
) -> dict[str, object]:
    told = [diagnostic.title, diagnostic.label, diagnostic.help, diagnostic.note]
    result: dict[str, object] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule_index,
        "level": diagnostic.severity.value,
        "message": {"text": "; ".join(part for part in told if part)},
    }
    if diagnostic.span is not None:
        result["locations"] = [_location(diagnostic.span, lines, path_of)]
    if diagnostic.related:
        result["relatedLocations"] = [
            {"id": index, "message": {"text": label}, **_location(span, lines, path_of)}
            for index, (span, label) in enumerate(diagnostic.related, start=1)
        ]
    return result


def _location(
    span: Span, lines: Mapping[str, Lines], path_of: Callable[[str], str]
) -> dict[str, object]:
    region: dict[str, object] = {"startLine": span.line, "startColumn": span.column}
    region["charOffset"] = span.start
    region["charLength"] = span.end - span.start
    if (found := lines.get(span.file)) is not None:
        end_line = found.number(min(span.end, len(found.source.text)))
        region["endLine"] = end_line
        region["endColumn"] = span.end - found.starts[end_line - 1] + 1
        if span.end > span.start:
            region["snippet"] = {"text": found.source.text[span.start : span.end]}
    artifact = {"uri": quote(path_of(span.file))}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}
