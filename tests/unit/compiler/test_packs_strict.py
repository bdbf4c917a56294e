"""What the built-in regime permits and forbids, through the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram, link
from consentry.model.consent import ConsentEvent, ConsentView, EventKind, Proof, Scope
from consentry.model.decision import Decision, Effect
from consentry.model.request import DataSubject, Principal, Request
from tests.support.compiling import compile_text, program_of

NOW = 1_780_000_000_000_000
BASES = (
    "consent",
    "contract",
    "legal_obligation",
    "vital_interest",
    "public_task",
    "legitimate_interest",
)
TEXT = (
    "data person { email health as user.health_and_medical }\n"
    + "".join(f"purpose for_{basis} {{ basis {basis} }}\n" for basis in BASES)
    + """
purpose adverts as marketing.communications.email { basis contract }
purpose selling as third_party_sharing.sale { basis contract }
purpose silent
permit all { who anyone may anything data anything for anything via anything to anyone }
"""
)
GROUNDS = {
    "consent": "consent_valid",
    "contract": "contract_necessary",
    "legal_obligation": "legal_obligation",
    "vital_interest": "vital_interest",
    "public_task": "public_task",
    "legitimate_interest": "legitimate_interest",
}


@pytest.fixture(scope="module")
def linked() -> LinkedProgram:
    return link(program_of(compile_text(TEXT)))


def event(kind: EventKind, scope: Scope | None = None, at: int = 1) -> ConsentEvent:
    return ConsentEvent(
        kind=kind,
        data_subject_id="p",
        scope=scope or Scope(),
        happened_at_us=at,
        received_at_us=at,
        position=at,
        event_id=f"e{at}",
        proof=Proof(method="form"),
    )


def view_of(*kinds: EventKind) -> ConsentView:
    events = [event(EventKind.GIVEN, Scope(purpose="for_consent"))]
    events += [event(kind, at=at) for at, kind in enumerate(kinds, start=2)]
    return SubjectView(tuple(events), revision=len(events), position=len(events), read_at_us=NOW)


def ask(
    linked: LinkedProgram,
    view: ConsentView,
    purpose: str,
    action: str = "read",
    data: str = "person.email",
) -> Decision:
    request = Request(
        principal=Principal(id="s", kind="service"),
        action=action,
        data=(data,),
        data_subject=DataSubject(id="p"),
        purpose=purpose,
    )
    return evaluate(linked, request, view, NOW)


@pytest.mark.parametrize("basis", BASES)
def test_every_ground_permits_with_its_own_reason(linked: LinkedProgram, basis: str) -> None:
    decision = ask(linked, view_of(), f"for_{basis}")

    assert (decision.effect, decision.reason) == (Effect.PERMIT, GROUNDS[basis])


def test_consent_is_asked_for_first(linked: LinkedProgram) -> None:
    nobody_said = SubjectView((), revision=0, position=0, read_at_us=NOW)

    assert ask(linked, nobody_said, "for_consent").reason == "consent_missing"


def test_a_purpose_without_a_basis_is_denied(linked: LinkedProgram) -> None:
    assert ask(linked, view_of(), "silent").reason == "no_lawful_basis"


@pytest.mark.parametrize(
    ("basis", "effect"),
    [
        ("consent", Effect.DENY),
        ("contract", Effect.DENY),
        ("public_task", Effect.DENY),
        ("legitimate_interest", Effect.DENY),
        ("legal_obligation", Effect.PERMIT),
        ("vital_interest", Effect.PERMIT),
    ],
)
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (EventKind.ERASED, "subject_erased"),
        (EventKind.RESTRICTED, "processing_restricted"),
    ],
)
def test_erasure_and_restriction_stop_all_but_duties_and_emergencies(
    linked: LinkedProgram, basis: str, effect: Effect, kind: EventKind, reason: str
) -> None:
    decision = ask(linked, view_of(kind), f"for_{basis}")

    assert decision.effect is effect
    assert decision.reason == (reason if effect is Effect.DENY else GROUNDS[basis])


def test_restricted_data_may_still_be_stored(linked: LinkedProgram) -> None:
    view = view_of(EventKind.RESTRICTED)

    assert ask(linked, view, "for_contract", action="store").effect is Effect.PERMIT


def test_an_objection_to_direct_marketing_is_absolute(linked: LinkedProgram) -> None:
    view = view_of(EventKind.OBJECTED, EventKind.OBJECTION_OVERRIDDEN)

    assert ask(linked, view_of(), "adverts").effect is Effect.PERMIT
    assert ask(linked, view, "adverts").reason == "objected_direct_marketing"


@pytest.mark.parametrize("basis", ["legitimate_interest", "public_task"])
def test_an_objection_can_be_overridden_elsewhere(linked: LinkedProgram, basis: str) -> None:
    objected = view_of(EventKind.OBJECTED)
    overridden = view_of(EventKind.OBJECTED, EventKind.OBJECTION_OVERRIDDEN)

    assert ask(linked, objected, f"for_{basis}").reason == "objected"
    assert ask(linked, overridden, f"for_{basis}").effect is Effect.PERMIT

    again = view_of(EventKind.OBJECTION_OVERRIDDEN, EventKind.OBJECTED)
    assert ask(linked, again, f"for_{basis}").effect is Effect.DENY
    assert ask(linked, objected, "for_contract").effect is Effect.PERMIT


@pytest.mark.parametrize(
    ("purpose", "action"),
    [("selling", "read"), ("for_contract", "sell"), ("for_contract", "share")],
)
def test_an_opt_out_stops_sale_and_sharing(
    linked: LinkedProgram, purpose: str, action: str
) -> None:
    decision = ask(linked, view_of(EventKind.OPTED_OUT), purpose, action)

    assert decision.reason == "opted_out_sale_share"
    assert ask(linked, view_of(EventKind.OPTED_OUT), "for_contract").effect is Effect.PERMIT


def test_a_limit_stops_sensitive_data_only(linked: LinkedProgram) -> None:
    view = view_of(EventKind.LIMITED)

    sensitive = ask(linked, view, "for_legitimate_interest", data="person.health")

    assert sensitive.reason == "sensitive_use_limited"
    assert ask(linked, view, "for_legitimate_interest").effect is Effect.PERMIT


@pytest.mark.parametrize(
    ("basis", "effect"),
    [
        ("legal_obligation", Effect.PERMIT),
        ("vital_interest", Effect.PERMIT),
        ("consent", Effect.DENY),
        ("contract", Effect.DENY),
        ("legitimate_interest", Effect.DENY),
        ("public_task", Effect.DENY),
    ],
)
def test_what_no_consent_or_right_could_change_survives_an_outage(
    linked: LinkedProgram, basis: str, effect: Effect
) -> None:
    decision = ask(linked, UNAVAILABLE, f"for_{basis}")

    assert decision.effect is effect
    if effect is Effect.DENY:
        assert decision.reason == "consent_state_unavailable"


@pytest.mark.parametrize(
    ("basis", "obligations"),
    [
        ("consent", ["offer_withdrawal"]),
        ("legitimate_interest", ["inform_right_to_object"]),
        ("public_task", ["inform_right_to_object"]),
        ("contract", []),
    ],
)
def test_obligations_go_with_the_ground(
    linked: LinkedProgram, basis: str, obligations: list[str]
) -> None:
    decision = ask(linked, view_of(), f"for_{basis}")

    assert [obligation.name for obligation in decision.obligations] == obligations


def test_no_law_is_named(project_root: Path) -> None:
    folder = project_root / "src/consentry/packs"

    for name in ("core", "strict"):
        text = (folder / f"{name}.policy").read_text().lower()
        for law in ("gdpr", "ccpa", "cpra", "lgpd", "pdpa", "coppa", "2016/679", "art."):
            assert law not in text, (name, law)
