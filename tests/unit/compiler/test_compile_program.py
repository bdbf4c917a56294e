from __future__ import annotations

import pickle
import random
from datetime import date

import pytest

from consentry.compiler.compile import COMPILER_VERSION
from consentry.diagnostics.code_samples import SET, TREES
from consentry.model.decision import Mask
from consentry.model.program import Party, RuleKind
from consentry.model.values import Duration, midnight_us
from tests.support.compiling import compile_files, compile_text, program_of, rule_named

HOUSE = """
mission "We serve you." { controller "Acme GmbH" in "DE" contact "privacy@acme.example" }

data customer {
    contact { email as user.contact.email phone as user.contact.phone_number }
    health as user.health_and_medical { allergies }
}

purpose service { basis contract keep 90 days purpose support }
purpose marketing is direct_marketing { basis consent purpose email purpose sms }

permit mail "The mailer writes" {
    who  service "mailer", role "marketer"
    may  read, contact
    data customer.contact, user.health_and_medical
    for  marketing.email
    via  email
    to   recipient "printer", country "DE"
    keep 30 days
    from 2026-01-01
    until 2027-01-01
    cite "Plan 7"
}

forbid no_sharing as prohibited_by_policy { may share, sell }

mask short { data customer.contact.phone as last 4 }

oblige unsubscribe_link "A way out" as way_out { for marketing }

exception court "A court asked" {
    lifts no_sharing
    may   share
    owner "Legal"
    cite  "Order 7"
    until 2027-01-01
}
"""


def test_permit_clauses_become_index_sets_words_and_instants() -> None:
    program = program_of(compile_text(HOUSE))

    rule = rule_named(program, "mail")

    names, purposes = program.data_names, program.purpose_names
    assert rule.who == (Party("service", "mailer"), Party("role", "marketer"))
    assert rule.actions == frozenset({"read", "contact"})
    assert rule.data == frozenset(
        {
            names["customer.contact.email"],
            names["customer.contact.phone"],
            names["customer.health.allergies"],
        }
    )
    assert rule.purposes == frozenset({purposes["marketing.email"]})
    assert rule.channels == frozenset({"email"})
    assert rule.recipients == (Party("recipient", "printer"), Party("country", "DE"))
    assert rule.keep == Duration(micros=30 * 86_400_000_000)
    assert rule.from_us == midnight_us(date(2026, 1, 1))
    assert rule.until_us == midnight_us(date(2027, 1, 1))
    assert (rule.text, rule.cite, rule.file, rule.line) == (
        "The mailer writes",
        "Plan 7",
        "a.policy",
        12,
    )


def test_a_purpose_in_a_rule_covers_the_purposes_below_it() -> None:
    program = program_of(compile_text(HOUSE))

    assert rule_named(program, "unsubscribe_link").purposes == frozenset(
        {program.purpose_names[p] for p in ("marketing", "marketing.email", "marketing.sms")}
    )


def test_a_rule_gives_its_as_or_else_its_own_name() -> None:
    program = program_of(compile_text(HOUSE))

    assert rule_named(program, "no_sharing").reason == "prohibited_by_policy"
    assert rule_named(program, "mail").reason == "mail"
    assert rule_named(program, "unsubscribe_link").reason == "way_out"
    assert program.obligation_texts["way_out"] == "A way out"


def test_a_mask_carries_its_number() -> None:
    assert rule_named(program_of(compile_text(HOUSE)), "short").mask == Mask("last", 4)


def test_anyone_and_anything_match_like_an_omitted_clause() -> None:
    text = TREES + "permit all { who anyone may anything data anything for anything via anything }"

    rule = rule_named(program_of(compile_text(text)), "all")

    assert (rule.who, rule.actions, rule.data, rule.purposes, rule.channels) == (None,) * 5


def test_an_exception_is_attached_to_the_forbid_it_lifts() -> None:
    program = program_of(compile_text(HOUSE))

    (exception,) = program.exceptions
    assert exception.name == "court"
    assert exception.actions == frozenset({"share"})
    assert rule_named(program, "no_sharing").lifted_by == (exception.index,)
    assert all(not rule.lifted_by for rule in program.rules if rule.name != "no_sharing")


def test_rules_stand_in_the_order_of_files_then_places_then_regimes() -> None:
    def rule(name: str) -> str:
        return f"forbid {name} {{ may sell }}\n"

    files = {
        "b.policy": rule("third") + "regime own { forbid fifth { may sell } }",
        "a.policy": "use law\n" + rule("first") + rule("second"),
    }
    law = {"law": "regime law { forbid fourth { may sell } }"}

    program = program_of(compile_files(files, law))

    assert [r.name for r in program.rules] == ["first", "second", "third", "fourth", "fifth"]
    assert [r.index for r in program.rules] == list(range(5))
    assert [r.name for r in program.regimes] == ["", "law", "own"]


def test_the_order_of_sources_does_not_matter() -> None:
    files = {"a.policy": TREES, "b.policy": SET.removeprefix(TREES), "c.policy": "tag vip"}
    first = program_of(compile_files(files))

    shuffled = list(files.items())
    random.Random(1).shuffle(shuffled)

    assert program_of(compile_files(dict(shuffled[::-1]))) == first


def test_a_program_survives_pickling() -> None:
    program = program_of(compile_text(HOUSE))

    assert pickle.loads(pickle.dumps(program)) == program


def test_reasons_of_author_follow_those_of_core() -> None:
    program = program_of(compile_text(SET + 'reason tea_time "Not now"'))

    assert program.reasons[0] == "purpose_missing"
    assert program.reasons[-1] == "tea_time"
    assert program.reason_texts["tea_time"] == "Not now"


def test_mission_is_in_the_program() -> None:
    mission = program_of(compile_text(HOUSE)).mission

    assert mission is not None
    assert (mission.text, mission.controller, mission.country, mission.contact, mission.page) == (
        "We serve you.",
        "Acme GmbH",
        "DE",
        "privacy@acme.example",
        "",
    )


def test_program_is_none_if_and_only_if_there_is_an_error() -> None:
    warned = compile_text(SET + 'set unused = ["DE"]')
    broken = compile_text(SET + "forbid f { may reed }")

    assert warned.diagnostics
    assert warned.program is not None
    assert broken.program is None


def test_the_digest_depends_on_names_texts_and_packs_that_took_part() -> None:
    def digest(files: dict[str, str], packs: dict[str, str] | None = None) -> str:
        return program_of(compile_files(files, packs)).digest

    base = digest({"a.policy": SET})
    law = {"law": "regime law { permit contract_necessary { basis contract } }"}
    using = {"a.policy": "use law\n" + SET}

    assert digest({"a.policy": SET}) == base
    assert len(base) == 64
    assert digest({"b.policy": SET}) != base
    assert digest({"a.policy": SET + " "}) != base
    assert digest({"a.policy": SET, "b.policy": ""}) != base
    assert digest({"a.policy": SET}, law) == base  # at hand, but not used
    assert digest(using, law) != digest(using, {"law": law["law"] + "\n"})


def test_the_digest_cannot_be_moved_between_name_and_text() -> None:
    one = program_of(compile_files({"a.policy": SET, "b": "##"}))
    other = program_of(compile_files({"a.policy": SET, "b#": "#"}))

    assert one.digest != other.digest


def test_the_compiler_says_its_version() -> None:
    assert program_of(compile_text(SET)).compiler_version == COMPILER_VERSION


@pytest.mark.parametrize(
    ("text", "regimes"),
    [
        (SET, ["", "strict"]),
        ("use strict\n" + SET, ["", "strict"]),
        (SET + "regime own { permit g { basis contract } }", ["", "own"]),
        (
            "use strict\n" + SET + "regime own { permit g { basis contract } }",
            ["", "strict", "own"],
        ),
    ],
)
def test_strict_takes_part_where_no_regime_is_used_or_declared(
    text: str, regimes: list[str]
) -> None:
    assert [r.name for r in program_of(compile_text(text)).regimes] == regimes


def test_a_regime_keeps_its_version_dates_bases_and_what_it_has() -> None:
    law = """
    regime law "A law" {
        version "2026.1"
        governs otherwise
        from 2026-01-01
        permit one { basis contract, consent }
        permit two { basis contract }
    }
    regime only_forbids { governs subject.country == "DE" forbid f { may sell } }
    regime any_basis { permit ground }
    """
    attributes = "attributes subject { country: text? }\n"

    program = program_of(compile_text(attributes + SET + law))

    _, first, second, third = program.regimes
    assert (first.text, first.version, first.is_fallback) == ("A law", "2026.1", True)
    assert first.from_us == midnight_us(date(2026, 1, 1))
    assert first.bases == frozenset({"contract", "consent"})
    assert first.governs is None
    assert (second.has_permits, second.is_fallback) == (False, False)
    assert second.governs is not None
    assert (third.has_permits, third.bases) == (True, None)


def test_a_pack_speaks_of_standard_keys_and_not_of_the_authors_paths() -> None:
    law = "regime law { forbid no_adverts { for marketing } permit contract { basis contract } }"
    house = (
        TREES
        + """
    use law
    purpose marketing { basis contract }
    purpose adverts as marketing.communications.email { basis contract }
    forbid own { for marketing }
    """
    )

    program = program_of(compile_text(house, {"law": law}))

    purposes = program.purpose_names
    assert rule_named(program, "no_adverts", "law").purposes == frozenset({purposes["adverts"]})
    assert rule_named(program, "own").purposes == frozenset({purposes["marketing"]})


def test_a_regimes_own_set_stands_before_the_houses() -> None:
    text = (
        TREES.replace("email", "email phone")
        + """
    set private = [customer.email]
    forbid own { data private }
    regime law { set private = [customer.phone] forbid theirs { data private } }
    """
    )

    program = program_of(compile_text(text))

    assert rule_named(program, "own").data == frozenset({program.data_names["customer.email"]})
    assert rule_named(program, "theirs", "law").data == frozenset(
        {program.data_names["customer.phone"]}
    )


def test_a_set_of_words_may_stand_in_may_and_via() -> None:
    text = SET + "set paper = [post]\nset looks = [read, use]\nforbid f { may looks via paper }"

    rule = rule_named(program_of(compile_text(text)), "f")

    assert (rule.kind, rule.actions, rule.channels) == (
        RuleKind.FORBID,
        frozenset({"read", "use"}),
        frozenset({"post"}),
    )


def test_a_rule_of_a_regime_may_answer_to_a_reason_of_its_own() -> None:
    text = SET + "forbid f { may sell }\noblige tell { on f, consent_missing }"

    assert rule_named(program_of(compile_text(text)), "tell").on == frozenset(
        {"f", "consent_missing"}
    )


def test_a_tag_in_may_or_via_stands_for_the_words_that_carry_it() -> None:
    text = f"{SET}\nforbid f {{ may contacting, read via electronic }}"

    rule = rule_named(program_of(compile_text(text)), "f")

    assert rule.actions == {"contact", "read"}
    assert rule.channels == {"email", "sms", "phone", "push", "in_app", "web"}


def test_promise_is_carried_beside_the_rules_and_is_none_of_them() -> None:
    text = (
        "data customer { email }\n"
        "purpose service { basis contract }\n"
        "permit see { who anyone may read data customer for service }\n"
        'never sold "We sell nothing" { may sell cite "Board decision 12/2025" }\n'
    )

    program = program_of(compile_text(text))

    (promise,) = program.promises
    assert (promise.name, promise.text, promise.actions) == (
        "sold",
        "We sell nothing",
        frozenset({"sell"}),
    )
    assert "sold" not in [rule.name for rule in program.rules]
