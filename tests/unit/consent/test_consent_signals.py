"""TC strings, GPP strings and Sec-GPC: read as published, and never wider than what they say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.consent.signals.bits import Bits, SignalError
from consentry.consent.signals.events import (
    Signal,
    SignalMap,
    gpc_events,
    gpp_events,
    tcf_events,
)
from consentry.consent.signals.gpp import read_gpc, read_gpp_string
from consentry.consent.signals.tcf import read_tc_string
from consentry.model.consent import ConsentEvent, EventKind
from tests.support.signal_strings import (
    Tc,
    california,
    fibonacci,
    header,
    national,
    number,
    text_of,
)

# The example of the specification, "Full TC String passing".
PUBLISHED = (
    "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA.IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAA"
    "AgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3ZAYzUw"
)
MAP = SignalMap(
    purposes={1: "service.device", 4: "ads.personal"},
    interests={7: "measurement"},
    special_features={1: "service.location"},
)
IDS = st.frozensets(st.integers(1, 24), max_size=24)
VENDORS = st.frozensets(st.integers(1, 900), max_size=30)


def told(events: tuple[ConsentEvent, ...]) -> set[tuple[str, str]]:
    return {(e.kind.value, e.scope.purpose or e.scope.tag or e.scope.data[0]) for e in events}


def signal(text: str, seen_at_us: int = 0) -> Signal:
    return Signal(data_subject_id="ada", text=text, seen_at_us=seen_at_us)


def test_published_example_is_read() -> None:
    said = read_tc_string(PUBLISHED)

    assert said.created_us == said.updated_us == 1_582_243_059_300_000
    assert (said.cmp_id, said.language, said.vendor_list, said.policy) == (27, "EN", 15, 2)
    assert said.purpose_consents == {1, 2, 3}
    assert said.vendor_consents == {2, 6, 8}
    assert said.vendor_interests == {2, 6, 8}
    assert said.disclosed_vendors is not None
    assert {2, 6, 8} <= said.disclosed_vendors


@settings(max_examples=200, deadline=None)
@given(IDS, IDS, VENDORS, VENDORS, VENDORS, st.booleans())
def test_tc_string_says_what_was_written_into_it(  # noqa: PLR0917 (as many as there are fields)
    consents: frozenset[int],
    interests: frozenset[int],
    vendor_consents: frozenset[int],
    vendor_interests: frozenset[int],
    disclosed: frozenset[int],
    as_ranges: bool,
) -> None:
    text = Tc(
        consents=tuple(consents),
        interests=tuple(interests),
        vendor_consents=tuple(vendor_consents),
        vendor_interests=tuple(vendor_interests),
        disclosed=tuple(disclosed),
        as_ranges=as_ranges,
        restrictions=((3, 0, (7, 9)), (4, 1, (7,))),
    ).text()

    said = read_tc_string(text)

    assert (said.purpose_consents, said.purpose_interests) == (consents, interests)
    assert (said.vendor_consents, said.vendor_interests) == (vendor_consents, vendor_interests)
    assert said.disclosed_vendors == disclosed
    assert (said.restriction_of(3, 7), said.restriction_of(4, 7), said.restriction_of(4, 8)) == (
        0, 1, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_length"),
        ("C", "too_short"),
        ("é" * 40, "bad_character"),
        ("A" * 100_000, "bad_length"),
        (Tc(version=1).text(), "unknown_version"),
        (Tc().text()[:20], "too_short"),
    ],
)
def test_what_is_no_tc_string_is_refused(text: str, code: str) -> None:
    with pytest.raises(SignalError) as refused:
        read_tc_string(text)

    assert refused.value.code == code


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ABCDEFGHabcdefgh0123456789-_.~é", max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (read_tc_string, read_gpp_string):
        try:
            read(text)
        except SignalError:
            continue


def test_consents_refusals_and_objections_become_events() -> None:
    text = Tc(consents=(1,), interests=(2,), special=(1,)).text()

    events = tcf_events(signal(text), MAP)

    assert told(events) == {
        ("given", "service.device"),
        ("refused", "ads.personal"),
        ("given", "service.location"),
        ("objected", "measurement"),
    }
    assert all(e.proof.method == "iab_tcf_string" and e.proof.reference == text for e in events)


def test_vendor_needs_its_own_bit_too() -> None:
    text = Tc(consents=(1, 4), vendor_consents=(8,), disclosed=(7, 8)).text()
    only_purposes = SignalMap(purposes={1: "one", 4: "four"})

    ours = tcf_events(signal(text), SignalMap(vendor=8, purposes={1: "one", 4: "four"}))
    others = tcf_events(signal(text), SignalMap(vendor=7, purposes={1: "one", 4: "four"}))

    assert told(ours) == {("given", "one"), ("given", "four")}
    assert told(others) == {("refused", "one"), ("refused", "four")}
    assert told(tcf_events(signal(text), only_purposes)) == told(ours)


@pytest.mark.parametrize(("kind", "expected"), [(0, "refused"), (1, "given"), (2, "refused")])
def test_publisher_restriction_is_obeyed(kind: int, expected: str) -> None:
    text = Tc(
        consents=(4,), vendor_consents=(8,), disclosed=(8,), restrictions=((4, kind, (8,)),)
    ).text()

    events = tcf_events(signal(text), SignalMap(vendor=8, purposes={4: "four"}))

    assert told(events) == {(expected, "four")}


@pytest.mark.parametrize(
    ("tc", "code"),
    [
        (Tc(is_service_specific=False), "not_service_specific"),
        (Tc(disclosed=None), "disclosed_vendors_missing"),
        (Tc(disclosed=(7,)), "vendor_not_disclosed"),
    ],
)
def test_string_that_2_3_does_not_allow_is_refused(tc: Tc, code: str) -> None:
    with pytest.raises(SignalError) as refused:
        tcf_events(signal(tc.text()), SignalMap(vendor=8, purposes={1: "one"}))

    assert refused.value.code == code


def test_yes_counts_from_when_it_was_said_and_no_from_when_it_was_seen() -> None:
    updated_s, seen_us = 1_770_000_000, 1_775_000_000_000_000
    text = Tc(updated_s=updated_s, consents=(1,)).text()

    events = tcf_events(signal(text, seen_us), MAP)

    times = {e.kind: e.happened_at_us for e in events}
    assert times[EventKind.GIVEN] == updated_s * 1_000_000
    assert times[EventKind.REFUSED] == times[EventKind.OBJECTED] == seen_us
    ends = [e.expires_at_us for e in events if e.kind is EventKind.GIVEN]
    assert (
        ends == [1_803_955_600_000_000 + 172_800_000_000 - 3_600_000_000 * 0] or ends[0] > seen_us
    )


@pytest.mark.parametrize(
    ("text", "ids"), [("DBABM", (2,)), ("DBACNY", (2, 6)), ("DBABjw", (5, 6)), ("DBABBg", (8,)),
                      ("DBABLA", (7,))],
)  # fmt: skip
def test_published_headers_are_read(text: str, ids: tuple[int, ...]) -> None:
    bits = Bits(text)
    assert (bits.number(6), bits.number(6)) == (3, 1)

    sections = "~".join([text, *("x" if i not in (7, 8) else _any(i) for i in ids)])

    assert read_gpp_string(sections).section_ids == ids


def _any(section: int) -> str:
    return national() if section == 7 else california()


@given(st.integers(1, 5_000))
def test_fibonacci_numbers_are_read_as_written(value: int) -> None:
    assert Bits(text_of(fibonacci(value))).fibonacci() == value


def test_a_few_letters_that_say_an_endless_range_are_refused_unlisted() -> None:
    """Found by the fuzzer: it listed all of them, and then looked."""
    endless = "1" + fibonacci(1) + fibonacci(2**30)
    gpp = number(3, 6) + number(1, 6) + number(1, 12) + endless

    with pytest.raises(SignalError, match="bad_range"):
        read_gpp_string(text_of(gpp) + "~A")


def test_ranges_of_all_vendors_again_and_again_are_refused() -> None:
    everybody = "1" + number(1, 16) + number(2**16 - 1, 16)
    bits = Bits(text_of(number(4_000, 12) + everybody * 4_000))

    with pytest.raises(SignalError, match="too_many"):
        bits.ranges()


def test_national_string_seen_in_the_wild_is_read() -> None:
    (said,) = read_gpp_string("DBABLA~BVQqAAAAAgA.QA").us

    assert (said.section, said.version) == (7, 1)
    assert (said.sale, said.sharing, said.targeted_advertising) == (2, 2, 2)
    assert said.gpc is False


@pytest.mark.parametrize("version", [1, 2])
def test_national_opt_outs_become_events(version: int) -> None:
    text = f"{header([7])}~{national(version, sale=1, sharing=2, advertising=1, sensitive=(0, 1))}"

    events = gpp_events(signal(text), SignalMap(sensitive={2: "user.belief"}))

    assert told(events) == {
        ("opted_out", "sale"),
        ("opted_out", "targeted_advertising"),
        ("limited", "user.belief"),
    }


def test_california_opt_outs_and_limits_become_events() -> None:
    text = f"{header([8])}~{california(sale=2, sharing=1, sensitive=(0, 0, 1, 0, 0, 0, 0, 0, 2))}"
    names = SignalMap(sensitive={3: "user.location", 9: "user.health"}, regime="ccpa")

    events = gpp_events(signal(text), names)

    assert told(events) == {("opted_out", "sharing"), ("limited", "user.location")}
    assert {e.scope.regime for e in events} == {"ccpa"}


def test_gpc_within_a_section_opts_out_of_sale_and_sharing() -> None:
    text = f"{header([8])}~{california(sale=2, sharing=2, gpc=True)}"

    assert told(gpp_events(signal(text), SignalMap())) == {
        ("opted_out", "sale"),
        ("opted_out", "sharing"),
    }


def test_string_that_opts_out_of_nothing_makes_no_event() -> None:
    text = f"{header([7, 8])}~{national(2, sale=2)}~{california(sale=2, gpc=False)}"

    assert gpp_events(signal(text), SignalMap()) == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DBABM~CP", "no_known_section"),
        ("DBABLA", "section_count"),
        ("DBABLA~BA", "too_short"),
        (f"{header([8])}~{california(sale=3)}", "unknown_value"),
        ("BBABLA~BVQqAAAAAgA", "no_header"),
    ],
)
def test_gpp_string_that_cannot_be_trusted_is_refused(text: str, code: str) -> None:
    with pytest.raises(SignalError) as refused:
        gpp_events(signal(text), SignalMap())

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("0", False), ("", False), ("true", False), ("01", False), ("0, 1", True)],
)
def test_gpc_header_is_exactly_one(value: str, expected: bool) -> None:
    assert read_gpc(value) is expected
    assert len(gpc_events(signal(value), SignalMap())) == (2 if expected else 0)


def test_same_signal_gives_the_same_keys() -> None:
    text = Tc(consents=(1,)).text()
    first, again = (tcf_events(signal(text), MAP) for _ in range(2))

    assert [e.idempotency_key for e in first] == [e.idempotency_key for e in again]
    assert len({e.idempotency_key for e in first}) == len(first)
