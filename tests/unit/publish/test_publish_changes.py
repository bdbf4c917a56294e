"""What changed since the last version, and whether it matters, is computed."""

from __future__ import annotations

import pytest

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.span import Source
from consentry.model.program import Program
from consentry.pdp.sources import read_packs
from consentry.publish.changes import compare
from consentry.publish.publisher import Format, Publisher

BEFORE = """
mission "We say what we do" { controller "Acme" in "DE" contact "a@acme.example" }
tag vip "Of the few"
data customer "What we hold" { email "E-mail" name "Name" phone "Phone" }
purpose news "What is new" { basis consent keep 30 days consent lasts 1 years }
purpose orders "Bring it" { basis contract keep 2 years }
permit mail "We write" {
    who service "mailer" may contact, disclose data customer.email for news via email to role "printer"
}
permit pack "We pack" { who service "depot" may read data customer.name for orders }
forbid unsold "Not sold" { may sell }
never sold "We never sell" { may sell }
"""  # noqa: E501  # as an author would write it


def program(text: str) -> Program:
    result = compile_policies([Source("a.policy", text)], read_packs())
    assert result.program is not None, [d.title for d in result.diagnostics if d.is_error]
    return result.program


CASES = {
    "keep 30 days consent -> keep 90 days consent": ("keep_longer", True),
    "keep 2 years -> keep 1 years": ("keep_shorter", False),
    "keep 2 years -> ": ("keep_longer", True),
    "consent lasts 1 years -> consent lasts 2 years": ("consent_longer", True),
    "basis contract -> basis legitimate_interest": ("basis", True),
    'purpose news "What is new" -> purpose news "What is new" is profiling': ("marks_added", True),
    "data customer.email for news -> data customer.email, customer.phone for news": (
        "data_added",
        True,
    ),
    'to role "printer" -> to role "printer", country "US"': ("recipient_added", True),
    ' to role "printer" -> ': ("recipient_removed", False),
    'never sold "We never sell" { may sell } -> ': ("promise_removed", True),
    'forbid unsold "Not sold" { may sell } -> ': ("limit_removed", True),
    "{ may sell }\nnever -> { may sell for news }\nnever": ("limit_rewritten", True),
    '"What is new" -> "News"': ("text", False),
    'controller "Acme" -> controller "Other"': ("controller", True),
    "keep 2 years -> keep 2 years reuses news": ("reuse_added", True),
}


@pytest.mark.parametrize(("edit", "expected"), CASES.items())
def test_difference_is_found_and_judged(edit: str, expected: tuple[str, bool]) -> None:
    old, _, new = edit.partition(" -> ")
    assert old in BEFORE

    found = compare(program(BEFORE), program(BEFORE.replace(old, new)))

    code, is_material = expected
    assert (f"change_{code}", is_material) in [(c.code, c.is_material) for c in found]


def test_new_and_gone_purposes_are_found() -> None:
    more = BEFORE + 'purpose ads "Advertise" { basis consent }\n'

    there = {c.code: c.is_material for c in compare(program(BEFORE), program(more))}
    back = {c.code: c.is_material for c in compare(program(more), program(BEFORE))}

    assert there["change_purpose_added"] is True
    assert back["change_purpose_removed"] is False


def test_new_exception_and_new_law_matter() -> None:
    more = BEFORE.replace(
        "never sold",
        'exception now { lifts unsold may sell for news until 2030-01-01 owner "x" cite "y" }\n'
        "never sold",
    )

    found = compare(program(BEFORE), program("use gdpr\n" + more))

    codes = {c.code: c.is_material for c in found}
    assert codes["change_exception_added"] is True
    assert codes["change_law_added"] is True
    assert codes["change_law_removed"] is True  # the rules for sets that load no law


def test_same_policies_in_another_order_have_not_changed() -> None:
    parts = [part for part in BEFORE.strip().split("\n") if part]
    head, rest = parts[:3], parts[3:]
    permit = rest[2:5]
    again = [*head, *rest[1:2], *rest[0:1], *rest[5:], *permit]

    assert compare(program(BEFORE), program("\n".join(again))) == ()


@pytest.mark.parametrize("language", ["en", "th"])
def test_every_change_can_be_told(language: str) -> None:
    for edit in CASES:
        old, _, new = edit.partition(" -> ")
        changed = BEFORE.replace(old, new)
        publisher = Publisher(
            program(changed), [Source("a.policy", changed)], read_packs().values()
        )

        text = publisher.statement(Format.MARKDOWN, language, {}, previous=program(BEFORE)).text

        assert "{" not in text.replace("\\{", "")
