"""What a search may find: closed sets of the policies, never people.

- resources: nodes of the data tree
- actions: those of the policies
- subjects: principals that a rule names

Each candidate is asked about as any question is, so that whatever is found is permitted when asked.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from consentry.model.program import Program
from consentry.server.authzen.entities import DATA_TYPE, Asked, EntityError, Searched
from consentry.server.json_body import JsonObject
from consentry.server.page_tokens import PageTokens
from consentry.v1 import authorization_pb2 as wire

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Page:
    """Where a search goes on, and how many results it may give."""

    start: int
    limit: int


class SearchKind:
    """One of the three searches."""

    def __init__(self, name: str, searched: Searched) -> None:
        self.name: Final = name
        self.searched: Final = searched

    def candidates(self, program: Program, asked: Asked) -> tuple[str, ...]:
        """Names that may be found, in order."""
        if self.searched.is_resource:
            return tuple(sorted(program.data_names))
        if self.searched.is_action:
            return tuple(sorted(program.actions))
        kind = asked.question.principal.type
        rules = (rule for rule in program.rules if rule.who is not None)
        parties = (party for rule in rules for party in rule.who or ())
        return tuple(sorted({party.name for party in parties if party.kind == kind and party.name}))

    def question(self, asked: Asked, candidate: str) -> wire.CheckRequest:
        """The question whether this one is permitted."""
        message = wire.CheckRequest()
        message.CopyFrom(asked.question)
        if self.searched.is_resource:
            message.data.append(candidate)
        elif self.searched.is_action:
            message.action = candidate
        else:
            message.principal.id = candidate
        return message

    def result(self, asked: Asked, candidate: str) -> dict[str, Any]:
        """A result as JSON."""
        if self.searched.is_resource:
            return {"type": DATA_TYPE, "id": candidate}
        if self.searched.is_action:
            return {"name": candidate}
        return {"type": asked.question.principal.type, "id": candidate}


SUBJECTS: Final = SearchKind("subject", Searched(is_subject=True))
RESOURCES: Final = SearchKind("resource", Searched(is_resource=True))
ACTIONS: Final = SearchKind("action", Searched(is_action=True))
KINDS: Final = (SUBJECTS, RESOURCES, ACTIONS)


class Pages:
    """Reads and writes tokens of searches. A token goes on with the search it was given for, under
    the same policies, and with no other.
    """

    def __init__(self) -> None:
        self._tokens: Final = PageTokens()

    def read(self, request: JsonObject, scope: str) -> Page:
        """The page that a request asks for.

        Raises:
            EntityError: it asks for none that there is.
        """
        page = request.get("page")
        if page is None:
            return Page(0, DEFAULT_LIMIT)
        if not isinstance(page, dict):
            raise EntityError("page: must be an object")
        limit = page.get("limit", DEFAULT_LIMIT)
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise EntityError("page.limit: must be a whole number, not below 0")
        token = page.get("token", "")
        if not isinstance(token, str):
            raise EntityError("page.token: must be a text")
        if not token:
            return Page(0, _bounded(limit))
        start = self._tokens.find_position(scope, token)
        if start is None:
            raise EntityError("page.token: is not one that was given for this search")
        return Page(start, _bounded(limit))

    def write(self, scope: str, start: int) -> str:
        """The token of the page that begins at `start`."""
        return self._tokens.make(scope, start)


def scope_of(kind: SearchKind, request: JsonObject, digest: str, caller: str) -> str:
    """What a token is bound to: everything that the results depend on but the page."""
    rest = {name: value for name, value in request.items() if name != "page"}
    text = json.dumps([kind.name, rest, digest, caller], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _bounded(limit: int) -> int:
    # No results at all would never come to an end: 0 leaves the number to us.
    return min(limit, MAX_LIMIT) if limit else DEFAULT_LIMIT
