"""SARIF: every diagnostic of the corpus becomes a result that the standard's schema accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.code_samples import EXAMPLES_AT_US
from consentry.diagnostics.codes import CODES
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.sarif import render_sarif
from consentry.diagnostics.span import Source
from consentry.pdp.sources import read_packs

SCHEMA = json.loads(Path(__file__).with_name("sarif_schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def log_of(text: str, name: str = "a.policy") -> tuple[dict[str, Any], tuple[Diagnostic, ...]]:
    source = Source(name, text)
    result = compile_policies([source], read_packs(), now_us=EXAMPLES_AT_US)
    found = (*result.diagnostics, *result.notes)
    log = render_sarif(
        found, {name: source}, tool_version="1.2.3", path_of=lambda file: f"policies/{file}"
    )
    return json.loads(json.dumps(log)), found


@pytest.mark.parametrize("code", [code for code in CODES if code[0] != "F"])
def test_log_of_every_bad_example_is_valid(code: str) -> None:
    log, found = log_of(CODES[code].bad)

    VALIDATOR.validate(log)

    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [result["ruleId"] for result in run["results"]] == [one.code for one in found]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert code in rules


def test_result_underlines_what_the_text_underlines() -> None:
    text = CODES["W806"].bad

    log, (found,) = log_of(text)

    (result,) = log["runs"][0]["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert found.span is not None
    assert region["snippet"]["text"] == text[found.span.start : found.span.end]
    assert (region["startLine"], region["startColumn"]) == (found.span.line, found.span.column)
    assert region["endColumn"] - region["startColumn"] == found.span.end - found.span.start
    assert result["relatedLocations"][0]["message"]["text"] == "forbidden here"


def test_name_of_a_file_is_quoted_as_a_uri() -> None:
    log, _ = log_of("forbid f { may reed }", "straße und weg.policy")

    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    VALIDATOR.validate(log)
    assert place["artifactLocation"]["uri"] == "policies/stra%C3%9Fe%20und%20weg.policy"


def test_set_without_findings_gives_an_empty_run() -> None:
    log, _ = log_of(CODES["W806"].good)

    VALIDATOR.validate(log)
    assert log["runs"][0]["results"] == []


@pytest.mark.parametrize(
    ("key", "value"), [("level", "fatal"), ("message", {}), ("place", 3), ("ruleIndex", -1)]
)
def test_schema_refuses_what_the_standard_refuses(key: str, value: object) -> None:
    log, _ = log_of(CODES["R203"].bad)
    log["runs"][0]["results"][0][key] = value

    with pytest.raises(ValidationError):
        VALIDATOR.validate(log)
