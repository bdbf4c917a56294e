"""Codes of promises and of tables in policy tests (C42x, W82x)."""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.code_info import CodeInfo
from consentry.diagnostics.code_samples import ATTRIBUTE, SET

_TABLE: Final = (
    ATTRIBUTE
    + SET
    + """
forbid abroad { when has subject.country and subject.country != "DE" }

test who_reads {
    at     2026-05-01
    check  role "support" may read customer.email for service
    cases  subject.country {
        given "DE" expect permit
        given "US" expect deny abroad
    }
}
"""
)

CODES: Final[tuple[CodeInfo, ...]] = (
    CodeInfo(
        code="C420",
        title="unknown column",
        explanation="A column of `cases` is a declared or built-in fact by its path, or one of "
        "`action`, `data`, `purpose`, `channel` and `now`.",
        bad=_TABLE.replace("cases  subject.country", "cases  subject.contry"),
        good=_TABLE,
    ),
    CodeInfo(
        code="C421",
        title="row that does not fit its columns",
        explanation="Each row of `cases` has one value for each column, in their order.",
        bad=_TABLE.replace('given "US" expect', 'given "US", "CH" expect'),
        good=_TABLE,
    ),
    CodeInfo(
        code="C422",
        title="cell of the wrong kind",
        explanation="Under `action`, `data`, `purpose` and `channel` stands a name without quotes, "
        "under `now` a date or a time. `absent` leaves a fact or the channel out, and nothing "
        "that every question needs.",
        bad=_TABLE.replace("cases  subject.country", "cases  purpose"),
        good=_TABLE,
    ),
    CodeInfo(
        code="W820",
        title="permit that contradicts a promise",
        explanation="All that the permit allows is promised never to happen. Either nothing comes "
        "of it, or it breaks the promise. `consentry prove` tells which.",
        bad=SET + '\nnever read "Nobody reads along" { may read }\n',
        good=SET + '\nnever sold "Nothing is sold" { may sell }\n',
    ),
    CodeInfo(
        code="W821",
        title="promise that another one holds",
        explanation="A wider promise says all that this one says, so that a reader looks for a "
        "difference that is not there.",
        bad=SET + "\nnever sold { may sell }\n\nnever sold_for_service { may sell for service }\n",
        good=SET + "\nnever sold { may sell }\n",
    ),
)
