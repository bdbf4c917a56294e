"""Diagnostic codes about conditions."""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.code_info import CodeInfo

CODES: Final[tuple[CodeInfo, ...]] = ()
