"""The preference page as values: each purpose in plain words, how it stands, what may be chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consentry.consent.records import is_of_consent
from consentry.model import vocabulary
from consentry.model.consent import ConsentEvent, Track
from consentry.model.program import Program
from consentry.model.trees import PurposeNode
from consentry.model.values import datetime_of
from consentry.publish.choices import (
    GIVEN,
    Choice,
    PurposeState,
    Stand,
    choices_for,
    covered_by,
    is_by_consent,
    stand_of,
)
from consentry.publish.contents import data_roots, purpose_facts
from consentry.publish.html import render_page
from consentry.publish.statement import refusal_phrase
from consentry.publish.wording import Wording

MAX_ACTS: Final = 50
"""Most acts of a person that the page tells; `consentry subject-report` tells all."""
_REASONS: Final = frozenset(
    {
        vocabulary.CONSENT_MISSING,
        vocabulary.CONSENT_PENDING,
        vocabulary.CONSENT_REFUSED,
        vocabulary.CONSENT_WITHDRAWN,
        vocabulary.CONSENT_EXPIRED,
        vocabulary.CONSENT_UNPROVEN,
        vocabulary.CONSENT_SUPERSEDED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One purpose."""

    path: str
    anchor: str
    title: str
    depth: int
    stand: Stand
    state: str
    facts: tuple[tuple[str, str], ...]
    choices: tuple[tuple[Choice, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Purposes that are chosen in the same way."""

    anchor: str
    title: str
    intro: str
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that the person did, in plain words; `event_id` is empty without a receipt."""

    at: str
    text: str
    event_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system that decides about the person's data, and whether it uses these very choices."""

    name: str
    is_current: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was just recorded: the purpose's path, and a sentence."""

    path: str
    text: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencePage:
    """The whole page."""

    groups: tuple[Group, ...]
    acts: tuple[Act, ...]
    more_acts: int
    systems: tuple[System, ...]
    done: Done | None


def cards_of(
    program: Program, wording: Wording, states: Mapping[str, PurposeState]
) -> tuple[Group, ...]:
    """Every purpose once, in groups by how it is chosen; groups without any are left out."""
    teller = _Teller(program, wording)
    nodes = program.purposes
    groups = (
        ("consent", [node for node in nodes if is_by_consent(node)]),
        ("object", [n for n in nodes if not is_by_consent(n) and _has_choice(n, states)]),
        ("fixed", [n for n in nodes if not is_by_consent(n) and not _has_choice(n, states)]),
    )
    return tuple(
        Group(
            anchor=f"group-{name}",
            title=wording.phrase(f"pref_group_{name}"),
            intro=wording.phrase(f"pref_intro_{name}"),
            cards=tuple(teller.card(node, _state(states, node), members) for node in members),
        )
        for name, members in groups
        if members
    )


def _has_choice(node: PurposeNode, states: Mapping[str, PurposeState]) -> bool:
    return bool(choices_for(node, _state(states, node)))


def _state(states: Mapping[str, PurposeState], node: PurposeNode) -> PurposeState:
    return states.get(node.path, PurposeState())


class _Teller:
    """Tells purposes in one language."""

    def __init__(self, program: Program, wording: Wording) -> None:
        self._program = program
        self._wording = wording

    def card(self, node: PurposeNode, said: PurposeState, members: Sequence[PurposeNode]) -> Card:
        wording = self._wording
        above = set(node.lineage[1:])
        return Card(
            path=node.path,
            anchor=f"purpose-{node.path}",
            title=wording.text("purpose", node.path, node.text),
            depth=sum(1 for other in members if other.index in above),
            stand=stand_of(node, said),
            state=self._told_state(node, said),
            facts=tuple((label, text) for label, text in self._facts(node) if text),
            choices=tuple(
                (choice, wording.phrase(f"pref_do_{choice.value}"))
                for choice in choices_for(node, said)
            ),
        )

    def _told_state(self, node: PurposeNode, said: PurposeState) -> str:
        wording = self._wording
        if Track.OBJECTED.value in said.rights:
            return wording.phrase("pref_state_objected")
        if Track.OPTED_OUT.value in said.rights:
            return wording.phrase("pref_state_opted_out")
        if not is_by_consent(node):
            key = "used" if choices_for(node, said) else "fixed"
            return wording.phrase(f"pref_state_{key}")
        if said.state == GIVEN and said.given_at_us is not None:
            given = wording.day(said.given_at_us)
            if said.expires_at_us is None:
                return wording.phrase("pref_state_given", day=given)
            until = wording.day(said.expires_at_us)
            return wording.phrase("pref_state_given_until", day=given, until=until)
        reason = said.state if said.state in _REASONS else "consent_unfit"
        return wording.phrase(f"pref_state_{reason.removeprefix('consent_')}")

    def _facts(self, node: PurposeNode) -> Iterable[tuple[str, str]]:
        wording, program = self._wording, self._program
        facts = purpose_facts(program, node)
        below = [wording.text("purpose", n.path, n.text) for n in covered_by(program, node)]
        data = [wording.text("data", n.path, n.text) for n in data_roots(program, facts.leaves)]
        if node.benefit:
            yield wording.phrase("benefit"), wording.text("benefit", node.path, node.benefit)
        if is_by_consent(node):
            yield wording.phrase("pref_also_for"), ", ".join(below)
        yield wording.phrase("which"), ", ".join(data)
        yield wording.phrase("recipient"), ", ".join(map(wording.recipient, facts.recipients))
        yield wording.phrase("kept"), wording.duration(node.keep) if node.keep else ""
        if not is_by_consent(node):
            yield wording.phrase("basis"), wording.basis(node.basis)
            yield wording.phrase("say_no"), wording.phrase(refusal_phrase(node))


def acts_of(
    program: Program,
    wording: Wording,
    events: Sequence[ConsentEvent],
    *,
    has_receipt: bool,
) -> tuple[Act, ...]:
    """The newest acts, newest first, at most `MAX_ACTS`."""
    return tuple(
        Act(
            at=f"{datetime_of(event.happened_at_us):%Y-%m-%d %H:%M} UTC",
            text=act_sentence(program, wording, event),
            event_id=event.event_id if has_receipt and is_of_consent(event) else "",
        )
        for event in list(reversed(events))[:MAX_ACTS]
    )


def act_sentence(program: Program, wording: Wording, event: ConsentEvent) -> str:
    """What somebody did, in plain words: `You agreed: By e-mail`."""
    scope = event.scope
    if scope.purpose in program.purpose_names:
        node = program.purposes[program.purpose_names[scope.purpose]]
        what = wording.text("purpose", node.path, node.text)
    elif scope.tag:
        what = wording.text("tag", scope.tag, program.tags.get(scope.tag, ""))
    else:
        what = scope.purpose or wording.phrase("pref_everything")
    by = "" if event.by.value == "data_subject" else wording.phrase(f"pref_by_{event.by.value}")
    return wording.phrase(f"pref_act_{event.kind.value}", what=what) + (f" ({by})" if by else "")


def done_of(
    program: Program, wording: Wording, event: ConsentEvent, systems: Sequence[System]
) -> Done:
    """The sentence under the purpose that was just decided about."""
    text = wording.phrase(
        "pref_done",
        act=act_sentence(program, wording, event),
        time=f"{datetime_of(event.received_at_us):%H:%M:%S} UTC",
        position=event.position,
    )
    if systems:
        count = sum(1 for system in systems if system.is_current)
        key = "pref_done_everywhere" if count == len(systems) else "pref_done_some"
        text += " " + wording.phrase(key, n=count, of=len(systems))
    return Done(path=event.scope.purpose, text=text, title=act_sentence(program, wording, event))


def render_preferences(
    page: PreferencePage,
    wording: Wording,
    program: Program,
    *,
    form_token: str,
    revision: int,
    alternates: Sequence[tuple[str, str]],
    can_leave: bool,
    name: str = "",
) -> str:
    """The page as HTML: no script, nothing fetched; `name` is what it calls the person."""
    mission = program.mission
    return render_page(
        "preferences.html.j2",
        style="preferences.css",
        page=page,
        language=wording.language,
        phrase=wording.phrase,
        controller=mission.controller if mission is not None else "",
        contact=mission.contact if mission is not None else "",
        form_token=form_token,
        revision=revision,
        alternates=alternates,
        can_leave=can_leave,
        name=name,
        digest=program.digest,
    )


def render_message(wording: Wording, key: str, *, link: str = "", leave_token: str = "") -> str:
    """A short page that says what is the matter: `pref_<key>_title` and `pref_<key>_text`.

    `leave_token` is what the form carries that ends the session; empty: there is no such form.
    """
    return render_page(
        "message.html.j2",
        style="preferences.css",
        language=wording.language,
        phrase=wording.phrase,
        key=key,
        link=link,
        leave_token=leave_token,
    )
