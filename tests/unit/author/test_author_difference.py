"""Differences of two policy sets: what changes, which kind of change it is, one example each."""

from __future__ import annotations

from datetime import date

import pytest

from consentry.author.as_test import case_as_test
from consentry.author.difference import (
    Answer,
    ChangeKind,
    Difference,
    find_difference,
    is_weaker,
    kind_of_change,
)
from consentry.author.policy_tests import run_policy_tests
from consentry.model.decision import Effect, Mask
from consentry.model.values import midnight_us
from tests.support.compiling import compile_files, compile_text, program_of

SINCE_US = midnight_us(date(2026, 5, 1))
WORLD = """\
attributes subject { country: text?, born: date? }
attributes context { ticket: text?, level: number = 1 }
data customer { email as user.contact.email  phone  health as user.health_and_medical }
purpose support { basis contract  keep 1 years }
purpose news is direct_marketing { basis consent  consent lasts 2 years }
"""
ANSWER = 'permit answer { who role "support" may read data customer.phone for support }\n'
WRITE = 'permit write { who service "mailer" may contact data customer.email for news via email }\n'
SET = WORLD + ANSWER + WRITE


def difference(before: str, after: str, limit: int = 100_000) -> Difference:
    return find_difference(
        compile_text(before), compile_text(after), since_us=SINCE_US, limit=limit
    )


def kinds(before: str, after: str) -> set[ChangeKind]:
    return {change.kind for change in difference(before, after).changes}


def test_same_set_differs_nowhere_and_nothing_is_asked() -> None:
    found = difference(SET, SET)

    assert (found.changes, found.unasked, found.case_count) == ((), (), 0)
    assert found.same_count > 0


def test_names_texts_and_order_are_no_difference() -> None:
    other = WORLD + WRITE.replace("write {", 'mail "We write" {') + ANSWER

    assert difference(SET, other).changes == ()


@pytest.mark.parametrize(
    ("added", "forwards", "backwards"),
    [
        ("permit more { who anyone may read data customer.email for news }", "widened", "narrowed"),
        ('forbid less { may contact unless subject.country == "DE" }', "narrowed", "widened"),
        ("forbid day { for news from 2027-01-01 }", "narrowed", "widened"),
        ("mask short { data customer.phone as last 4 }", "strengthened", "weakened"),
        ("oblige log { may read }", "strengthened", "weakened"),
        ("mask kids { data customer.phone when age(subject.born) < 16 years as redact }",
         "strengthened", "weakened"),
    ],
)  # fmt: skip
def test_kind_of_change_forwards_and_backwards(added: str, forwards: str, backwards: str) -> None:
    with_rule = f"{SET}{added}\n"

    assert forwards in kinds(SET, with_rule)
    assert backwards not in kinds(SET, with_rule)
    assert backwards in kinds(with_rule, SET)
    assert forwards not in kinds(with_rule, SET)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("consent lasts 2 years", "consent lasts 3 years"),
        ("keep 1 years", "keep 2 years"),
        ('role "support"', 'role "support", role "sales"'),
        ("basis consent ", "basis contract "),
        ("subject { country: text?", 'subject { country: text = "DE"'),
    ],
)
def test_change_outside_of_rules_widens_too(old: str, new: str) -> None:
    before = SET + 'forbid abroad { for news when subject.country != "DE" }\n'
    assert old in before

    assert ChangeKind.WIDENED in kinds(before, before.replace(old, new))


def test_boundary_moved_by_one_is_found() -> None:
    before = SET + "forbid low { may read when context.level < 5 }\n"

    assert ChangeKind.WIDENED in kinds(before, before.replace("< 5", "< 4"))
    assert ChangeKind.NARROWED in kinds(before, before.replace("< 5", "< 5.5"))


def test_purpose_of_one_set_only_is_denied_by_the_other() -> None:
    games = "purpose games { basis contract }\n" + ANSWER.replace("answer", "play").replace(
        "for support", "for games"
    )

    found = difference(SET, SET + games)

    widened = next(c for c in found.changes if c.kind is ChangeKind.WIDENED)
    assert {key.purpose for key in widened.keys} == {"games"}
    assert widened.before.reason == "purpose_unknown"


def test_example_runs_as_a_test_of_the_set_after() -> None:
    after = SET + 'forbid abroad { for news when subject.country != "DE" }\n'
    (change,) = [c for c in difference(SET, after).changes if c.kind is ChangeKind.NARROWED]

    pasted = case_as_test(
        change.example,
        program_of(compile_text(after)),
        name="example",
        title="x",
        effect=change.after.effect,
    )

    passed = {}
    for name, text in (("before", SET), ("after", after)):
        report = run_policy_tests(compile_files({"a.policy": text, "b.policy": pasted}))
        passed[name] = report.is_passed
    assert passed == {"before": False, "after": True}


def test_questions_beyond_the_limit_are_named() -> None:
    found = difference(SET, SET + "forbid low { may read when context.level < 5 }\n", limit=1)

    (unasked,) = found.unasked
    assert (unasked.key.purpose, found.case_count) == ("support", 0)
    assert unasked.why.startswith("too large: more than 1 cases")


@pytest.mark.parametrize("notice", ["", '  notice "4" material since "2"'])
def test_a_change_behind_a_consent_to_another_purpose_is_found(notice: str) -> None:
    world = WORLD.replace("lasts 2 years", f"lasts 2 years{notice}")
    behind = (
        "permit answer { who anyone may read data anything for support when consented(news) }\n"
    )
    mask = "mask phones { may read data customer.phone for support as redact }\n"

    assert kinds(world + behind, world + behind + mask) == {ChangeKind.STRENGTHENED}
    assert ChangeKind.WIDENED in kinds(world + WRITE, world + WRITE + behind)


def test_masks_are_weaker_where_they_let_more_through() -> None:
    last4, last6, redact = Mask("last", 4), Mask("last", 6), Mask("redact")

    assert is_weaker(last4, last6)
    assert is_weaker(redact, last4)
    assert is_weaker(last4, None)
    assert is_weaker(Mask("hash"), Mask("initials"))
    assert is_weaker(Mask("round", 10), Mask("round", 5))
    assert not is_weaker(Mask("round", 10), Mask("round", 100))
    assert not is_weaker(last6, last4)
    assert not is_weaker(last4, redact)
    assert not is_weaker(None, last4)


def test_same_answer_for_another_reason_is_its_own_kind() -> None:
    one, other = Answer(Effect.DENY, "a"), Answer(Effect.DENY, "b")

    assert kind_of_change(one, other) is ChangeKind.REASON
    assert kind_of_change(one, one) is None
