"""Codes of warnings: a policy set that compiles and probably says what nobody meant (W80x)."""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.code_info import CodeInfo
from consentry.diagnostics.code_samples import PERMIT, SET, TREES, WHOLE_RULE

_TWO_LAWS: Final = """
regime first_law {
    permit contract_necessary { basis contract }
}

regime second_law {
    permit consent_valid {
        basis consent
        when  consent.given
    }
}
"""

CODES: Final[tuple[CodeInfo, ...]] = (
    CodeInfo(
        code="W801",
        title="purpose without a basis",
        explanation="A law that is loaded permits nothing without a lawful basis, and this purpose "
        "has none, nor does a purpose above it. Every request for it is denied.",
        bad=TREES.replace("purpose service { basis contract }", "purpose service") + PERMIT,
        good=SET,
    ),
    CodeInfo(
        code="W802",
        title="basis that a law does not have",
        explanation="The basis is known to one loaded law and not to another. Where the other one "
        "governs, every request for the purpose is denied; `basis X under REGIME` gives it a basis "
        "of its own there.",
        bad=SET + _TWO_LAWS,
        good=SET.replace("basis contract", "basis contract basis consent under second_law")
        + _TWO_LAWS,
    ),
    CodeInfo(
        code="W803",
        title="kept longer than the purpose allows",
        explanation="The permit's `keep` is longer than that of a purpose it serves. The shorter "
        "one decides, so the longer one says something that does not hold.",
        bad=TREES.replace("basis contract", "basis contract keep 30 days")
        + "\npermit support_reads {\n"
        + WHOLE_RULE
        + "    keep 90 days\n}\n",
        good=TREES.replace("basis contract", "basis contract keep 90 days")
        + "\npermit support_reads {\n"
        + WHOLE_RULE
        + "    keep 30 days\n}\n",
    ),
    CodeInfo(
        code="W804",
        title="contact without a channel",
        explanation="The permit lets someone contact people and does not say how: every channel is "
        "permitted, those to come included. `via` names the channels; `via anything` says that all "
        "are meant.",
        bad=SET.replace("may  read", "may  contact"),
        good=SET.replace("may  read\n", "may  contact\n    via  email\n"),
    ),
    CodeInfo(
        code="W805",
        title="rule that can never apply",
        explanation="The rule names a standard key or a tag that nothing in this policy set "
        "carries. Map the data or the purpose with `as` or `is`, or drop the rule.",
        bad=SET + "\nforbid health_stays {\n    may  share\n    data user.health_and_medical\n}\n",
        good=SET.replace("{ email }", "{ email allergies as user.health_and_medical }")
        + "\nforbid health_stays {\n    may  share\n    data user.health_and_medical\n}\n",
    ),
    CodeInfo(
        code="W806",
        title="permit that grants nothing",
        explanation="A forbid without any condition covers all that the permit grants, and a "
        "forbid beats every permit.",
        bad=SET + "\nforbid no_reading { may read }\n",
        good=SET + "\nforbid no_sale { may sell }\n",
    ),
    CodeInfo(
        code="W807",
        title="never used",
        explanation="A set that nothing names, or an attribute that no condition reads, makes "
        "a reader look for a rule that is not there. It may be a misspelling of one that is.",
        bad='set partners = ["ads.example"]\n\n' + SET,
        good=SET,
    ),
)
