"""Cases of a mapping: a request as a proxy would tell of it, and the question it must ask.

They go through the reading of the door itself, from the message on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consentry.envoy.v3 import external_auth_pb2 as wire
from consentry.model.program import Program
from consentry.server.ext_authz.asked import ClaimsPlace, read_asked
from consentry.server.ext_authz.mapping import MappedQuestion, RouteMapping, Unmapped

REFUSED: Final = "refused"
_FIELDS: Final = {
    "route": "route", "action": "action", "data": "data", "purpose": "purpose",
    "subject": "data_subject_id", "principal": "principal_id", "principal_type": "principal_type",
    "roles": "roles", "channel": "channel", "recipient": "recipient_id",
    "recipient_roles": "recipient_roles", "recipient_country": "recipient_country",
    "resource": "resource_id", "partial": "partial",
}  # fmt: skip


class CasesError(Exception):
    """The file does not hold cases."""


class MappingCase(BaseModel):
    """One request, and what of the question is expected; what is not named may be anything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    path: str
    method: str = "GET"
    headers: dict[str, str] = {}
    extensions: dict[str, str] = {}
    claims: dict[str, Any] = {}
    peer: str = ""
    expect: dict[str, str | int | bool | list[str]] = Field(min_length=1)


class _Cases(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    case: tuple[MappingCase, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What became of a case: the question's route (empty where refused), and what differs."""

    case: MappingCase
    route: str
    problems: tuple[str, ...]


def read_cases(path: Path) -> tuple[MappingCase, ...]:
    """The cases of a TOML file.

    Raises:
        CasesError: it cannot be read, or holds something else.
    """
    try:
        return _Cases.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).case
    except OSError as problem:
        raise CasesError(f"{path}: {(problem.strerror or 'unknown error').lower()}") from problem
    except ValidationError as problem:
        first = problem.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise CasesError(f"{path}: {place}: {first['msg']}") from problem
    except ValueError as problem:
        raise CasesError(f"{path}: {problem}") from problem


def run_cases(
    cases: Sequence[MappingCase],
    mapping: RouteMapping,
    place: ClaimsPlace,
    program: Program | None = None,
) -> list[CaseOutcome]:
    """The outcome of each; with a `program`, its names must be those of the policies."""
    outcomes = []
    for case in cases:
        found = mapping.find(read_asked(_message(case, place), place))
        problems = _compare(case.expect, found)
        if program is not None and isinstance(found, MappedQuestion):
            problems += _unknown_names(found, program)
        route = found.route if isinstance(found, MappedQuestion) else ""
        outcomes.append(CaseOutcome(case, route, tuple(problems)))
    return outcomes


def _message(case: MappingCase, place: ClaimsPlace) -> wire.CheckRequest:
    message = wire.CheckRequest()
    attributes = message.attributes
    attributes.source.principal = case.peer
    attributes.request.http.method = case.method
    attributes.request.http.path = case.path
    attributes.request.http.headers.update(case.headers)
    attributes.context_extensions.update(case.extensions)
    if case.claims:
        attributes.metadata_context.filter_metadata[place.filter].update({place.key: case.claims})
    return message


def _compare(
    expected: Mapping[str, str | int | bool | list[str]], found: MappedQuestion | Unmapped
) -> list[str]:
    if isinstance(found, Unmapped):
        where = f" (route {found.route}: no {found.part})" if found.part else ""
        if expected == {REFUSED: found.reason}:
            return []
        return [f"refused: {found.reason}{where}"]
    problems = []
    for name, value in expected.items():
        given: object = "no"
        if name == REFUSED:
            pass
        elif name in _FIELDS:
            given = getattr(found, _FIELDS[name])
        elif "." in name:
            owner, _, attribute = name.partition(".")
            given = found.attributes.get((owner, attribute))
        else:
            problems.append(f"{name}: is no part of a question")
            continue
        wanted = tuple(value) if isinstance(value, list) else value
        if isinstance(given, tuple) and isinstance(wanted, str):
            wanted = (wanted,)
        if given != wanted:
            problems.append(f"{name}: expected {_shown(wanted)}, is {_shown(given)}")
    return problems


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "nothing"
    return "nothing" if value in ("", None) else str(value)


def _unknown_names(question: MappedQuestion, program: Program) -> list[str]:
    asked = (
        ("action", (question.action,), program.actions),
        ("data", question.data, program.data_names),
        ("purpose", (question.purpose,), program.purpose_names),
        ("channel", (question.channel,), program.channels),
    )
    return [
        f"{part}: the policies have no {name}"
        for part, names, known in asked
        for name in names
        if name and name not in known
    ]
