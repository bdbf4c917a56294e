"""Routes of a mapping: as an operator writes them, and compiled, with everything that is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from consentry.model.vocabulary import PRINCIPAL_KINDS
from consentry.server.ext_authz.paths import PathTemplate
from consentry.server.ext_authz.templates import Template
from consentry.server.text_checks import find_name_fault, is_attribute_name

NEEDED: Final = ("action", "data", "principal")
"""Parts without which no question can be asked."""
SAID_TO_DENY: Final = ("purpose", "subject")
"""Parts whose absence the decision point answers with a denial of its own."""
OPTIONAL: Final = (
    "roles", "channel", "recipient", "recipient_roles", "recipient_country", "resource",
)  # fmt: skip
PARTS: Final = (*NEEDED, *SAID_TO_DENY, *OPTIONAL)
OWNERS: Final = ("principal", "subject", "recipient", "resource", "context", "signal")
_POLICY_NAMES: Final = ("action", "data", "purpose", "channel")
_METHOD: Final = re.compile("[A-Z]+", re.ASCII)

Alternatives: TypeAlias = "tuple[Template, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTexts:
    """One route as the operator wrote it.

    `parts` and `attributes` (by `owner.name`) hold texts to be tried in order: the first of which
    everything is there is taken. `path` None: only for requests that name this route.
    """

    name: str
    path: str | None = None
    methods: tuple[str, ...] = ()
    principal_type: str = "service"
    partial: bool = False
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class MappingError(ValueError):
    """The mapping is wrong; one sentence for each thing."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route, compiled."""

    name: str
    path: PathTemplate | None
    methods: frozenset[str]
    principal_type: str
    partial: bool
    parts: Mapping[str, Alternatives]
    attributes: Mapping[tuple[str, str], Alternatives]

    def match(self, method: str, segments: tuple[str, ...]) -> Mapping[str, str] | None:
        """The variables of the path; None where the request is for another route."""
        if self.methods and method not in self.methods:
            return None
        return {} if self.path is None else self.path.match(segments)


def compile_routes(routes: Sequence[RouteTexts]) -> tuple[Route, ...]:
    """The routes, in order.

    Raises:
        MappingError: with everything that is wrong.
    """
    problems: list[str] = []
    compiled = tuple(_RouteCompiler(route, problems).compile() for route in routes)
    names = [route.name for route in routes]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [f"{name}: two routes have this name" for name in twice]
    if problems:
        raise MappingError(problems)
    return compiled


class _RouteCompiler:
    """Compiles one route and notes what is wrong; used once."""

    def __init__(self, texts: RouteTexts, problems: list[str]) -> None:
        self._texts: Final = texts
        self._problems: Final = problems
        self._variables: frozenset[str] = frozenset()

    def compile(self) -> Route:
        texts = self._texts
        if not texts.name:
            self._note("name", "must be given")
        if texts.principal_type not in PRINCIPAL_KINDS:
            self._note("principal_type", f"is none of {', '.join(sorted(PRINCIPAL_KINDS))}")
        if not all(_METHOD.fullmatch(method) for method in texts.methods):
            self._note("methods", "are in capital letters")
        for name in NEEDED:
            if not texts.parts.get(name):
                self._note(name, "must be given")
        path = self._path()  # before the rest, which refers to its variables
        return Route(
            name=texts.name,
            path=path,
            methods=frozenset(texts.methods),
            principal_type=texts.principal_type,
            partial=texts.partial,
            parts={name: self._part(name, written) for name, written in texts.parts.items()},
            attributes=dict(
                [self._attribute(key, written) for key, written in texts.attributes.items()]
            ),
        )

    def _note(self, place: str, problem: object) -> None:
        self._problems.append(f"{self._texts.name or 'a route without a name'}: {place} {problem}")

    def _path(self) -> PathTemplate | None:
        if self._texts.path is None:
            return None
        try:
            path = PathTemplate.parse(self._texts.path)
        except ValueError as problem:
            self._note("path", problem)
            return None
        self._variables = frozenset(name for name in path.variables if name)
        return path

    def _part(self, name: str, written: tuple[str, ...]) -> Alternatives:
        if name not in PARTS:
            self._note(name, "is no part of a question")
        found = self._alternatives(name, written)
        if name in _POLICY_NAMES:
            literals = [t.parts[0] for t in found if not t.references]
            for literal in literals:
                names = str(literal).split(",") if name == "data" else [str(literal)]
                if any(find_name_fault(text) for each in names if (text := each.strip())):
                    self._note(name, "is not a name that policies can have")
        return found

    def _attribute(
        self, key: str, written: tuple[str, ...]
    ) -> tuple[tuple[str, str], Alternatives]:
        owner, _, name = key.partition(".")
        place = f"attributes.{key}"
        if owner not in OWNERS or not is_attribute_name(name):
            self._note(place, f"must be OWNER.name, OWNER one of {', '.join(OWNERS)}")
        return (owner, name), self._alternatives(place, written)

    def _alternatives(self, place: str, written: tuple[str, ...]) -> Alternatives:
        try:
            found = tuple(Template.parse(text) for text in written)
        except ValueError as problem:
            self._note(place, problem)
            return ()
        for reference in (r for template in found for r in template.references):
            if reference.source == "path" and reference.name not in self._variables:
                self._note(place, f"refers to {{path.{reference.name}}}, which no path here has")
        return found
