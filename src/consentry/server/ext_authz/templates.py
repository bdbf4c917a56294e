"""Texts with references to parts of a request: `{path.customer}`, `{header.x-ticket}`.

| reference          | stands for                                                     | word of  |
| ------------------ | -------------------------------------------------------------- | -------- |
| `{path.NAME}`      | a variable of the route's path                                 | caller   |
| `{header.NAME}`    | a header, which a caller may send unless the proxy sets it     | caller   |
| `{extension.NAME}` | an entry of the route's `context_extensions`                   | operator |
| `{claim.NAME}`     | a claim of a verified token, dotted where it stands in another | issuer   |
| `{peer}`           | the name in the caller's verified certificate                  | issuer   |
| `{method}`         | the request's method                                           | caller   |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from consentry.server.ext_authz.asked import AskedRequest, Claim

_NAMED: Final = ("path", "header", "extension", "claim")
_BARE: Final = ("peer", "method")
_REFERENCE: Final = re.compile(r"\{([^{}]*)\}")
_HEADER: Final = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference: the source, and the name in it (empty where it needs none)."""

    source: str
    name: str = ""

    def find(self, asked: AskedRequest, variables: Mapping[str, str]) -> Claim | None:
        """What it stands for in a request; None where that does not have it, or has it empty."""
        match self.source:
            case "path":
                return variables.get(self.name) or None
            case "header":
                return asked.headers.get(self.name) or None
            case "extension":
                return asked.extensions.get(self.name) or None
            case "claim":
                claim = asked.claims.get(self.name)
                return None if claim in ("", ()) else claim
            case "peer":
                return asked.peer or None
            case _:
                return asked.method or None


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts and references, in order."""

    parts: tuple[str | Reference, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """The template that `text` writes.

        Raises:
            ValueError: it is empty, or refers to what does not exist; the text says why.
        """
        parts: list[str | Reference] = []
        end = 0
        for found in _REFERENCE.finditer(text):
            if found.start() > end:
                parts.append(_literal(text[end : found.start()]))
            parts.append(_reference(found.group(1)))
            end = found.end()
        if end < len(text) or not parts:
            parts.append(_literal(text[end:]))
        return cls(tuple(parts))

    @property
    def references(self) -> tuple[Reference, ...]:
        """Those in it."""
        return tuple(part for part in self.parts if isinstance(part, Reference))

    def fill(self, asked: AskedRequest, variables: Mapping[str, str]) -> Claim | None:
        """The text for a request; None where a reference finds nothing.

        A template that is one reference keeps the type of a claim.
        """
        if len(self.parts) == 1:
            part = self.parts[0]
            return part if isinstance(part, str) else part.find(asked, variables)
        texts = []
        for part in self.parts:
            found = part if isinstance(part, str) else part.find(asked, variables)
            if found is None or isinstance(found, bool | tuple):
                return None
            texts.append(str(found))
        return "".join(texts)


def _literal(text: str) -> str:
    if "{" in text or "}" in text:
        raise ValueError("has a brace without its other half")
    if not text:
        raise ValueError("is empty")
    return text


def _reference(text: str) -> Reference:
    source, dot, name = text.partition(".")
    if source in _BARE and not dot:
        return Reference(source)
    if source not in _NAMED or not name:
        raise ValueError(f"refers to {{{text}}}: known are {{path.NAME}}, {{header.NAME}},"
                         " {extension.NAME}, {claim.NAME}, {peer} and {method}")  # fmt: skip
    if source == "header" and not _HEADER.fullmatch(name):
        raise ValueError(f"refers to {{{text}}}: names of headers are in lower case, as a-b")
    return Reference(source, name)
