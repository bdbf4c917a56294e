"""Which question a proxied request asks."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from consentry.envoy.v3 import external_auth_pb2 as wire
from consentry.server.decode import decode_request, parse_check
from consentry.server.ext_authz.asked import AskedRequest, ClaimsPlace, read_asked
from consentry.server.ext_authz.mapping import MappedQuestion, RouteMapping, Unmapped
from consentry.server.ext_authz.paths import PathTemplate, split_path
from consentry.server.ext_authz.questions import encode_question
from consentry.server.ext_authz.routes import MappingError, RouteTexts

PARTS = {
    "action": ("read",),
    "data": ("customer.email",),
    "principal": ("{claim.sub}",),
    "purpose": ("{extension.purpose}", "{header.x-purpose}", "support"),
    "subject": ("{path.customer}",),
}


def route(**changes: Any) -> RouteTexts:
    texts: dict[str, Any] = {"name": "email", "path": "/customers/{customer}/email", "parts": PARTS}
    return RouteTexts(**(texts | changes))


def asked(**changes: Any) -> AskedRequest:
    told: dict[str, Any] = {
        "method": "GET",
        "path": "/customers/c-7/email",
        "claims": {"sub": "mia"},
    }
    return AskedRequest(**(told | changes))


def question(texts: RouteTexts, request: AskedRequest) -> MappedQuestion:
    found = RouteMapping([texts]).find(request)
    assert isinstance(found, MappedQuestion), found
    return found


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", ()),
        ("/?q=//..", ()),
        ("/a/b?x=%2F..;", ("a", "b")),
        ("/a/", ("a", "")),
        ("/Zo%C3%AB", ("Zoë",)),
        ("/a%20b/c:d@e", ("a b", "c:d@e")),
        ("/.../..a", ("...", "..a")),
    ],
)
def test_a_path_with_one_reading_is_decoded_once(path: str, segments: tuple[str, ...]) -> None:
    assert split_path(path) == segments


@pytest.mark.parametrize(
    "path",
    [
        "", "*", "a/b", "http://host/a", "//a", "/a//b", "/a//", "/.", "/..", "/a/../b", "/a/./b",
        "/%2e%2e/a", "/a/.%2E", "/a%2Fb", "/a%2fb", "/a\\b", "/a;v=1", "/a%3Bv", "/a%25b",
        "/a%252Fb", "/a%00", "/a%0Ab", "/a\x00", "/a b", "/a#b", "/a%23b", "/a%zz", "/a%2",
        "/%ff", "/a%5Cb", "/%C0%AF", "/é", "/a%3Fb", "/a|b", "/a^b", '/a"b', "/" + "a" * 9_000,
    ],
)  # fmt: skip
def test_a_path_with_two_readings_has_none(path: str) -> None:
    assert split_path(path) is None


def test_templates_match_whole_segments_and_case() -> None:
    template = PathTemplate.parse("/a/{id}/**")

    assert template.match(("a", "7", "x", "y")) == {"id": "7"}
    assert template.match(("a", "7")) is None, "a rest is not nothing"
    assert template.match(("A", "7", "x")) is None
    assert template.match(("a", "", "x")) is None
    assert PathTemplate.parse("/").match(()) == {}
    assert PathTemplate.parse("/a/").match(("a", "")) == {}
    assert PathTemplate.parse("/a").match(("a", "")) is None


@pytest.mark.parametrize(
    "text", ["a", "/a//b", "/{a}/{a}", "/x{a}", "/a/**/b", "/a/../b", "/a%2Fb", "/{A}", "/a**"]
)
def test_a_template_that_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|is no path|twice"):
        PathTemplate.parse(text)


def test_the_first_text_of_which_all_is_there_is_taken() -> None:
    texts = route()

    assert question(texts, asked()).purpose == "support"
    assert question(texts, asked(headers={"x-purpose": "billing"})).purpose == "billing"
    both = asked(headers={"x-purpose": "billing"}, extensions={"purpose": "care"})
    assert question(texts, both).purpose == "care"
    assert question(texts, asked(headers={"x-purpose": ""})).purpose == "support"


def test_what_is_missing_is_left_for_the_policies_to_deny_or_refused() -> None:
    no_subject = route(path="/email", parts=PARTS | {"subject": ("{header.x-customer}",)})

    assert question(no_subject, asked(path="/email")).data_subject_id == ""
    found = RouteMapping([route()]).find(asked(claims={}))
    assert found == Unmapped("request_incomplete", "email", "principal")


def test_a_request_that_fits_no_route_asks_nothing() -> None:
    mapping = RouteMapping(
        [route(methods=("GET", "HEAD")), route(name="other", path="/x/{customer}")]
    )

    assert mapping.find(asked(method="POST")) == Unmapped("request_unmapped")
    assert mapping.find(asked(path="/other")) == Unmapped("request_unmapped")
    assert mapping.find(asked(path="//customers/c-7/email")) == Unmapped("path_ambiguous")


def test_the_proxys_route_may_name_ours_and_then_no_other_is_tried() -> None:
    named = route(name="named", path=None, parts=PARTS | {"subject": ("{claim.sub}",)})
    mapping = RouteMapping([route(), named])

    found = mapping.find(asked(extensions={"consentry-route": "named"}))
    assert isinstance(found, MappedQuestion)
    assert (found.route, found.data_subject_id) == ("named", "mia")
    unknown = asked(extensions={"consentry-route": "gone"})
    assert mapping.find(unknown) == Unmapped("request_unmapped")
    elsewhere = asked(path="/x", extensions={"consentry-route": "email"})
    assert mapping.find(elsewhere) == Unmapped("request_unmapped")
    ambiguous = asked(path="/a/../b", extensions={"consentry-route": "named"})
    assert mapping.find(ambiguous) == Unmapped("path_ambiguous")


def test_lists_come_from_claims_or_from_commas() -> None:
    texts = route(parts=PARTS | {"roles": ("{claim.roles}",), "data": ("a.b, c ,",)})

    assert question(texts, asked()).roles == ()
    found = question(texts, asked(claims={"sub": "mia", "roles": ("x", "y")}))
    assert (found.roles, found.data) == (("x", "y"), ("a.b", "c"))
    assert question(texts, asked(claims={"sub": "m", "roles": "x,y"})).roles == ("x", "y")


def test_a_list_or_a_flag_names_nobody() -> None:
    for claim in (("mia", "ben"), True):
        found = RouteMapping([route()]).find(asked(claims={"sub": claim}))
        assert found == Unmapped("request_incomplete", "email", "principal")


def test_a_browsers_signal_counts_whatever_the_route_says() -> None:
    texts = route(attributes={"signal.gpc": ("{header.x-gpc}",)})

    for value in ("1", "0, 1", " 1 "):
        found = question(texts, asked(headers={"sec-gpc": value, "x-gpc": "no"}))
        assert found.attributes["signal", "gpc"] is True
    for value in ("0", "true", "", "11"):
        found = question(texts, asked(headers={"sec-gpc": value}))
        assert ("signal", "gpc") not in found.attributes


def test_everything_wrong_with_a_mapping_is_told_at_once() -> None:
    wrong = RouteTexts(
        name="bad",
        path="/a//b",
        methods=("get",),
        principal_type="robot",
        parts={"action": ("{query.a}",), "colour": ("x",), "data": ("a b",), "subject": ("{x",)},
        attributes={"ticket": ("x",), "context.Bad": ("{header.X-A}",)},
    )

    with pytest.raises(MappingError) as told:
        RouteMapping([wrong, route(), route()])

    text = str(told.value)
    for word in (
        "bad: path", "methods", "principal_type", "action refers to {query.a}", "colour",
        "data is not a name", "principal must be given", "subject has a brace",
        "attributes.ticket", "attributes.context.Bad", "email: two routes have this name",
    ):  # fmt: skip
        assert word in text


def test_a_variable_that_the_path_lacks_is_told() -> None:
    with pytest.raises(MappingError, match=r"\{path\.order\}"):
        RouteMapping([route(parts=PARTS | {"resource": ("{path.order}",)})])


def test_a_question_is_one_that_the_decision_point_reads() -> None:
    texts = route(
        partial=True,
        parts=PARTS
        | {
            "roles": ("support",),
            "channel": ("email",),
            "recipient": ("courier",),
            "recipient_country": ("DE",),
            "resource": ("r-{path.customer}",),
        },
        attributes={
            "context.ticket": ("{header.x-ticket}",),
            "context.depth": ("{claim.depth}",),
            "subject.staff": ("{claim.staff}",),
            "principal.teams": ("{claim.teams}",),
        },
    )
    claims = {"sub": "mia", "depth": 3, "staff": False, "teams": ("a", "b")}
    found = question(texts, asked(claims=claims, headers={"x-ticket": "SR-1", "sec-gpc": "1"}))
    raw = encode_question(found)
    request = decode_request(parse_check(raw)[0])

    assert raw == encode_question(found)
    assert (request.principal.id, request.principal.roles) == ("mia", {"support"})
    assert request.context == {"depth": 3, "ticket": "SR-1"}
    assert request.principal.attributes == {"teams": ("a", "b")}
    assert request.data_subject is not None
    assert request.data_subject.attributes == {"staff": False}
    assert request.signals == {"gpc": True}
    assert request.resource.id == "r-c-7"
    assert request.recipient is not None
    assert (request.recipient.id, request.recipient.country) == ("courier", "DE")
    assert request.partial


def test_headers_come_in_either_form() -> None:
    message = wire.CheckRequest()
    http = message.attributes.request.http
    for key, value in (("X-A", b"1"), ("x-a", b"2"), ("x-b", b"\xff")):
        http.header_map.headers.add(key=key, raw_value=value)

    assert read_asked(message, ClaimsPlace()).headers == {"x-a": "1,2", "x-b": "\ufffd"}


def test_claims_that_cannot_be_told_apart_say_nothing() -> None:
    message = wire.CheckRequest()
    claims = Struct()
    claims.update(
        {
            "a.b": "one", "a": {"b": "two", "c": 7, "d": 1.5, "e": [1, 2], "f": ["x"]},
            "n": None, "huge": 1e300,
        }
    )  # fmt: skip
    place = ClaimsPlace(filter="jwt", key="k")
    message.attributes.metadata_context.filter_metadata["jwt"].fields["k"].struct_value.CopyFrom(
        claims
    )

    assert read_asked(message, place).claims == {"a.c": 7, "a.f": ("x",)}
    assert read_asked(message, ClaimsPlace()).claims == {}
