"""Files of rows over HTTP: what `consentry ledger import` reads, into a sidecar that runs.

POST /consent/v1/import?rows=tcf&check=true&skip_refused=true
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.routing import Route

from consentry.consent.signals.events import SignalMap
from consentry.server.callers import Right
from consentry.server.http_calls import HttpAnswer, HttpCall, HttpFault, HttpMethod
from consentry.server.recording.recorder import Recorder, tell_problem, tell_report
from consentry.server.recording.rows import RowsOf, maker_of, read_rows

IMPORT_PATH: Final = "/consent/v1/import"
_KNOWN: Final = frozenset({"rows", "check", "skip_refused"})
_FLAGS: Final = {"true": True, "false": False}


class ImportService:
    """One path, for callers with the right to write consent."""

    def __init__(self, recorder: Recorder, names: SignalMap, max_body_bytes: int) -> None:
        self._recorder: Final = recorder
        self._names: Final = names
        self._max_body_bytes: Final = max_body_bytes

    def methods(self) -> tuple[HttpMethod, ...]:
        """The import."""
        method = HttpMethod(
            path=IMPORT_PATH,
            name="consent_import",
            behaviour=self.import_rows,
            tell_fault=tell_problem,
            right=Right.WRITE_CONSENT,
            max_body_bytes=self._max_body_bytes,
            may_wait=True,
        )
        return (method,)

    def routes(self) -> tuple[Route, ...]:
        """None."""
        return ()

    def import_rows(self, call: HttpCall) -> HttpAnswer:
        """Records the rows of the body; comes back when they are durable."""
        query = call.query
        if not set(query) <= _KNOWN:
            raise HttpFault(HTTPStatus.BAD_REQUEST, "known are rows, check and skip_refused")
        try:
            kind = RowsOf(query.get("rows", RowsOf.EVENTS))
        except ValueError:
            raise HttpFault(
                HTTPStatus.BAD_REQUEST, f"rows: must be one of {', '.join(RowsOf)}"
            ) from None
        make = maker_of(kind, self._names)
        report = self._recorder.record(
            read_rows(call.body, call.headers.get("content-type", ""), make),
            call.caller.identity.purposes_of(Right.WRITE_CONSENT),
            only_looks=_flag(query, "check"),
            skips_refused=_flag(query, "skip_refused"),
        )
        return tell_report(report)


def _flag(query: Mapping[str, str], name: str) -> bool:
    found = _FLAGS.get(query.get(name, "false"))
    if found is None:
        raise HttpFault(HTTPStatus.BAD_REQUEST, f"{name}: must be true or false")
    return found
