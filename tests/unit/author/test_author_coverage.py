"""Coverage: what a set of policy tests reached, counted by rules, ways of conditions, regimes."""

from __future__ import annotations

import pytest

from consentry.author.coverage import Coverage, CoverageRecorder
from consentry.author.policy_tests import run_policy_tests
from tests.support.compiling import compile_files

RULES = """\
attributes subject { country: text? }
attributes context { ticket: text? }
data customer { email phone }
purpose support { basis contract }
regime here { governs subject.country == "DE"  permit contract { basis contract } }
regime there { governs subject.country == "US"  permit contract { basis contract } }
permit look_up {
    who  role "support"
    may  read
    data customer
    for  support
    when has context.ticket and context.ticket like "SR-*"
}
forbid no_tests { when has context.ticket and context.ticket like "*-TEST" }
mask short { data customer.phone as last 4 }
oblige log_it { for support }
oblige open_one { on condition_not_met }
exception trial { lifts no_tests data customer.email owner "x" cite "y" until 2030-01-01 }
"""


def coverage_of(*checks: str, facts: str = "", pack: str | None = None) -> Coverage:
    asked = "\n".join(f'check role "support" {check}' for check in checks)
    test = f"test one {{ {facts} at 2026-05-01\n{asked} }}"
    result = compile_files({"rules.policy": RULES, "tests.policy": test})
    recorder = CoverageRecorder(result, pack)
    run_policy_tests(result, recorder=recorder)
    return recorder.coverage()


def covered(coverage: Coverage) -> set[str]:
    return {rule.name for rule in coverage.rules if rule.is_covered}


IN_GERMANY = 'given subject { country = "DE" }'
WITH_TICKET = IN_GERMANY + ' given context { ticket = "SR-1" }'


def test_permitted_check_covers_permit_and_burdens() -> None:
    found = coverage_of("may read customer.phone for support expect permit", facts=WITH_TICKET)

    assert covered(found) == {"look_up", "short", "log_it", "here.contract"}


def test_mask_is_not_covered_by_a_denial() -> None:
    found = coverage_of("may read customer.phone for support expect deny", facts=IN_GERMANY)

    assert covered(found) == {"open_one"}


def test_forbid_is_covered_where_it_fires_and_its_exception_where_it_lifts() -> None:
    test = IN_GERMANY + ' given context { ticket = "SR-TEST" }'

    fires = coverage_of("may read customer.phone for support expect deny", facts=test)
    lifted = coverage_of("may read customer.email for support expect permit", facts=test)

    assert "no_tests" in covered(fires)
    assert "trial" not in covered(fires)
    assert "trial" in covered(lifted)
    assert "no_tests" not in covered(lifted)


def test_condition_needs_both_ways_and_unknown_is_neither() -> None:
    found = coverage_of("may read customer.email for support expect deny", facts=IN_GERMANY)

    ways = {c.span.start: c for c in found.conditions if c.owner == "permit look_up"}
    has, like = (ways[start] for start in sorted(ways))
    assert (has.true_count, has.false_count, has.missing) == (0, 1, ("true",))
    assert (like.unknown_count, like.missing) == (1, ("true", "false"))


def test_conditions_of_rules_about_something_else_do_not_count() -> None:
    result = compile_files(
        {
            "rules.policy": RULES,
            "tests.policy": f"test one {{ {WITH_TICKET} at 2026-05-01 "
            'check service "other" may read customer.email for support expect deny }',
        }
    )
    recorder = CoverageRecorder(result)
    run_policy_tests(result, recorder=recorder)

    seen = [c for c in recorder.coverage().conditions if c.owner == "permit look_up"]

    # Who asks is not in the permit's `who`, so that its condition decided nothing... unless roles
    # were not said, which is unknown and not unmatched.
    assert [c.true_count + c.false_count for c in seen] == [1, 1]


def test_regimes_count_where_they_govern() -> None:
    found = coverage_of("may read customer.email for support expect permit", facts=WITH_TICKET)

    assert {r.name: r.count for r in found.regimes} == {"here": 1, "there": 0}
    assert found.regime_share.percent == 50


def test_own_rules_are_measured_without_those_of_packs_and_packs_on_demand() -> None:
    rules = RULES.replace("regime here", "use strict\nregime here")
    result = compile_files({"rules.policy": rules})

    own = CoverageRecorder(result).coverage()
    pack = CoverageRecorder(result, "strict").coverage()

    assert {rule.file for rule in own.rules} == {"rules.policy"}
    assert {rule.file for rule in pack.rules} == {"consentry/packs/strict.policy"}
    assert [regime.name for regime in pack.regimes] == ["strict"]


def test_unknown_pack_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no pack `gdrp`; it uses core"):
        CoverageRecorder(compile_files({"rules.policy": RULES}), "gdrp")


def test_merged_coverage_is_that_of_both() -> None:
    one = coverage_of("may read customer.phone for support expect permit", facts=WITH_TICKET)
    other = coverage_of("may read customer.phone for support expect deny", facts=IN_GERMANY)

    both = one.merged(other)

    assert covered(both) == covered(one) | covered(other)
    assert len(both.conditions) == len(one.conditions)


def test_gate_asks_each_share() -> None:
    found = coverage_of("may read customer.phone for support expect permit", facts=WITH_TICKET)

    least = min(share.percent for _, share in found.shares)
    assert found.is_at_least(least)
    assert not found.is_at_least(least + 0.1)
