from __future__ import annotations

from consentry.compiler.compile import CompileResult
from consentry.model.program import Program
from consentry.model.trees import DataNode, PurposeNode
from consentry.model.values import Duration
from tests.support.compiling import compile_text, found, program_of

RULE = "forbid nothing_sold { may sell }\n"


def purpose(program: Program, path: str) -> PurposeNode:
    return program.purposes[program.purpose_names[path]]


def data(program: Program, path: str) -> DataNode:
    return program.data[program.data_names[path]]


def compiled(text: str) -> Program:
    return program_of(compile_text(text + RULE))


def failed(text: str) -> tuple[CompileResult, list[tuple[str, str]]]:
    result = compile_text(text + RULE)
    return result, found(result, text + RULE)


def test_nodes_stand_parents_first_with_dense_indices_and_leaves() -> None:
    program = compiled("data a { b { c d } e }\ndata f\n")

    assert [n.path for n in program.data] == ["a", "a.b", "a.b.c", "a.b.d", "a.e", "f"]
    assert [n.index for n in program.data] == list(range(6))
    assert data(program, "a").leaves == (2, 3, 4)
    assert data(program, "a").children == (1, 4)
    assert data(program, "a.b.d").lineage == ("a.b.d", "a.b", "a")
    assert data(program, "f").leaves == (5,)


def test_data_without_keys_has_those_of_the_nearest_ancestor() -> None:
    program = compiled(
        "data a as user.contact { b as user.name, user.health_and_medical { c } d }\n"
    )

    assert data(program, "a.b.c").categories == ("user.name", "user.health_and_medical")
    assert data(program, "a.d").categories == ("user.contact",)


def test_data_carries_its_ancestors_tags() -> None:
    program = compiled("tag hot\ntag cold\ndata a is hot { b is cold { c } }\n")

    assert data(program, "a.b.c").tags == {"hot", "cold"}
    assert data(program, "a").tags == {"hot"}


def test_a_purpose_carries_tags_of_its_own_its_ancestors_and_its_standard_key() -> None:
    program = compiled(
        """
        purpose mail as marketing.communications.email { basis consent }
        purpose more is separate_consent { basis consent purpose part is profiling }
        """
    )

    assert purpose(program, "mail").tags == {"direct_marketing"}
    assert purpose(program, "more.part").tags == {"separate_consent", "profiling"}
    assert purpose(program, "more").tags == {"separate_consent"}


def test_children_inherit_what_they_do_not_say_themselves() -> None:
    program = compiled(
        """
        purpose marketing as marketing {
            basis consent
            keep 90 days
            consent lasts 2 years
            notice "5" material since "4"
            purpose email
            purpose sms as marketing.communications.sms {
                basis contract keep 30 days consent lasts 1 year notice "7"
            }
        }
        """
    )
    email, sms = purpose(program, "marketing.email"), purpose(program, "marketing.sms")

    assert (email.basis, email.uses) == ("consent", ("marketing",))
    assert email.keep == Duration(micros=90 * 86_400_000_000)
    assert email.consent_lasts == Duration(months=24)
    assert (email.notice, email.notice_material_since) == ("5", "4")
    assert (sms.basis, sms.uses) == ("contract", ("marketing.communications.sms",))
    assert sms.keep == Duration(micros=30 * 86_400_000_000)
    assert sms.consent_lasts == Duration(months=12)
    assert (sms.notice, sms.notice_material_since) == ("7", "4")


LAWS = """
regime one { permit g { basis consent, contract } }
regime two { permit g { basis consent, contract } }
"""


def test_a_basis_under_a_regime_replaces_that_regimes_only() -> None:
    program = compiled(
        LAWS + "purpose p { basis consent basis contract under one purpose q { "
        "basis contract under two } purpose r { basis contract } }\n"
    )

    assert purpose(program, "p").basis_for("one") == "contract"
    assert purpose(program, "p").basis_for("two") == "consent"
    assert purpose(program, "p.q").basis_for("one") == "contract"
    assert purpose(program, "p.q").basis_for("two") == "contract"
    assert purpose(program, "p.q").basis == "consent"


def test_a_general_basis_of_a_child_replaces_all_it_would_inherit() -> None:
    program = compiled(
        LAWS + "purpose p { basis contract basis consent under one purpose q { basis contract } }\n"
    )

    assert purpose(program, "p.q").basis_for("one") == "contract"


def test_reuses_covers_the_purposes_below_and_is_inherited() -> None:
    program = compiled(
        "purpose a { basis contract purpose b }\n"
        "purpose c { basis contract reuses a purpose d purpose e { reuses a.b } }\n"
    )
    names = program.purpose_names

    assert purpose(program, "c").reuses == {names["a"], names["a.b"]}
    assert purpose(program, "c.d").reuses == {names["a"], names["a.b"]}
    assert purpose(program, "c.e").reuses == {names["a.b"]}


def test_the_children_of_a_second_declaration_raise_nothing_more() -> None:
    text = "data a { b }\ndata a { c }\nforbid f { data a.c, a.b }\n"

    result, codes = failed(text)

    assert codes == [("R230", "a")]
    (duplicate,) = result.diagnostics
    assert duplicate.span is not None
    assert duplicate.span.line == 2
    assert [(place.line, label) for place, label in duplicate.related] == [
        (1, "first declared here")
    ]


def test_a_purpose_has_one_basis_for_a_regime() -> None:
    _, codes = failed("purpose p { basis consent basis contract }\n")

    assert codes == [("R241", "contract")]


def test_a_purpose_lists_one_basis() -> None:
    _, codes = failed("purpose p as marketing, sales { basis consent }\n")

    assert codes == [("R243", "sales")]


def test_benefit_is_the_purposes_own() -> None:
    program = compiled('purpose a { benefit "Less mail" purpose b }\n')

    assert (purpose(program, "a").benefit, purpose(program, "a.b").benefit) == ("Less mail", "")
