"""Policy tests as JUnit XML, the form that build servers read.

One `testsuite` for each policy file, one `testcase` for each `test`, one `failure` for each test
that failed, with the same text that a person sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from consentry.author.policy_tests import TestOutcome


def junit_xml(
    outcomes: Sequence[TestOutcome], explain: Callable[[TestOutcome], Sequence[str]]
) -> str:
    """The report; `explain` gives the lines that tell why a test failed."""
    by_file = sorted(outcomes, key=lambda outcome: outcome.span.file)
    root = ET.Element("testsuites", _counts(by_file))
    for file, found in groupby(by_file, key=lambda outcome: outcome.span.file):
        tests = list(found)
        suite = ET.SubElement(root, "testsuite", {"name": file, **_counts(tests)})
        for test in tests:
            case = ET.SubElement(
                suite,
                "testcase",
                {
                    "classname": file.removesuffix(".policy").replace("/", "."),
                    "name": test.name,
                    "file": file,
                    "line": str(test.span.line),
                },
            )
            if not test.is_passed:
                differences = [d for check in test.checks for d in check.differences]
                failure = ET.SubElement(case, "failure", {"message": "; ".join(differences)})
                failure.text = "\n".join(explain(test))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(tests: Sequence[TestOutcome]) -> dict[str, str]:
    failed = sum(not test.is_passed for test in tests)
    return {"tests": str(len(tests)), "failures": str(failed), "errors": "0", "skipped": "0"}
