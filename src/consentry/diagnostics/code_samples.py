"""Pieces that the examples of diagnostic codes share: the smallest policy set that compiles."""

from __future__ import annotations

from typing import Final

TREES: Final = """\
data customer { email }

purpose service { basis contract }
"""
PERMIT: Final = """
permit support_reads {
    who  role "support"
    may  read
    data customer.email
    for  service
}
"""
SET: Final = TREES + PERMIT
"""A whole policy set."""

ATTRIBUTE: Final = "attributes subject { country: text? }\n\n"
ABROAD: Final = """
forbid abroad {
    may  read
    when has subject.country and subject.country != "DE"
}
"""
"""A rule that reads the attribute."""

WHOLE_RULE: Final = """    who  role "support"
    may  read
    data customer.email
    for  service
"""
"""The clauses that a permit needs, for examples that vary one of them."""

EXAMPLES_AT_US: Final = 1_780_272_000_000_000
"""When the examples are compiled, 2026-06-01 in microseconds: some warnings depend on the day."""
