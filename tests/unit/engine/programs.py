"""Small programs made by hand: rules as tables, conditions as constants or lines of Python."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from consentry.engine.evaluate import evaluate
from consentry.engine.link import link
from consentry.model.consent import ConsentQuery, ConsentState, RightState, Track
from consentry.model.decision import Decision
from consentry.model.program import (
    AttributeSpec,
    Condition,
    Program,
    Regime,
    Rule,
    RuleKind,
)
from consentry.model.request import DataSubject, Principal, Request
from consentry.model.trees import DataNode, PurposeNode

NOW_US = 1_780_000_000_000_000

DATA = (
    DataNode(index=0, path="customer", lineage=("customer",), children=(1, 2), leaves=(1, 2)),
    DataNode(index=1, path="customer.email", lineage=("customer.email", "customer"), leaves=(1,)),
    DataNode(index=2, path="customer.phone", lineage=("customer.phone", "customer"), leaves=(2,)),
)
EMAIL, PHONE = 1, 2
MARKETING, SERVICE = 0, 1
REASONS = (
    "purpose_missing", "purpose_unknown", "category_unknown", "action_unknown", "channel_unknown",
    "subject_unresolved", "regime_undetermined", "prohibited_by_law", "prohibited_by_policy",
    "actor_purpose_not_authorised", "purpose_not_declared", "data_not_necessary",
    "action_not_permitted", "channel_not_permitted", "recipient_not_permitted",
    "retention_exceeded", "consent_state_unavailable", "no_lawful_basis", "basis_not_available",
    "condition_not_met", "consent_missing", "consent_refused", "consent_withdrawn",
    "consent_expired", "consent_scope_channel", "permitted_by_policy", "consent_valid",
)  # fmt: skip


@dataclass(frozen=True)
class FakeView:
    """A ledger's view with the same state whatever is asked."""

    state: ConsentState = field(default_factory=ConsentState)
    rights: dict[str, RightState] = field(default_factory=dict)
    is_available: bool = True
    has_rights: bool = True
    revision: int = 0
    position: int = 0
    read_at_us: int = 0

    def find_consent(self, key: object, now_us: int) -> ConsentState | None:
        return None

    def consent(self, query: ConsentQuery) -> ConsentState:
        assert self.is_available
        return self.state

    def right(self, track: Track, query: ConsentQuery) -> RightState:
        assert self.is_available
        return self.rights.get(track.value, RightState())


class Code:
    """Collects conditions; each is the text of a Python expression over the facts `f`."""

    def __init__(self) -> None:
        self.sources: list[str] = []

    def add(
        self,
        text: str,
        *,
        if_consented: str | None = None,
        at_best: str | None = None,
        at_worst: str | None = None,
        reads: tuple[str, ...] = (),
        reads_consent: bool = False,
        reads_rights: bool = False,
    ) -> Condition:
        return Condition(
            code=self._number(text),
            if_consented=self._number(if_consented or text),
            at_best=self._number(at_best or text),
            at_worst=self._number(at_worst or text),
            reads=reads,
            reads_consent=reads_consent,
            reads_rights=reads_rights,
        )

    def _number(self, text: str) -> int:
        self.sources.append(text)
        return len(self.sources) - 1

    def build(self) -> bytes:
        lines = [f"def c{n}(f):\n    return {text}" for n, text in enumerate(self.sources)]
        return marshal.dumps(compile("\n".join(lines), "conditions", "exec"))


def purposes(**changes: object) -> tuple[PurposeNode, ...]:
    """`marketing` (basis consent, changed by `changes`) and `service` (no basis)."""
    marketing = PurposeNode(index=0, path="marketing", lineage=(0,), basis="consent")
    return (
        replace(marketing, **changes),  # type: ignore[arg-type]  # a test names real fields
        PurposeNode(index=1, path="service", lineage=(1,)),
    )


def permit(**changes: object) -> Rule:
    """A house permit for everything of marketing."""
    return rule(RuleKind.PERMIT, **{"purposes": frozenset({MARKETING}), **changes})


def rule(kind: RuleKind, **changes: object) -> Rule:
    defaults: dict[str, object] = {"index": 0, "name": "r", "kind": kind, "regime": 0}
    values = {**defaults, **changes}
    values.setdefault("reason", values["name"])
    return Rule(**values)  # type: ignore[arg-type]  # a test names real fields


def program(
    rules: Sequence[Rule],
    *,
    code: Code | None = None,
    regimes: Sequence[Regime] = (),
    exceptions: Sequence[Rule] = (),
    attributes: Sequence[AttributeSpec] = (),
    tree: tuple[PurposeNode, ...] | None = None,
    data: tuple[DataNode, ...] = DATA,
) -> Program:
    """A program of these rules (renumbered), with one open regime `law` unless told otherwise."""
    laws = tuple(regimes) or (Regime(index=1, name="law"),)
    tree = tree or purposes()
    return Program(
        digest="d",
        compiler_version="1",
        purposes=tree,
        data=data,
        purpose_names={node.path: node.index for node in tree},
        data_names={node.path: node.index for node in data},
        actions={
            "read": frozenset(),
            "contact": frozenset({"contacting"}),
            "share": frozenset({"disclosure"}),
        },
        channels={"email": frozenset(), "sms": frozenset()},
        attributes=tuple(attributes),
        reasons=REASONS,
        regimes=(Regime(index=0, name=""), *laws),
        rules=tuple(replace(one, index=index) for index, one in enumerate(rules)),
        exceptions=tuple(exceptions),
        code=code.build() if code is not None else b"",
    )


def request(**changes: object) -> Request:
    """The service `mailer` reads an e-mail address for marketing."""
    values: dict[str, object] = {
        "principal": Principal(id="mailer", kind="service"),
        "action": "read",
        "data": ("customer.email",),
        "data_subject": DataSubject(id="ada"),
        "purpose": "marketing",
    }
    return Request(**{**values, **changes})  # type: ignore[arg-type]  # a test names real fields


def decide(
    made: Program, asked: Request | None = None, view: FakeView | None = None, now_us: int = NOW_US
) -> Decision:
    """The decision; the same the first time and later, when another way may answer."""
    linked, asked, view = link(made), asked or request(), view or FakeView()
    first, *later = [evaluate(linked, asked, view, now_us) for _ in range(4)]
    assert all(decision == first for decision in later), (first, later)
    return first
