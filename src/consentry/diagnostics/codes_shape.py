"""Codes about the shape of declarations: twice, missing, misplaced, impossible (R23x to R25x)."""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.code_info import CodeInfo
from consentry.diagnostics.code_samples import ABROAD, ATTRIBUTE, PERMIT, SET, TREES, WHOLE_RULE

CODES: Final[tuple[CodeInfo, ...]] = (
    CodeInfo(
        code="R230",
        title="declared twice",
        explanation="Two declarations of one kind have the same name, perhaps in two files of one "
        "policy set. Names of rules are one space; those of a regime's rules are the regime's own.",
        bad=SET + PERMIT,
        good=SET + PERMIT.replace("support_reads", "support_reads_again"),
    ),
    CodeInfo(
        code="R231",
        title="two missions",
        explanation="A policy set has one mission: there is one controller, and one statement.",
        bad='mission "We serve you." {}\n\nmission "We serve you well." {}\n\n' + SET,
        good='mission "We serve you well." {}\n\n' + SET,
    ),
    CodeInfo(
        code="R240",
        title="missing clause",
        explanation="A permit must say who, may what, with which data, for which purpose; a mask "
        "needs `as`; an exception needs `lifts`, `owner`, `cite` and `until`. Write `anyone` or "
        "`anything` where all are meant, so that it can be seen.",
        bad=TREES + PERMIT.replace('    who  role "support"\n', ""),
        good=SET,
    ),
    CodeInfo(
        code="R241",
        title="clause stands twice",
        explanation="Only `when` and `unless` may be repeated. In other clauses, list the items "
        "with commas, or write two rules.",
        bad=SET.replace("may  read\n", "may  read\n    may  use\n"),
        good=SET.replace("may  read\n", "may  read, use\n"),
    ),
    CodeInfo(
        code="R242",
        title="not allowed here",
        explanation="The clause or declaration is known, and has no meaning in this place: `keep` "
        "belongs to a permit or a purpose, `on` to an obligation, `lifts` to an exception, and a "
        "regime has permits, forbids, masks and obligations only.",
        bad=SET + "\nforbid no_sale {\n    may  sell\n    keep 30 days\n}\n",
        good=SET + "\nforbid no_sale { may sell }\n",
    ),
    CodeInfo(
        code="R243",
        title="part of a declaration that makes no sense here",
        explanation="Every declaration has a name, and some have a text, tags after `is` or "
        "standard keys after `as`. A purpose maps to one use, a rule to one reason; a set, a "
        "regime and a test map to nothing.",
        bad=SET.replace("purpose service", "purpose service as essential.service, marketing"),
        good=SET.replace("purpose service", "purpose service as essential.service"),
    ),
    CodeInfo(
        code="R244",
        title="no rules",
        explanation="The policy set declares names and no rule. Without a permit everything is "
        "denied, so a folder read by mistake would silently stop every service.",
        bad=TREES,
        good=SET,
    ),
    CodeInfo(
        code="R246",
        title="exception to a law",
        explanation="An exception lifts a `forbid` of the house. A regime's own rules cannot be "
        "lifted: what a law allows is written in its pack.",
        bad=SET
        + """
exception we_know_better {
    lifts subject_erased
    owner "Sales"
    cite  "None"
    until 2026-12-31
}
""",
        good=SET,
    ),
    CodeInfo(
        code="R248",
        title="value that is missing or too much",
        explanation="`role` and `controller` need a name in quotes, and `last`, `first` and "
        "`round` need a whole number; `anyone` and the other masks take none.",
        bad=SET + "\nmask short {\n    data customer.email\n    as   last\n}\n",
        good=SET + "\nmask short {\n    data customer.email\n    as   last 4\n}\n",
    ),
    CodeInfo(
        code="R251",
        title="set with strange items",
        explanation="The items of a set are constants of one type, or names. Dates of effect go "
        "with constants only.",
        bad=ATTRIBUTE + 'set home = ["DE", 7]\n\n' + SET + ABROAD.replace('!= "DE"', "in home"),
        good=ATTRIBUTE + 'set home = ["DE"]\n\n' + SET + ABROAD.replace('!= "DE"', "in home"),
    ),
    CodeInfo(
        code="R252",
        title="never in effect",
        explanation="The date after `from` is not before the one after `until`, and the second "
        "one no longer counts: what is dated so would never be in effect.",
        bad=TREES
        + "\npermit support_reads {\n"
        + WHOLE_RULE
        + "    from  2026-05-01\n    until 2026-04-01\n}\n",
        good=TREES
        + "\npermit support_reads {\n"
        + WHOLE_RULE
        + "    from  2026-04-01\n    until 2027-04-01\n}\n",
    ),
)
