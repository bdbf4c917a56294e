"""GetStatement: the public statement, over gRPC."""

from __future__ import annotations

from typing import Final

from consentry.publish.publisher import Format
from consentry.publish.wording import OWN_LANGUAGE, languages
from consentry.server.calls import Call, RawBehaviour, typed
from consentry.server.explain_service import PastSets
from consentry.server.faults import Faults
from consentry.server.health import POLICY_SERVICE
from consentry.server.statements import Statements
from consentry.server.text_checks import UNKNOWN_VALUE
from consentry.v1 import policy_pb2 as wire

_FORMATS: Final = {
    wire.STATEMENT_FORMAT_UNSPECIFIED: Format.HTML,
    wire.STATEMENT_FORMAT_HTML: Format.HTML,
    wire.STATEMENT_FORMAT_MARKDOWN: Format.MARKDOWN,
    wire.STATEMENT_FORMAT_JSONLD: Format.JSONLD,
}


class StatementMethods:
    """Behaviours of the service; any thread may run them."""

    def __init__(self, statements: Statements, past: PastSets) -> None:
        self._statements: Final = statements
        self._past: Final = past

    def behaviours(self) -> dict[str, RawBehaviour]:
        """By full method name."""
        return {
            f"/{POLICY_SERVICE}/GetStatement": typed(wire.GetStatementRequest, self.get_statement)
        }

    def get_statement(
        self, request: wire.GetStatementRequest, _call: Call
    ) -> wire.GetStatementResponse:
        """The statement of the set that decides now.

        Raises:
            RequestError: the form or the language is none of ours.
            NotReadyError, UnknownPolicySetError: a set that is needed is not there.
        """
        faults = Faults()
        language = request.language or OWN_LANGUAGE
        if request.format not in _FORMATS:
            faults.add("format", UNKNOWN_VALUE)
        if language not in languages():
            faults.add("language", UNKNOWN_VALUE)
        faults.raise_if_any()
        since = request.since_digest
        served = self._statements.get(
            _FORMATS[request.format],
            language,
            previous=self._past.get(since).program if since else None,
        )
        return wire.GetStatementResponse(
            text=served.text,
            media_type=served.media_type,
            language=served.language,
            policy_digest=served.digest,
            untranslated=[f"{kind} {name}" for kind, name in served.missing],
            languages=languages(),
        )
