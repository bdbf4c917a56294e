"""Codes about names and declarations (R2xx), purposes and consent as declared (C40x), warnings."""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.code_info import CodeInfo
from consentry.diagnostics.code_samples import ABROAD, ATTRIBUTE, PERMIT, SET, TREES
from consentry.diagnostics.codes_shape import CODES as SHAPE
from consentry.diagnostics.codes_warnings import CODES as WARNINGS

_UNKNOWN: Final[tuple[CodeInfo, ...]] = (
    CodeInfo(
        code="R201",
        title="unknown pack",
        explanation="`use` names a law pack or vocabulary that is not shipped with this program. "
        "Names that the pack would have declared are not reported until it is found.",
        bad="use strikt\n\n" + SET,
        good="use strict\n\n" + SET,
    ),
    CodeInfo(
        code="R202",
        title="pack at another version",
        explanation="`use` pins a pack to a version, and the pack at hand has another one. "
        "Read what changed in the pack before you move the pin.",
        bad='use strict "0.9"\n\n' + SET,
        good='use strict "1"\n\n' + SET,
    ),
    CodeInfo(
        code="R203",
        title="unknown purpose",
        explanation="A rule, a test or `reuses` names a purpose that no file declares. A purpose "
        "is named by its whole path, such as `marketing.email`; a standard use or a tag will do "
        "too.",
        bad=TREES + PERMIT.replace("for  service", "for  servise"),
        good=SET,
    ),
    CodeInfo(
        code="R204",
        title="unknown data",
        explanation="A rule or a test names data that no file declares. Data is named by its "
        "whole path, such as `customer.email`; a standard category, a tag or a set will do too.",
        bad=TREES + PERMIT.replace("customer.email", "customer.emial"),
        good=SET,
    ),
    CodeInfo(
        code="R205",
        title="unknown action",
        explanation="`may` names an action that is not in the vocabulary. The pack `core` declares "
        "the usual ones; `action` declares your own.",
        bad=TREES + PERMIT.replace("may  read", "may  reed"),
        good=SET,
    ),
    CodeInfo(
        code="R206",
        title="unknown channel",
        explanation="`via` names a channel that is not in the vocabulary. The pack `core` declares "
        "the usual ones; `channel` declares your own.",
        bad=SET.replace("read\n", "contact\n    via  e_mail\n"),
        good=SET.replace("read\n", "contact\n    via  email\n"),
    ),
    CodeInfo(
        code="R207",
        title="unknown tag",
        explanation="`is` names a tag that neither a pack nor your files declare. `tag` declares "
        "one, with a sentence that says what it means.",
        bad=SET.replace("purpose service", "purpose service is profilling"),
        good=SET.replace("purpose service", "purpose service is profiling"),
    ),
    CodeInfo(
        code="R208",
        title="unknown reason",
        explanation="A rule's `as`, an `on` or an expected answer names a reason that is not "
        "declared. The pack `core` declares the usual ones; `reason` declares your own.",
        bad=SET + "\nforbid no_sale as prohibited_by_polcy { may sell }\n",
        good=SET + "\nforbid no_sale as prohibited_by_policy { may sell }\n",
    ),
    CodeInfo(
        code="R209",
        title="unknown kind of party",
        explanation="`who` takes `service`, `person`, `agent`, `job`, `role`, `controller` or "
        "`anyone`. `to` takes these, and `recipient` and `country`.",
        bad=TREES + PERMIT.replace('role "support"', 'rolle "support"'),
        good=SET,
    ),
    CodeInfo(
        code="R210",
        title="unknown owner of attributes",
        explanation="Attributes belong to `principal`, `subject`, `controller`, `recipient`, "
        "`resource`, `context` or `signal`. `subject` is the person whose data it is.",
        bad=ATTRIBUTE.replace("subject", "customer") + SET + ABROAD,
        good=ATTRIBUTE + SET + ABROAD,
    ),
    CodeInfo(
        code="R211",
        title="unknown type",
        explanation="The types are `text`, `number`, `flag`, `date`, `time`, `duration`, `ip`, and "
        "`list of` one of them; a list may also be one of purposes.",
        bad=ATTRIBUTE.replace("text", "string") + SET + ABROAD,
        good=ATTRIBUTE + SET + ABROAD,
    ),
    CodeInfo(
        code="R212",
        title="unknown mask",
        explanation="A mask is one of `redact`, `last N`, `first N`, `initials`, `hash`, `year`, "
        "`round N` and `null`.",
        bad=SET + "\nmask hidden {\n    data customer.email\n    as   redakt\n}\n",
        good=SET + "\nmask hidden {\n    data customer.email\n    as   redact\n}\n",
    ),
    CodeInfo(
        code="R213",
        title="unknown quality of consent",
        explanation="In a test, `is` says how a consent was given: `explicit`, `informed` and "
        "other tags that are declared with `is quality`, or `unproven`.",
        bad=SET
        + """
test a_consent {
    given gave service is explicitt on 2026-01-01
    at    2026-02-01T00:00:00Z
    check role "support" may read customer.email for service
    expect permit
}
""",
        good=SET
        + """
test a_consent {
    given gave service is explicit on 2026-01-01
    at    2026-02-01T00:00:00Z
    check role "support" may read customer.email for service
    expect permit
}
""",
    ),
    CodeInfo(
        code="R214",
        title="unknown standard key",
        explanation="`as` maps your own name to the standard vocabulary, so that law packs can "
        "speak of it. It names a key that a loaded pack declares, by its whole path.",
        bad=SET.replace("{ email }", "{ email as user.contact.mail }"),
        good=SET.replace("{ email }", "{ email as user.contact.email }"),
    ),
    CodeInfo(
        code="R216",
        title="unknown regime",
        explanation="`under` names a regime that no used pack and no file declares.",
        bad=SET.replace("basis contract", "basis contract under strikt"),
        good=SET.replace("basis contract", "basis contract under strict"),
    ),
    CodeInfo(
        code="R217",
        title="unknown part of a mission",
        explanation="A mission has `controller`, `contact` and `page`.",
        bad='mission "We keep what we need." { homepage "https://acme.example" }\n\n' + SET,
        good='mission "We keep what we need." { page "https://acme.example" }\n\n' + SET,
    ),
    CodeInfo(
        code="R218",
        title="unknown event in a test",
        explanation="`given` takes facts or one of the things a person can do: `gave`, `refused`, "
        "`withdrew`, `asked`, `objected`, `opted_out`, and so on.",
        bad=SET
        + """
test a_consent {
    given granted service on 2026-01-01
    at    2026-02-01T00:00:00Z
    check role "support" may read customer.email for service
    expect permit
}
""",
        good=SET
        + """
test a_consent {
    given gave service on 2026-01-01
    at    2026-02-01T00:00:00Z
    check role "support" may read customer.email for service
    expect permit
}
""",
    ),
    CodeInfo(
        code="R219",
        title="unknown forbid in `lifts`",
        explanation="An exception lifts one `forbid` of the house, by its name.",
        bad=SET
        + """
forbid no_export { may export }

exception court_order {
    lifts no_exports
    owner "Legal"
    cite  "Order 7/2026"
    until 2026-12-31
}
""",
        good=SET
        + """
forbid no_export { may export }

exception court_order {
    lifts no_export
    owner "Legal"
    cite  "Order 7/2026"
    until 2026-12-31
}
""",
    ),
    CodeInfo(
        code="R220",
        title="unknown attribute in a test",
        explanation="A test gives a fact that no `attributes` block declares.",
        bad=SET
        + """
test from_berlin {
    given subject { country = "DE" }
    at    2026-02-01T00:00:00Z
    check role "support" may read customer.email for service
    expect permit
}
""",
        good=ATTRIBUTE
        + SET
        + ABROAD
        + """
test from_berlin {
    given subject { country = "DE" }
    at    2026-02-01T00:00:00Z
    check role "support" may read customer.email for service
    expect permit
}
""",
    ),
    CodeInfo(
        code="R221",
        title="unknown name",
        explanation="A name stands where a name of data, a purpose or the vocabulary is expected, "
        "and nothing of this name is declared.",
        bad="set private = [customer.emial]\n\n"
        + TREES
        + PERMIT.replace("customer.email", "private"),
        good="set private = [customer.email]\n\n"
        + TREES
        + PERMIT.replace("customer.email", "private"),
    ),
    CodeInfo(
        code="R222",
        title="set that does not fit",
        explanation="A clause names a set whose items are something else: `data` needs names of "
        "data, `for` needs purposes, `may` actions and `via` channels.",
        bad='set private = ["customer.email"]\n\n'
        + TREES
        + PERMIT.replace("customer.email", "private"),
        good="set private = [customer.email]\n\n"
        + TREES
        + PERMIT.replace("customer.email", "private"),
    ),
    CodeInfo(
        code="R223",
        title="unknown obligation in a test",
        explanation="A test expects an obligation that no `oblige` gives.",
        bad=SET
        + """
test no_duty {
    at    2026-02-01T00:00:00Z
    check role "support" may read customer.email for service
    expect permit with log_access
}
""",
        good=SET
        + """
oblige log_access "Write down who looked" { may read }

test duty {
    at    2026-02-01T00:00:00Z
    check role "support" may read customer.email for service
    expect permit with log_access
}
""",
    ),
    CodeInfo(
        code="C401",
        title="unknown basis",
        explanation="A purpose or a rule names a lawful basis that no loaded regime knows. The "
        "bases of a regime are those that its permits name.",
        bad=SET.replace("basis contract", "basis contrakt"),
        good=SET,
    ),
)

CODES: Final[tuple[CodeInfo, ...]] = (*_UNKNOWN, *SHAPE, *WARNINGS)
