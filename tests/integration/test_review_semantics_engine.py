"""What a review found in the engine."""

from __future__ import annotations

from consentry.author.policy_tests import run_policy_tests
from tests.support.compiling import compile_text


def test_a_miss_is_explained_with_the_basis_the_house_knows() -> None:
    """The last regime's basis was still in the facts: no clause failed, and the engine raised."""
    text = """use strict
    data customer { email as user.contact.email }
    purpose p { basis consent basis contract under strict }
    permit m { who anyone may read data customer for p when basis == contract }
    test miss {
        at 2026-03-01 check service "x" may read customer.email for p expect deny condition_not_met
    }"""

    assert run_policy_tests(compile_text(text)).is_passed
