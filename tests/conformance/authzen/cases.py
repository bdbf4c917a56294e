"""Cases of the AuthZEN Authorization API 1.0, one claim each, by section of the specification.

Written from its text. The policies are those of the shop; `given` says which consent is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

BASE = "/access/v1/"
JSON = "application/json"

SUBJECT = {"type": "service", "id": "campaign-mailer"}
ACTION = {"name": "contact"}
RESOURCE = {"type": "data", "id": "customer.contact.email"}
CONTEXT = {
    "purpose": "marketing.email",
    "channel": "email",
    "data_subject": {"id": "ada", "properties": {"country": "DE"}},
}
NOBODY = CONTEXT | {"data_subject": {"id": "nobody", "properties": {"country": "DE"}}}
ONE = {"subject": SUBJECT, "action": ACTION, "resource": RESOURCE, "context": CONTEXT}
NO = ONE | {"context": NOBODY}
REPORT = {
    "subject": {"type": "job", "id": "nightly-report"},
    "action": {"name": "read"},
    "resource": {"type": "data", "id": "customer.orders.total"},
    "context": {"purpose": "analytics.reporting", "data_subject": {"id": "c-7"}},
}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: Any


Check = Callable[[Reply], bool]


@dataclass(frozen=True)
class Case:
    """One request and what its reply must be."""

    section: str
    claim: str
    path: str
    request: Any
    holds: Check
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


def without(request: dict[str, Any], *path: str) -> dict[str, Any]:
    """The request with one member less."""
    name, *rest = path
    if rest:
        return request | {name: without(request[name], *rest)}
    return {key: value for key, value in request.items() if key != name}


def decided(answer: bool) -> Check:
    return lambda reply: reply.body["decision"] is answer


def reason(code: str) -> Check:
    return lambda reply: (
        reply.body == reply.body | {"decision": False} and (reply.body["context"]["reason"] == code)
    )


def decisions(*answers: bool) -> Check:
    return lambda reply: [each["decision"] for each in reply.body["evaluations"]] == list(answers)


def is_message(reply: Reply) -> bool:
    return isinstance(reply.body, str) and bool(reply.body)


def finds(*results: dict[str, str]) -> Check:
    return lambda reply: all(result in reply.body["results"] for result in results)


def finds_nothing(reply: Reply) -> bool:
    return reply.body["results"] == [] and reply.body["page"]["next_token"] == ""


def faulty(index: int, status: int) -> Check:
    def check(reply: Reply) -> bool:
        item = reply.body["evaluations"][index]
        return (
            item["decision"] is False
            and item["context"]["error"]["status"] == status
            and bool(item["context"]["error"]["message"])
        )

    return check


MODEL = "Information Model"
SINGLE = "Access Evaluation API"
MANY = "Access Evaluations API"
SEARCH = "Search APIs"
PAGING = "Search APIs: Pagination"
BINDING = "HTTPS Binding"
ERRORS = "HTTPS Binding: Error Responses"
IDS = "HTTPS Binding: Request Identification"
SAFETY = "Security Considerations"
PROFILE = "Profile: purpose and consent"

EVALUATIONS = {
    **without(ONE, "context"),
    "evaluations": [{"context": CONTEXT}, {"context": NOBODY}],
}
MIXED = {
    **without(ONE, "context"),
    "evaluations": [{"context": c} for c in (CONTEXT, NOBODY, CONTEXT)],
}


def semantic(name: object, request: dict[str, Any] = MIXED) -> dict[str, Any]:
    return request | {"options": {"evaluations_semantic": name}}


def required(member: tuple[str, ...]) -> Case:
    place = ".".join(member)
    return Case(
        MODEL, f"without {place} there is no question", "evaluation", without(ONE, *member),
        is_message, 400,
    )  # fmt: skip


def wrong_type(member: str, value: object) -> Case:
    return Case(
        MODEL, f"{member} is not a {type(value).__name__}", "evaluation", ONE | {member: value},
        is_message, 400,
    )  # fmt: skip


CASES: tuple[Case, ...] = (
    *(
        required(member)
        for member in (
            ("subject",), ("subject", "type"), ("subject", "id"), ("action",), ("action", "name"),
            ("resource",), ("resource", "type"), ("resource", "id"),
        )
    ),
    *(
        wrong_type(member, value)
        for member in ("subject", "action", "resource", "context")
        for value in ("text", 3, [], True)
    ),
    Case(
        MODEL, "an id that is a number is none", "evaluation",
        ONE | {"subject": {"type": "service", "id": 7}}, is_message, 400,
    ),
    Case(
        MODEL, "properties are an object", "evaluation",
        ONE | {"subject": SUBJECT | {"properties": []}}, is_message, 400,
    ),
    Case(
        MODEL, "members that nobody knows are ignored", "evaluation",
        ONE | {"x": 1, "subject": SUBJECT | {"colour": {"deep": []}}}, decided(True),
    ),
    Case(
        MODEL, "properties of any kind are allowed", "evaluation",
        ONE
        | {
            "subject": SUBJECT | {"properties": {"department": "Sales", "deep": {"a": [1, {}]}}},
            "action": ACTION | {"properties": {"method": "GET"}},
            "resource": RESOURCE | {"properties": {"library": {"isbn": "1"}, "n": 1.5, "z": None}},
        },
        decided(True),
    ),
    Case(
        MODEL, "a context of any kind is allowed", "evaluation",
        ONE | {"context": CONTEXT | {"time": "1985-10-26T01:22-07:00", "nested": {"a": 1}}},
        decided(True),
    ),
    Case(
        MODEL, "without a context there is no purpose, and the answer is no", "evaluation",
        without(ONE, "context"), reason("purpose_missing"),
    ),
    Case(SINGLE, "what is permitted is true", "evaluation", ONE, decided(True)),
    Case(SINGLE, "a denial is an answer, with status 200", "evaluation", NO, decided(False)),
    Case(
        SINGLE, "the context says why", "evaluation", NO, reason("consent_missing"),
    ),
    Case(
        SINGLE, "a type of subject that nobody knows is denied", "evaluation",
        ONE | {"subject": {"type": "user", "id": "x"}}, reason("subject_type_unknown"),
    ),
    Case(
        SINGLE, "a type of resource that nobody knows is denied", "evaluation",
        ONE | {"resource": {"type": "document", "id": "1"}}, reason("resource_type_unknown"),
    ),
    Case(
        SINGLE, "a resource that nobody knows is denied", "evaluation",
        ONE | {"resource": {"type": "data", "id": "document #1"}}, reason("category_unknown"),
    ),
    Case(
        SINGLE, "an action that nobody knows is denied", "evaluation",
        ONE | {"action": {"name": "can fly"}}, reason("action_unknown"),
    ),
    Case(
        MANY, "answers come in the order of the questions", "evaluations", MIXED,
        decisions(True, False, True),
    ),
    Case(
        MANY, "there is no decision for all of them together", "evaluations", MIXED,
        lambda reply: "decision" not in reply.body,
    ),
    Case(MANY, "execute_all does", "evaluations", semantic("execute_all"),
         decisions(True, False, True)),
    Case(MANY, "deny_on_first_deny ends with the first denial", "evaluations",
         semantic("deny_on_first_deny"), decisions(True, False)),
    Case(MANY, "permit_on_first_permit ends with the first permit", "evaluations",
         semantic("permit_on_first_permit"), decisions(True)),
    Case(MANY, "permit_on_first_permit goes on after a denial", "evaluations",
         semantic("permit_on_first_permit",
                  MIXED | {"evaluations": [{"context": NOBODY}, {"context": CONTEXT}]}),
         decisions(False, True)),
    Case(MANY, "deny_on_first_deny ends with an error", "evaluations",
         semantic("deny_on_first_deny", MIXED | {"evaluations": [{"subject": {}}, {}]}),
         decisions(False)),
    Case(MANY, "a semantic that nobody defined is an error", "evaluations",
         semantic("first_come"), is_message, 400),
    Case(MANY, "a semantic that is no text is an error", "evaluations", semantic([1]),
         is_message, 400),
    Case(MANY, "options that nobody knows are ignored", "evaluations",
         MIXED | {"options": {"another_option": "value"}}, decisions(True, False, True)),
    Case(MANY, "options are an object", "evaluations", MIXED | {"options": []}, is_message, 400),
    Case(MANY, "a default is replaced as a whole", "evaluations",
         ONE | {"evaluations": [{"context": {"purpose": "marketing.email"}}, {}]},
         decisions(False, True)),
    Case(MANY, "nothing is merged inside of a default", "evaluations",
         ONE | {"evaluations": [{"subject": {"id": "campaign-mailer"}}, {}]}, faulty(0, 400)),
    Case(MANY, "a faulty item is closed and spoils no other", "evaluations",
         ONE | {"evaluations": [{}, {"action": {}}, {}]}, decisions(True, False, True)),
    Case(MANY, "a faulty item has its error in its context", "evaluations",
         ONE | {"evaluations": [{}, {"action": {}}]}, faulty(1, 400)),
    Case(MANY, "an item that is no object is faulty", "evaluations",
         ONE | {"evaluations": ["x", {}]}, faulty(0, 400)),
    Case(MANY, "without evaluations it is one evaluation", "evaluations", ONE, decided(True)),
    Case(MANY, "with none of them it is one evaluation", "evaluations",
         ONE | {"evaluations": []}, decided(True)),
    Case(MANY, "one evaluation that is no question is an error", "evaluations",
         {"evaluations": []}, is_message, 400),
    Case(MANY, "evaluations are a list", "evaluations", ONE | {"evaluations": {}}, is_message, 400),
    Case(MANY, "each item may say everything itself", "evaluations",
         {"evaluations": [ONE, REPORT]}, decisions(True, True)),
    Case(MANY, "more than the limit is an error", "evaluations",
         ONE | {"evaluations": [{}] * 1_001}, is_message, 400),
    Case(SEARCH, "subjects: who may", "search/subject", without(ONE, "subject", "id"),
         finds(SUBJECT)),
    Case(SEARCH, "subjects: an id is ignored", "search/subject",
         ONE | {"subject": {"type": "service", "id": "nonsense"}}, finds(SUBJECT)),
    Case(SEARCH, "subjects: only of the type that is asked for", "search/subject",
         without(ONE, "subject", "id"),
         lambda reply: {each["type"] for each in reply.body["results"]} == {"service"}),
    Case(SEARCH, "subjects: a type that nobody knows has none", "search/subject",
         ONE | {"subject": {"type": "user"}}, finds_nothing),
    Case(SEARCH, "subjects: a type is needed", "search/subject", ONE | {"subject": {}},
         is_message, 400),
    Case(SEARCH, "subjects: where none may, none is found", "search/subject",
         NO | {"subject": {"type": "service"}}, finds_nothing),
    Case(SEARCH, "resources: what may be used", "search/resource",
         REPORT | {"resource": {"type": "data"}},
         finds({"type": "data", "id": "customer.orders.total"},
               {"type": "data", "id": "customer.number"})),
    Case(SEARCH, "resources: what may not is not found", "search/resource",
         REPORT | {"resource": {"type": "data"}},
         lambda reply: {"type": "data", "id": "customer.profile.name"}
         not in reply.body["results"]),
    Case(SEARCH, "resources: an id is ignored", "search/resource",
         REPORT | {"resource": {"type": "data", "id": "x y"}},
         finds({"type": "data", "id": "customer.number"})),
    Case(SEARCH, "resources: a type that nobody knows has none", "search/resource",
         REPORT | {"resource": {"type": "document"}}, finds_nothing),
    Case(SEARCH, "actions: what may be done", "search/action", without(REPORT, "action"),
         finds({"name": "read"})),
    Case(SEARCH, "actions: an action is ignored", "search/action",
         REPORT | {"action": {"name": "fly"}}, finds({"name": "read"})),
    Case(SEARCH, "actions: results have a name and nothing else", "search/action",
         without(REPORT, "action"),
         lambda reply: all(set(each) == {"name"} for each in reply.body["results"])),
    Case(SEARCH, "actions: on what nobody knows there are none", "search/action",
         REPORT | {"resource": {"type": "data", "id": "no.such"}}, finds_nothing),
    Case(SEARCH, "actions: a resource is needed", "search/action", without(REPORT, "resource"),
         is_message, 400),
    Case(PAGING, "the page is the first member", "search/action", without(REPORT, "action"),
         lambda reply: next(iter(reply.body)) == "page"),
    Case(PAGING, "at the end the token is empty", "search/action", without(REPORT, "action"),
         lambda reply: reply.body["page"]["next_token"] == ""),
    Case(PAGING, "the count is that of the results", "search/resource",
         REPORT | {"resource": {"type": "data"}},
         lambda reply: reply.body["page"]["count"] == len(reply.body["results"])),
    Case(PAGING, "a limit bounds the results", "search/resource",
         REPORT | {"resource": {"type": "data"}, "page": {"limit": 1}},
         lambda reply: len(reply.body["results"]) == 1 and reply.body["page"]["next_token"] != ""),
    Case(PAGING, "a limit of 0 leaves it to us", "search/action",
         without(REPORT, "action") | {"page": {"limit": 0}}, finds({"name": "read"})),
    Case(PAGING, "a limit below 0 is an error", "search/action",
         without(REPORT, "action") | {"page": {"limit": -1}}, is_message, 400),
    Case(PAGING, "a token that was never given is an error", "search/action",
         without(REPORT, "action") | {"page": {"token": "x"}}, is_message, 400),
    Case(PAGING, "an empty token is the first page", "search/action",
         without(REPORT, "action") | {"page": {"token": ""}}, finds({"name": "read"})),
    Case(PAGING, "a page is an object", "search/action",
         without(REPORT, "action") | {"page": "2"}, is_message, 400),
    Case(BINDING, "a charset is accepted", "evaluation", ONE, decided(True),
         headers={"content-type": "application/json; charset=utf-8"}),
    Case(BINDING, "another content type is not", "evaluation", ONE, is_message, 400,
         headers={"content-type": "text/plain"}),
    Case(BINDING, "answers are JSON", "evaluation", ONE,
         lambda reply: reply.headers["content-type"] == JSON),
    Case(BINDING, "a decision is nobody's to store", "evaluation", ONE,
         lambda reply: reply.headers["cache-control"] == "no-store"),
    Case(BINDING, "only POST decides", "evaluation", None, lambda _: True, 405, method="GET"),
    Case(ERRORS, "a body that is no JSON", "evaluation", b"{", is_message, 400),
    Case(ERRORS, "a body that is no object", "evaluation", b"[]", is_message, 400),
    Case(ERRORS, "no body", "evaluation", b"", is_message, 400),
    Case(ERRORS, "a body that is no UTF-8", "evaluation", b'{"a":"\xff"}', is_message, 400),
    Case(ERRORS, "an error is a message", "evaluation", {}, is_message, 400),
    Case(ERRORS, "an error repeats no input", "evaluation",
         ONE | {"subject": {"type": "service", "id": "secret\x01"}},
         lambda reply: "secret" not in reply.body, 400),
    Case(IDS, "a request's id comes back", "evaluation", ONE,
         lambda reply: reply.headers["x-request-id"] == "bfe9eb29",
         headers={"x-request-id": "bfe9eb29"}),
    Case(IDS, "an id of any text comes back unchanged", "evaluation", ONE,
         lambda reply: reply.headers["x-request-id"] == 'a b;c="d" %20',
         headers={"x-request-id": 'a b;c="d" %20'}),
    Case(IDS, "an id comes back with an error", "evaluation", {},
         lambda reply: reply.headers["x-request-id"] == "7", 400, headers={"x-request-id": "7"}),
    Case(IDS, "without an id there is none", "evaluation", ONE,
         lambda reply: "x-request-id" not in reply.headers),
    Case(SAFETY, "a body larger than the limit", "evaluation",
         b'{"a":"' + b"x" * (1024 * 1024) + b'"}', is_message, 413),
    Case(SAFETY, "a name twice in an object", "evaluation",
         b'{"subject":{"type":"service","id":"a","id":"b"}}', is_message, 400),
    Case(SAFETY, "depth without end", "evaluation", b'{"a":' * 20_000, is_message, 400),
    Case(SAFETY, "a number that is none", "evaluation", b'{"a":NaN}', is_message, 400),
    Case(SAFETY, "a number without end", "evaluation", b'{"a":' + b"1" * 5_000 + b"}",
         is_message, 400),
    Case(SAFETY, "half of a surrogate pair", "evaluation",
         b'{"subject":{"type":"service","id":"\\ud800"}}', is_message, 400),
    Case(PROFILE, "fields come with their masks", "evaluation", REPORT,
         lambda reply: reply.body["context"]["fields"] == [
             {"data": "customer.orders.total", "decision": True,
              "reason": reply.body["context"]["reason"],
              "mask": {"function": "round", "argument": 10}}]),
    Case(PROFILE, "obligations have an id, a type and properties", "evaluation", REPORT,
         lambda reply: {"id": "no_small_groups", "type": "custom"}.items()
         <= reply.body["context"]["obligations"][0].items()),
    Case(PROFILE, "an answer says until when it holds", "evaluation", ONE,
         lambda reply: reply.body["context"]["valid_until"].endswith("Z")),
    Case(PROFILE, "an answer says how old the consent data are", "evaluation", ONE,
         lambda reply: reply.body["context"]["consent"]["age_us"] >= 0),
    Case(PROFILE, "all reasons are told to who asks for them", "evaluation",
         NO | {"context": NOBODY | {"reasons": "all"}},
         lambda reply: reply.body["context"]["reasons"][0]["id"] == "consent_missing"),
    Case(PROFILE, "reasons are not told otherwise", "evaluation", NO,
         lambda reply: "reasons" not in reply.body["context"]),
    Case(PROFILE, "without a data subject the answer is no", "evaluation",
         ONE | {"context": without(CONTEXT, "data_subject")}, reason("subject_unresolved")),
    Case(PROFILE, "a data subject has an id", "evaluation",
         ONE | {"context": CONTEXT | {"data_subject": {}}}, is_message, 400),
    Case(PROFILE, "a purpose is a text", "evaluation",
         ONE | {"context": CONTEXT | {"purpose": ["a"]}}, is_message, 400),
    Case(PROFILE, "roles decide", "evaluation",
         {**REPORT, "subject": {"type": "person", "id": "mia",
                                "properties": {"roles": ["support"]}},
          "resource": {"type": "data", "id": "customer.profile.name"},
          "context": {"purpose": "service.support", "ticket": "SR-1",
                      "data_subject": {"id": "c-7"}}}, decided(True)),
    Case(PROFILE, "part of a grant is told by field", "evaluation",
         REPORT | {"resource": {"type": "data", "id": "customer.orders"},
                   "context": REPORT["context"] | {"partial": True}},  # type: ignore[operator]
         lambda reply: {each["decision"] for each in reply.body["context"]["fields"]}
         == {True, False}),
    Case(PROFILE, "an answer includes the position that is asked for", "evaluation",
         ONE | {"context": CONTEXT | {"consent": {"at_least": 1}}}, decided(True)),
    Case(PROFILE, "a position that is not there yet is an error", "evaluation",
         ONE | {"context": CONTEXT | {"consent": {"at_least": 10**9}}}, is_message, 409),
    Case(PROFILE, "a position is a number", "evaluation",
         ONE | {"context": CONTEXT | {"consent": {"at_least": "1"}}}, is_message, 400),
)  # fmt: skip
