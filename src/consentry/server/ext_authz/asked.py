"""What Envoy tells of a request, as far as a mapping may use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from google.protobuf.struct_pb2 import Struct, Value

from consentry.envoy.v3 import external_auth_pb2 as wire

Claim: TypeAlias = "str | bool | int | tuple[str, ...]"
JWT_FILTER: Final = "envoy.filters.http.jwt_authn"
JWT_KEY: Final = "claims"
_EXACT: Final = 2.0**53


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRequest:
    """One request as the proxy saw it. Names of headers are in lower case; `claims` are those of a
    token that the proxy has verified, by their dotted path; `peer` is the caller's certificate's
    name, verified too.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsPlace:
    """Where in the dynamic metadata the claims stand: the filter, and the key it writes to."""

    filter: str = JWT_FILTER
    key: str = JWT_KEY


def read_asked(message: wire.CheckRequest, place: ClaimsPlace) -> AskedRequest:
    """The request that `message` tells of."""
    attributes = message.attributes
    http = attributes.request.http
    return AskedRequest(
        method=http.method,
        path=http.path,
        headers=_headers(http),
        extensions=dict(attributes.context_extensions),
        claims=_claims(attributes.metadata_context, place),
        peer=attributes.source.principal,
    )


def _headers(http: wire.AttributeContext.HttpRequest) -> dict[str, str]:
    # Envoy sends one or the other; several of one name are joined by commas, as in the first.
    found = {name.lower(): value for name, value in http.headers.items()}
    for header in http.header_map.headers:
        name = header.key.lower()
        value = header.value or header.raw_value.decode("utf-8", "replace")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _claims(metadata: wire.Metadata, place: ClaimsPlace) -> Mapping[str, Claim]:
    if place.filter not in metadata.filter_metadata:
        return {}
    fields = metadata.filter_metadata[place.filter].fields
    if place.key not in fields or not fields[place.key].HasField("struct_value"):
        return {}
    found: dict[str, Claim | None] = {}
    _flatten(fields[place.key].struct_value, "", found)
    return {path: claim for path, claim in found.items() if claim is not None}


def _flatten(struct: Struct, prefix: str, found: dict[str, Claim | None]) -> None:
    for name, value in struct.fields.items():
        path = f"{prefix}{name}"
        if value.HasField("struct_value"):
            _flatten(value.struct_value, f"{path}.", found)
        else:
            # A name that holds a dot may clash with one inside another: then neither is known.
            found[path] = None if path in found else _claim(value)


def _claim(value: Value) -> Claim | None:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            # A number that is not whole, or beyond what its form holds exactly, says nothing.
            return int(number) if number.is_integer() and abs(number) <= _EXACT else None
        case "list_value":
            values = value.list_value.values
            texts = tuple(v.string_value for v in values if v.HasField("string_value"))
            return texts if len(texts) == len(values) else None
        case _:
            return None
