"""Codes, places and bounds. What each code underlines is in the conformance corpus."""

from __future__ import annotations

import pytest

from consentry.compiler.report import MAX_DIAGNOSTICS
from consentry.diagnostics.code_info import CodeInfo
from consentry.diagnostics.code_samples import SET, TREES
from consentry.diagnostics.codes_names import CODES
from consentry.diagnostics.diagnostic import Diagnostic
from tests.support.compiling import compile_files, compile_text, found


def told(info: CodeInfo, text: str) -> tuple[Diagnostic, ...]:
    """What is reported for an example; notes are told only where the code is one."""
    result = compile_text(text)
    return result.notes if info.code == "W818" else result.diagnostics


@pytest.mark.parametrize("info", CODES, ids=lambda info: info.code)
def test_the_bad_example_gives_its_code_alone(info: CodeInfo) -> None:
    assert [d.code for d in told(info, info.bad)] == [info.code]


@pytest.mark.parametrize("info", CODES, ids=lambda info: info.code)
def test_the_good_example_gives_no_message(info: CodeInfo) -> None:
    assert [(d.code, d.title) for d in told(info, info.good)] == []


@pytest.mark.parametrize("info", CODES, ids=lambda info: info.code)
def test_warnings_and_errors_are_told_apart_by_their_letter(info: CodeInfo) -> None:
    is_warning = info.code.startswith("W")

    assert [d.is_error for d in told(info, info.bad)] == [not is_warning]


def test_a_suggestion_says_where_the_name_is_declared() -> None:
    files = {
        "rules.policy": SET.removeprefix(TREES).replace("for  service", "for  servise"),
        "trees.policy": TREES,
    }

    (diagnostic,) = compile_files(files).diagnostics

    assert diagnostic.title == "unknown purpose `servise`"
    assert diagnostic.help == "did you mean `service`? it is declared in trees.policy:3"
    assert diagnostic.span is not None
    assert (diagnostic.span.file, diagnostic.span.line) == ("rules.policy", 6)


def test_a_last_segment_alone_is_answered_with_the_whole_path() -> None:
    (diagnostic,) = compile_text(SET.replace("customer.email", "email")).diagnostics

    assert "`customer.email`" in diagnostic.help


def test_a_duplicate_in_another_file_points_at_the_first_one() -> None:
    files = {"a.policy": SET, "b.policy": "forbid f { may sell }\nforbid support_reads\n"}

    (diagnostic,) = compile_files(files).diagnostics

    assert diagnostic.span is not None
    assert (diagnostic.span.file, diagnostic.span.line) == ("b.policy", 2)
    assert [(s.file, s.line) for s, _ in diagnostic.related] == [("a.policy", 5)]


def test_several_mistakes_are_reported_in_the_order_of_files_and_places() -> None:
    files = {
        "a.policy": SET + "forbid one { may reed }\nforbid two { via emial }\n",
        "b.policy": "forbid three { for servise }\n",
    }

    result = compile_files(files)

    assert [d.code for d in result.diagnostics] == ["R205", "R206", "R203"]


def test_errors_stay_bounded() -> None:
    text = SET + "".join(f"forbid f{i} {{ may reed }}\n" for i in range(3 * MAX_DIAGNOSTICS))

    result = compile_text(text)

    assert len(result.diagnostics) == MAX_DIAGNOSTICS
    assert result.program is None


def test_suggestions_stop_when_many_names_are_wrong() -> None:
    fields = " ".join(f"field_{i}" for i in range(1000))
    rules = "".join(f"forbid f{i} {{ data d.feild_{i} }}\n" for i in range(40))

    diagnostics = compile_text(f"data d {{ {fields} }}\n{rules}").diagnostics

    assert len(diagnostics) == 40
    assert diagnostics[0].help.startswith("did you mean `d.field_0`?")
    assert diagnostics[-1].help == ""


def test_warnings_do_not_crowd_out_an_error() -> None:
    text = SET + "".join(f'set s{i} = ["x"]\n' for i in range(2 * MAX_DIAGNOSTICS))

    assert compile_text(text).program is not None
    assert [d.code for d in compile_text(text + "forbid f { may reed }").diagnostics] == ["R205"]


def test_a_syntax_error_hides_names_that_it_may_have_lost() -> None:
    files = {
        "a.policy": SET + "forbid f { data customer.phone }\n",
        "b.policy": "data customer_two { { phone }\n",
    }

    codes = {d.code for d in compile_files(files).diagnostics}

    assert codes
    assert all(code.startswith("P") for code in codes)


def test_a_syntax_error_does_not_hide_what_is_twice() -> None:
    files = {"a.policy": SET + "forbid support_reads\n", "b.policy": "forbid { may sell }\n"}

    codes = [d.code for d in compile_files(files).diagnostics]

    assert "R230" in codes


def test_names_that_were_declared_wrongly_raise_no_second_message() -> None:
    text = (
        "attributes subject { born: dat? }\n"
        'set mixed = ["DE", 7]\n'
        "set wrong = [customer.emial]\n"
        + SET
        + "forbid f { data wrong when has subject.born and subject.born > 2020-01-01 }\n"
        'forbid g { when "DE" in mixed }\n'
    )

    assert found(compile_text(text), text) == [
        ("R211", "dat"),
        ("R251", "7"),
        ("R221", "customer.emial"),
    ]


def test_an_unknown_pack_hides_the_names_it_would_have_brought() -> None:
    text = "use law_of_the_land\n" + SET.replace("basis contract", "basis custom under old_law")

    assert found(compile_text(text), text) == [("R201", "law_of_the_land")]


@pytest.mark.parametrize(
    ("pack", "code"),
    [
        ("permit p { who anyone may read data anything for anything }", "R242"),
        ('mission "Ours" {}', "R242"),
        ("purpose adverts { basis consent }", "R242"),
        ("data user { email }", "R230"),
        ("regime law { never n { may sell } }", "R242"),
        ("regime law { forbid f { data customer.email } }", "R204"),
    ],
)
def test_a_pack_holds_vocabulary_and_regimes_only(pack: str, code: str) -> None:
    result = compile_text("use law\n" + SET, {"law": pack})

    assert code in [d.code for d in result.diagnostics]
    assert result.program is None


def test_a_pack_may_use_another_pack() -> None:
    packs = {
        "law": "use words\nregime law { permit g { basis contract } forbid f { may lend } }",
        "words": 'action lend "Give for a while"',
    }

    result = compile_text("use law\n" + SET, packs)

    assert result.program is not None
    assert "lend" in result.program.actions


def test_a_pack_and_the_author_may_declare_one_attribute_of_one_type() -> None:
    law = "attributes subject { country: text? }\nregime law { permit g { basis contract } }"

    def house(declared: str) -> str:
        return (
            f"use law\nattributes subject {{ country: {declared} }}\n{SET}"
            'forbid f { when has subject.country and subject.country == "DE" }'
        )

    same = compile_text(house('text = "FR"'), {"law": law})
    other = compile_text(house("number?"), {"law": law})

    assert same.program is not None
    spec = next(a for a in same.program.attributes if a.path == "subject.country")
    assert (spec.default, spec.is_optional) == ("FR", False)
    assert [d.code for d in other.diagnostics if d.code.startswith("R")] == ["R230"]


def test_an_empty_folder_is_an_error_without_a_place() -> None:
    (diagnostic,) = compile_files({}).diagnostics

    assert (diagnostic.code, diagnostic.span) == ("R244", None)


def test_a_purpose_whose_parent_has_a_basis_is_not_warned_about() -> None:
    text = SET.replace("{ basis contract }", "{ basis contract purpose part }")

    assert compile_text(text).diagnostics == ()


def test_a_parent_without_a_basis_is_fine_when_its_children_have_one() -> None:
    text = SET.replace("{ basis contract }", "{ purpose part { basis contract } }")

    assert compile_text(text).diagnostics == ()


@pytest.mark.parametrize(
    ("purpose_keep", "permit_keep", "is_warned"),
    [
        ("2 years", "1 year", False),
        ("1 year", "2 years", True),
        ("30 days", "1 month", False),  # a month may be as short as 28 days
        ("30 days", "2 months", True),
        ("1 month", "31 days", False),
        ("1 month", "32 days", True),
    ],
)
def test_keep_is_compared_across_units_only_where_it_is_sure(
    purpose_keep: str, permit_keep: str, *, is_warned: bool
) -> None:
    text = SET.replace("basis contract", f"basis contract keep {purpose_keep}")
    text = text.replace("for  service", f"for  service keep {permit_keep}")

    assert [d.code for d in compile_text(text).diagnostics] == (["W803"] if is_warned else [])


@pytest.mark.parametrize(
    "clause",
    [
        'who role "x"',
        'to recipient "x"',
        "basis contract",
        "from 2026-01-01",
        "when has context.ticket",
        "via email",
        "may use",
        "for marketing",
    ],
)
def test_a_forbid_that_leaves_something_shadows_no_permit(clause: str) -> None:
    text = (
        "attributes context { ticket: text? }\npurpose marketing { basis consent }\n"
        + SET
        + f"forbid f {{ {clause} }}\nforbid g {{ when has context.ticket }}"
    )

    assert "W806" not in [d.code for d in compile_text(text).diagnostics]


def test_a_forbid_of_a_law_that_governs_sometimes_shadows_no_permit() -> None:
    law = "regime law {{ {} permit g {{ basis contract }} forbid f {{ may read }} }}"

    always = compile_text(SET + law.format(""))
    later = compile_text(SET + law.format("from 2030-01-01"))

    assert [d.code for d in always.diagnostics] == ["W806"]
    assert later.diagnostics == ()
