"""What a person's events come to: each test is one rule of the decision semantics."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.model.consent import (
    Author,
    ConsentEvent,
    ConsentQuery,
    ConsentState,
    EventKind,
    Proof,
    RecipientScope,
    Scope,
    Track,
)
from consentry.model.values import Duration
from tests.support.consent_events import (
    MARKETING,
    NEWSLETTER,
    day,
    event,
    gave,
    query,
    withdrew,
)


def resolve(asked: ConsentQuery, *events: ConsentEvent, read: float = 0) -> ConsentState:
    numbered = [replace(e, position=n, event_id=f"e{n}") for n, e in enumerate(events, 1)]
    view = SubjectView(numbered, revision=len(events), position=9, read_at_us=day(read))
    return view.consent(asked)


def problems(asked: ConsentQuery, *events: ConsentEvent) -> list[tuple[str, ...]]:
    return [standing.problems for standing in resolve(asked, *events).standings]


def test_consent_stands_without_problems() -> None:
    assert problems(query(), gave(1)) == [()]


def test_nothing_recorded_is_missing() -> None:
    assert resolve(query()) == ConsentState()


def test_a_request_alone_is_pending() -> None:
    assert resolve(query(), event(EventKind.REQUESTED, 1)).absence == "consent_pending"


def test_withdrawal_beats_a_later_request() -> None:
    state = resolve(query(), gave(1), withdrew(2), event(EventKind.REQUESTED, 3))

    assert (state.standings, state.absence) == ((), "consent_withdrawn")


def test_refusal_is_named_when_it_is_the_newest() -> None:
    state = resolve(query(), withdrew(2), event(EventKind.REFUSED, 3))

    assert state.absence == "consent_refused"


def test_negative_wins_a_tie() -> None:
    assert resolve(query(), gave(2), withdrew(2)).standings == ()


def test_older_grant_that_arrives_late_stays_cut() -> None:
    assert resolve(query(), withdrew(2), gave(1, received=3)).standings == ()


def test_negative_counts_from_the_earlier_of_its_times() -> None:
    """A withdrawal dated ahead of its receipt takes effect on receipt."""
    assert resolve(query(3), gave(1), withdrew(5, received=2)).standings == ()


def test_event_is_not_visible_before_its_receipt() -> None:
    assert resolve(query(3), gave(1), withdrew(2, received=4)).standings


def test_what_was_read_stays_visible_when_the_clock_steps_back() -> None:
    assert resolve(query(3), gave(1), withdrew(2, received=4), read=4).standings == ()


def test_future_dated_consent_is_a_horizon_only() -> None:
    state = resolve(query(3), gave(5, received=2))

    assert (state.standings, state.changes_at_us) == ((), day(5))


def test_order_of_arrival_never_matters() -> None:
    events = [
        gave(1),
        gave(3, qualities=frozenset({"explicit"})),
        gave(3, notice="2"),
        withdrew(2),
        event(EventKind.REFUSED, 2.5, "marketing.newsletter"),
    ]

    answers = set()
    for order in itertools.permutations(events):
        state = resolve(query(purpose=NEWSLETTER), *order)
        standings = tuple((s.given_at_us, s.notice, s.qualities) for s in state.standings)
        answers.add((standings, state.absence, state.said_no))

    assert len(answers) == 1


def test_expiry_is_half_open() -> None:
    consent = gave(1, expires_at_us=day(5))

    assert problems(query(4.999), consent) == [()]
    assert problems(query(5), consent) == [("consent_expired",)]


def test_earlier_of_two_ends_counts_and_is_a_horizon() -> None:
    purpose = replace(MARKETING, consent_lasts=Duration(months=1))

    state = resolve(query(2, purpose), gave(1, expires_at_us=day(300)))

    assert state.changes_at_us == state.standings[0].expires_at_us
    assert state.changes_at_us is not None
    assert state.changes_at_us < day(40)


def test_length_past_the_calendar_never_ends() -> None:
    purpose = replace(MARKETING, consent_lasts=Duration(months=12 * 9_000))

    assert problems(query(2, purpose), gave(1)) == [()]


def test_consent_without_proof_is_unproven() -> None:
    assert problems(query(), gave(1, proof=Proof(source="import"))) == [("consent_unproven",)]


@pytest.mark.parametrize(
    ("notice", "is_old"),
    [("9", True), ("10", False), ("10.1", False), ("", True), ("9.12", True)],
)
def test_notice_versions_compare_part_by_part(notice: str, is_old: bool) -> None:
    purpose = replace(MARKETING, notice_material_since="10")

    expected = ("consent_superseded",) if is_old else ()
    assert problems(query(purpose=purpose), gave(1, notice=notice)) == [expected]


def test_problems_come_in_declared_order() -> None:
    consent = gave(
        1,
        expires_at_us=day(2),
        proof=Proof(),
        scope=Scope(
            purpose="marketing",
            data=("user.health",),
            channels=("sms",),
            recipients=(RecipientScope(id="a"),),
            controller="other",
        ),
        listed=("marketing.sms",),
    )
    purpose = replace(NEWSLETTER, notice_material_since="1")
    asked = query(purpose=purpose, is_contact=True, is_disclosure=True)

    assert problems(asked, consent) == [
        (
            "consent_expired",
            "consent_unproven",
            "consent_superseded",
            "consent_scope_controller",
            "consent_scope_purpose",
            "consent_scope_category",
            "consent_scope_channel",
            "consent_scope_recipient",
        )
    ]


@pytest.mark.parametrize(
    ("scope", "reaches"),
    [
        (Scope(purpose="marketing"), True),
        (Scope(purpose="marketing.newsletter"), True),
        (Scope(purpose="marketing.communications"), True),
        (Scope(tag="promo"), True),
        (Scope(tag="other"), False),
        (Scope(purpose="market"), False),
        (Scope(purpose="marketing", regime="gdpr"), True),
        (Scope(purpose="marketing", regime="ccpa"), False),
    ],
)
def test_scope_reaches_by_path_key_and_tag(scope: Scope, reaches: bool) -> None:
    assert bool(problems(query(purpose=NEWSLETTER), gave(1, scope=scope))) is reaches


SELLING = frozenset({"sale", "disclosure"})


@pytest.mark.parametrize(("tags", "is_out"), [(SELLING, True), (frozenset(), False)])
def test_an_opt_out_of_a_tag_reaches_actions_that_carry_it(
    tags: frozenset[str], is_out: bool
) -> None:
    opted_out = event(EventKind.OPTED_OUT, 1, "", scope=Scope(tag="sale"))

    assert right(Track.OPTED_OUT, query(action_tags=tags), opted_out)[0] is is_out


def test_a_withdrawal_of_a_tag_reaches_actions_and_a_consent_does_not() -> None:
    asked = query(action_tags=SELLING)

    assert problems(asked, gave(1, scope=Scope(tag="sale"))) == []
    assert problems(asked, gave(1)) == [()]
    assert problems(asked, gave(1), withdrew(2, scope=Scope(tag="sale"))) == []
    assert problems(query(), gave(1), withdrew(2, scope=Scope(tag="sale"))) == [()]


@pytest.mark.parametrize(
    ("listed", "wrong"),
    [
        ((), False),
        (("marketing.newsletter",), False),
        (("marketing.communications.email",), False),
        (("marketing.sms",), True),
        (("marketing",), True),
    ],
)
def test_parent_reaches_listed_children_only(listed: tuple[str, ...], wrong: bool) -> None:
    expected = ("consent_scope_purpose",) if wrong else ()

    assert problems(query(purpose=NEWSLETTER), gave(1, listed=listed)) == [expected]


def test_separate_consent_is_reached_by_its_own_name_only() -> None:
    purpose = replace(NEWSLETTER, tags=frozenset({"separate_consent"}))
    asked = query(purpose=purpose)

    assert problems(asked, gave(1, listed=(purpose.path,))) == [("consent_scope_purpose",)]
    assert problems(asked, gave(1, purpose.path)) == [()]


def test_consent_to_a_child_tells_the_reason_only_if_nothing_stands() -> None:
    """It stands beside what was asked, never in its place: no regime is asked with it (ADR 2)."""
    child = gave(2, "marketing.newsletter")
    alone = resolve(query(), child)

    assert alone.standings == ()
    assert [entry.problems for entry in alone.below] == [("consent_scope_purpose",)]
    assert resolve(query(), child, gave(1)).below == ()
    assert resolve(query(), child, withdrew(3, "marketing.newsletter")).below == ()


def test_withdrawing_a_parent_covers_children_and_a_later_child_stands() -> None:
    asked = query(purpose=NEWSLETTER)
    child = gave(1, "marketing.newsletter")

    assert problems(asked, child, withdrew(2)) == []
    assert problems(asked, child, withdrew(2), gave(3, "marketing.newsletter")) == [()]


def test_a_childs_refusal_leaves_its_parent_alone() -> None:
    assert problems(query(), gave(1), withdrew(2, "marketing.newsletter")) == [()]


@pytest.mark.parametrize(
    ("scope", "asked", "cuts"),
    [
        (Scope(tag="promo", channels=("sms",)), {"channel": "sms"}, True),
        (Scope(tag="promo", channels=("sms",)), {"channel": "email"}, False),
        (Scope(tag="promo", channels=("sms",)), {}, True),
        (Scope(tag="promo", data=("customer",)), {}, True),
        (Scope(tag="promo", data=("user.contact",)), {}, True),
        (Scope(tag="promo", data=("user.health",)), {}, False),
        (Scope(tag="promo", controller="b"), {"controller": "a"}, False),
        (Scope(tag="promo", controller="b"), {}, True),
        (Scope(tag="promo", recipients=(RecipientScope(id="x"),)), {"recipient_id": "y"}, False),
        (Scope(tag="promo", recipients=(RecipientScope(id="x"),)), {}, True),
        (
            Scope(tag="promo", recipients=(RecipientScope(country="US"),)),
            {"recipient_country": "DE"},
            False,
        ),
        (
            Scope(tag="promo", recipients=(RecipientScope(role="ads"),)),
            {"recipient_roles": frozenset({"mail"})},
            False,
        ),
    ],
)
def test_negative_cuts_only_what_it_may_touch(
    scope: Scope, asked: dict[str, object], cuts: bool
) -> None:
    state = resolve(query(**asked), gave(1), withdrew(2, scope=scope))  # type: ignore[arg-type]  # parts of a query

    assert (state.standings == ()) is cuts


def test_channel_matters_for_a_contact_only() -> None:
    consent = gave(1, scope=Scope(purpose="marketing", channels=("email",)))

    assert problems(query(), consent) == [()]
    assert problems(query(is_contact=True, channel="email"), consent) == [()]
    assert problems(query(is_contact=True), consent) == [("consent_scope_channel",)]


def test_recipients_are_judged_only_where_the_consent_names_some() -> None:
    named = gave(1, scope=Scope(purpose="marketing", recipients=(RecipientScope(role="ads"),)))
    asked = query(is_disclosure=True, recipient_id="x")

    assert problems(asked, gave(1)) == [()]
    assert problems(asked, named) == [("consent_scope_recipient",)]
    assert problems(replace(asked, recipient_roles=frozenset({"ads"})), named) == [()]


def test_joint_needs_both_flawless() -> None:
    own, guardian = gave(1), gave(2, by=Author.GUARDIAN)

    assert [s.jointly for s in resolve(query(), own, guardian).standings] == [True, True]
    assert [s.jointly for s in resolve(query(), own).standings] == [False]
    unproven = replace(guardian, proof=Proof())
    assert [s.jointly for s in resolve(query(), own, unproven).standings] == [True, False]
    assert resolve(query(), gave(1, by=Author.JOINT)).standings[0].jointly


def test_said_no_is_about_the_newest_expression() -> None:
    assert resolve(query(), gave(1), withdrew(2)).said_no
    assert not resolve(query(), gave(1), withdrew(2), gave(3)).said_no
    sms_only = gave(3, scope=Scope(purpose="marketing", channels=("sms",)))
    asked = query(is_contact=True, channel="email")
    assert resolve(asked, withdrew(2), sms_only).said_no


def right(track: Track, asked: ConsentQuery, *events: ConsentEvent) -> tuple[bool, int | None]:
    view = SubjectView(events, revision=1, position=1, read_at_us=0)
    state = view.right(track, asked)
    return state.is_active, state.changes_at_us


def test_objection_holds_until_it_is_lifted() -> None:
    objected = event(EventKind.OBJECTED, 1)
    lifted = event(EventKind.OBJECTION_LIFTED, 2)

    assert right(Track.OBJECTED, query(), objected) == (True, None)
    assert right(Track.OBJECTED, query(), objected, lifted) == (False, None)
    assert right(Track.OBJECTED, query(1.5), objected, replace(lifted, received_at_us=day(1))) == (
        True,
        day(2),
    )


def test_narrowing_side_wins_a_tie_on_every_track() -> None:
    both = (event(EventKind.OPTED_OUT, 1), event(EventKind.OPTED_IN, 1))

    assert right(Track.OPTED_OUT, query(), *both)[0]
    assert not right(Track.OPTED_IN, query(), *both)[0]


def test_lifting_needs_to_cover_what_it_lifts() -> None:
    objected = event(EventKind.OBJECTED, 1, scope=Scope())
    lifted = event(EventKind.OBJECTION_LIFTED, 2, scope=Scope(channels=("email",)))

    assert right(Track.OBJECTED, query(), objected, lifted)[0]
    assert not right(Track.OBJECTED, query(channel="email"), objected, lifted)[0]


def test_memory_of_a_right_is_of_one_question() -> None:
    objected = event(EventKind.OBJECTED, 1, scope=Scope(channels=("email",)))
    opted_out = event(EventKind.OPTED_OUT, 1, scope=Scope(channels=("sms",)))
    view = SubjectView([objected, opted_out], revision=1, position=1, read_at_us=0)
    by_email, by_sms = query(channel="email"), query(channel="sms")

    for _ in range(2):
        assert view.right(Track.OBJECTED, by_email).is_active
        assert not view.right(Track.OPTED_OUT, by_email).is_active
        assert not view.right(Track.OBJECTED, by_sms).is_active
        assert view.right(Track.OPTED_OUT, by_sms).is_active


def test_memory_of_an_answer_ends_at_its_horizon() -> None:
    view = SubjectView(
        [gave(1, expires_at_us=day(5)), gave(7, received=1), withdrew(2, received=9)],
        revision=3,
        position=3,
        read_at_us=0,
    )

    seen = [[s.problems for s in view.consent(query(now)).standings] for now in (4, 5, 7, 9, 4)]

    assert seen == [[()], [("consent_expired",)], [(), ("consent_expired",)], [()], [()]]


def test_unavailable_view_holds_no_information() -> None:
    assert not UNAVAILABLE.is_available
    assert UNAVAILABLE.consent(query()).standings == ()
    assert not UNAVAILABLE.right(Track.OBJECTED, query()).is_active
