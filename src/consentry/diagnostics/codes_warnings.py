"""Codes of warnings: a policy set that compiles and probably says what nobody meant (W80x)."""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.code_info import CodeInfo
from consentry.diagnostics.code_samples import ABROAD, ATTRIBUTE, PERMIT, SET, TREES, WHOLE_RULE

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

_HEALTH: Final = """\
data customer { email allergies as user.health_and_medical }

purpose service { basis contract }

permit support_reads {
    who  role "support"
    may  read
    data customer
    for  service
}
"""

_SHARING: Final = """
forbid nothing_is_shared { may share }

exception the_fair {
    lifts nothing_is_shared
    owner "Head of sales"
    cite  "Board decision 7"
    until 2025-12-31
}
"""

_COMING_LAW: Final = """
regime local_law {
    from 2026-07-01
    permit contract_necessary { basis contract }
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
    CodeInfo(
        code="W808",
        title="notice that is behind",
        explanation="The version of the purpose's notice is older than its own last material "
        "change, or than that of the purpose above it. Consents would be held against a version "
        "that nobody gives any more.",
        bad=TREES.replace("basis contract", 'basis contract notice "3" material since "4"')
        + PERMIT,
        good=TREES.replace("basis contract", 'basis contract notice "4" material since "4"')
        + PERMIT,
    ),
    CodeInfo(
        code="W809",
        title="special data without a condition of its own",
        explanation="A loaded law singles this data out, and the permit gives it like any other: "
        "it has no `when` or `unless`, and no `forbid` asks anything more of it for this purpose. "
        "Say what makes it allowed, in the permit or in a `forbid` for this data, or leave the "
        "field out.",
        bad=_HEALTH,
        good=_HEALTH + "\nforbid health_with_care {\n"
        "    data   customer.allergies\n    unless consent is explicit\n}\n",
    ),
    CodeInfo(
        code="W810",
        title="rule that is never reached",
        explanation="A mask or an obligation changes only what some permit allows, and an "
        "exception only what its `forbid` stops. Here the two have no action, data, purpose or "
        "channel in common.",
        bad=SET + "\nmask short_mail {\n    may  share\n    as   initials\n}\n",
        good=SET + "\nmask short_mail {\n    may  read\n    as   initials\n}\n",
    ),
    CodeInfo(
        code="W812",
        title="exception past its date",
        explanation="The exception is over, and what it lifted is forbidden again. Drop it, or "
        "have its owner renew it. Told by tools that know the day, as of today.",
        bad=SET + _SHARING,
        good=SET + _SHARING.replace("2025", "2027"),
    ),
    CodeInfo(
        code="W813",
        title="rule past its date",
        explanation="The rule's `until` has passed, so it does nothing any more. Told by tools "
        "that know the day, as of today.",
        bad=SET + "\nforbid sale_stop {\n    may   sell\n    until 2025-12-31\n}\n",
        good=SET + "\nforbid sale_stop {\n    may   sell\n    until 2027-12-31\n}\n",
    ),
    CodeInfo(
        code="W814",
        title="law about to change",
        explanation="Within 90 days a rule, a list or the whole of a law that this policy set "
        "loads begins or ends. Try the new state with a `test` whose `at` lies behind that day. "
        "Told by tools that know the day, as of today.",
        bad=SET + _COMING_LAW,
        good=SET + _COMING_LAW.replace("2026", "2025"),
    ),
    CodeInfo(
        code="W815",
        title="basis that no purpose has",
        explanation="A law of this policy set names a basis that none of its purposes has, and "
        "that is spelt almost like one that is known. The bases of a law are those its permits "
        "name, so a slip there makes a new one.",
        bad=SET + "\nregime local_law {\n    permit contract_necessary { basis contrakt }\n"
        "    permit consent_valid { basis contract }\n}\n",
        good=SET + "\nregime local_law {\n    permit contract_necessary { basis contract }\n}\n",
    ),
    CodeInfo(
        code="W818",
        title="fact that may widen when it is left out",
        explanation="A missing fact makes a comparison unknown, which can only narrow. Here it may "
        "widen: `has` is false rather than unknown, a default stands in for what was not said, or "
        "a `forbid` asks for a channel or a recipient that the action does not need. This is a "
        "note, shown by `check --notes`: whoever calls must send the fact.",
        bad=ATTRIBUTE + SET + ABROAD,
        good=SET + "\nforbid abroad { may transfer }\n",
    ),
)
