"""Whether other sidecars obey is their own word; and requests as somebody picks or pastes them."""

from __future__ import annotations

import pytest
from server_world import CONSENT, World, call, channel_to, gave, serving

from consentry.model.program import AttributeSpec, Owner, Program
from consentry.server.pages.asking import NoQuestionError, pick, read_json, write_json
from consentry.server.pages.obedience import OtherSidecars, Said, States, states_of
from consentry.v1 import consent_pb2

NOWHERE = "unix:/nonexistent/consentry.sock"


def recorded(world: World) -> States:
    """What a first sidecar says once a consent is on its ledger."""
    with channel_to(world.bound.grpc[0]) as channel:
        request = consent_pb2.RecordConsentRequest(events=[gave()])
        call(channel, CONSENT + "RecordConsent", request.SerializeToString())
        raw = call(
            channel,
            CONSENT + "GetConsent",
            consent_pb2.GetConsentRequest(subject="ada").SerializeToString(),
        )
    return states_of(consent_pb2.GetConsentResponse.FromString(raw))


def test_a_sidecar_obeys_only_when_it_says_so_itself() -> None:
    with serving() as world, serving() as behind:
        ours = recorded(world)
        others = OtherSidecars(
            {"Same": world.bound.grpc[0], "Behind": behind.bound.grpc[0], "Silent": NOWHERE}
        )
        said = others.ask("ada", 1, ours, 5.0)
        others.close()

    assert said == (
        Said("Same", agrees=True, position=1),
        Said("Behind", agrees=False, position=None),
        Said("Silent", agrees=False, position=None),
    )


def test_a_sidecar_at_the_same_position_that_says_otherwise_does_not_obey() -> None:
    with serving() as world:
        ours = {purpose: ("consent_withdrawn", frozenset[str]()) for purpose in recorded(world)}
        others = OtherSidecars({"Other": world.bound.grpc[0]})
        said = others.ask("ada", 1, ours, 5.0)
        others.close()

    assert said == (Said("Other", agrees=False, position=1),)


# --- requests -------------------------------------------------------------------------------

PROGRAM = Program(
    digest="d" * 64, compiler_version="test", purposes=(), data=(), purpose_names={}, data_names={},
    actions={}, channels={}, reasons=(), regimes=(), rules=(), code=b"",
    attributes=tuple(
        AttributeSpec(owner=Owner.SUBJECT, name=name, type=kind)
        for name, kind in (
            ("country", "text"), ("staff", "flag"), ("born", "date"), ("age", "number"),
            ("seen", "time"), ("groups", "list of text"),
        )
    ),
)  # fmt: skip


def test_what_is_picked_has_the_type_of_its_attribute() -> None:
    said = {
        "country": "DE", "staff": "true", "born": "1990-02-03", "age": "36",
        "seen": "2026-01-02T03:04:05Z", "groups": "gold, early",
    }  # fmt: skip
    fields = [(f"attribute:subject.{name}", text) for name, text in said.items()]

    check = pick(PROGRAM, [("subject_id", " ada "), ("data", "a"), ("data", "b"), *fields])

    values = {attribute.name: attribute.value for attribute in check.subject.attributes}
    assert check.subject.id == "ada"
    assert list(check.data) == ["a", "b"]
    assert (values["country"].text, values["staff"].flag) == ("DE", True)
    assert (values["born"].date, values["age"].number) == ("1990-02-03", 36)
    assert values["seen"].time.seconds == 1_767_323_045
    assert [value.text for value in values["groups"].list.values] == ["gold", "early"]
    assert read_json(write_json(check)) == check


@pytest.mark.parametrize(
    ("name", "text"), [("staff", "maybe"), ("seen", "yesterday"), ("seen", "9999999")]
)
def test_what_is_not_of_its_type_is_told_by_the_attributes_name(name: str, text: str) -> None:
    with pytest.raises(NoQuestionError, match=f"subject.{name} is a"):
        pick(PROGRAM, [(f"attribute:subject.{name}", text)])
