"""The registry of diagnostic codes. A code is never used again for something else.

P1xx text and syntax, R2xx names, T3xx types, C4xx purpose and consent, F5xx files and loading,
W8xx warnings. Each stage keeps its codes in a file of its own; this one joins them.
"""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.code_info import CodeInfo
from consentry.diagnostics.codes_bundles import CODES as BUNDLES
from consentry.diagnostics.codes_conditions import CODES as CONDITIONS
from consentry.diagnostics.codes_files import CODES as FILES
from consentry.diagnostics.codes_names import CODES as NAMES
from consentry.diagnostics.codes_promises import CODES as PROMISES
from consentry.diagnostics.codes_syntax import CODES as SYNTAX

ALL_CODES: Final[tuple[CodeInfo, ...]] = (*SYNTAX, *NAMES, *CONDITIONS, *PROMISES, *FILES, *BUNDLES)
CODES: Final[dict[str, CodeInfo]] = {info.code: info for info in ALL_CODES}
