"""One evaluation in progress: the question, what was found out about it, and the ledger's view.

The only mutable value besides `Facts`; it lives as long as one call of `evaluate`.
"""

from __future__ import annotations

from consentry.engine.link import LinkedProgram
from consentry.engine.linked_rule import AS_IT_IS, AT_BEST, PartyKey
from consentry.model.consent import ConsentQuery, ConsentState, ConsentView, Standing, Track
from consentry.model.facts import Facts
from consentry.model.program import HOUSE, Regime
from consentry.model.request import Request
from consentry.model.trees import DataNode, PurposeNode
from consentry.model.tri import FALSE, TRUE, Tri
from consentry.model.vocabulary import TAG_CONTACTING, TAG_DISCLOSURE

_ASKED_ONCE: tuple[Standing | None, ...] = (None,)
_NO_CONSENT = ConsentState()
_NO_ROLES: frozenset[str] = frozenset()
HOUSE_NAME = ""
"""The regime under which the house's own rules ask the ledger."""


class Run:
    """The working values of one request. `mode` says which form of conditions is asked."""

    __slots__ = (
        "_party_keys",
        "_queries",
        "_states",
        "action_tags",
        "facts",
        "has_asked_hold",
        "has_recipient",
        "is_contact",
        "is_disclosure",
        "linked",
        "mode",
        "now_us",
        "recipient_roles",
        "regimes",
        "view",
    )

    def __init__(
        self, linked: LinkedProgram, request: Request, facts: Facts, view: ConsentView, now_us: int
    ) -> None:
        self.linked = linked
        self.facts = facts
        self.view = view
        self.now_us = now_us
        self.mode = AS_IT_IS
        program = linked.program
        tags = program.actions[request.action]
        self.action_tags = tags
        self.is_contact = TAG_CONTACTING in tags
        self.is_disclosure = TAG_DISCLOSURE in tags
        recipient = request.recipient
        self.has_recipient = recipient is not None
        self.recipient_roles = _NO_ROLES if recipient is None else recipient.roles
        self._queries: dict[str, ConsentQuery] = {}
        self._states: dict[str, ConsentState] = {}
        self._party_keys: frozenset[PartyKey] | None = None
        self.regimes: tuple[Regime, ...] = ()
        self.has_asked_hold = False
        """Whether the answer rests on a hold, which may speak of some leaves only."""
        facts.now_us = now_us
        facts.view = view
        facts.purpose = program.purposes[program.purpose_names[request.purpose]]
        if linked.asks_consented:  # PERF: else no cycle, and nothing left for the collector
            facts.consented = self.consented

    @property
    def party_keys(self) -> frozenset[PartyKey]:
        """Everything that a `who` may call this principal."""
        keys = self._party_keys
        if keys is None:
            facts = self.facts
            kind = facts.principal_kind
            found = [(kind, facts.principal_id), (kind, "")]
            if facts.principal_roles is not None:
                found += [("role", role) for role in facts.principal_roles]
            if facts.principal_controller is not None:
                found += [("controller", facts.principal_controller), ("controller", "")]
            keys = self._party_keys = frozenset(found)
        return keys

    def turn_to(self, leaf: DataNode) -> None:
        """Makes `leaf` the one that is decided on."""
        self.facts.leaf = leaf
        if self._queries:
            self._queries = {}
            self._states = {}

    def ask_ledger(self, regime: str, *, reads_consent: bool) -> tuple[Standing | None, ...]:
        """Sets the ledger's facts for one regime and gives its askings, the first one first.

        A regime that reads no consent is asked once. At best and at worst nothing is read.
        """
        facts = self.facts
        facts.standing = None
        if self.mode != AS_IT_IS:
            facts.state = _NO_CONSENT
            return _ASKED_ONCE
        query = self._queries.get(regime)
        if query is None:
            query = self._queries[regime] = self._query(facts.purpose, regime)
        facts.query = query
        if not reads_consent:
            return _ASKED_ONCE
        state = self._states.get(regime)
        if state is None:
            state = self._states[regime] = self.view.consent(query)
            if state.changes_at_us is not None:
                facts.changes_at(state.changes_at_us)
        facts.state = state
        return (*state.standings, None)

    def is_held(self) -> bool:
        """Whether the house has to keep the data for this use longer than it would."""
        self.has_asked_hold = True
        if self.mode != AS_IT_IS:
            return self.mode == AT_BEST
        self.ask_ledger(HOUSE_NAME, reads_consent=False)
        return self.facts.right(Track.HELD).is_active

    def consented(self, purpose_index: int, qualities: frozenset[str]) -> Tri:
        """Whether a flawless consent to another purpose stands that has all the qualities."""
        facts = self.facts
        purpose = self.linked.program.purposes[purpose_index]
        state = self.view.consent(self._query(purpose, facts.query.regime))
        if state.changes_at_us is not None:
            facts.changes_at(state.changes_at_us)
        for standing in state.standings:
            if standing.is_given and qualities <= standing.qualities:
                return TRUE
        return FALSE

    def _query(self, purpose: PurposeNode, regime: str) -> ConsentQuery:
        facts = self.facts
        # PERF: positional, in the order of the members; by name this costs three times as much.
        return ConsentQuery(
            purpose,
            self.linked.lineages[purpose.index],
            facts.leaf,
            regime,
            facts.principal_controller,
            facts.channel,
            facts.recipient_id,
            self.recipient_roles,
            facts.recipient_country,
            self.is_contact,
            self.is_disclosure,
            self.now_us,
            self.action_tags,
            self.linked.program.purpose_names,
        )


def find_governing(run: Run) -> tuple[Regime, ...]:
    """The regimes that govern, the house not counted; empty when it cannot be told which do.

    A regime governs within its dates where its condition is true or unknown; those that govern
    otherwise do when no other does.

    Source: decision semantics, order 2.
    """
    return governing_by(run.linked, run.facts)


def governing_by(linked: LinkedProgram, facts: Facts) -> tuple[Regime, ...]:
    """As `find_governing`, by the facts alone."""
    governing = []
    fallbacks = []
    for regime, test in linked.governs:
        if regime.index == HOUSE or not in_force(facts, regime.from_us, regime.until_us):
            continue
        if regime.is_fallback:
            fallbacks.append(regime)
        elif test is None or test(facts) != FALSE:
            governing.append(regime)
    return tuple(governing or fallbacks)


def in_force(facts: Facts, from_us: int | None, until_us: int | None) -> bool:
    """Whether now lies in `[from, until)`; notes when that changes."""
    if until_us is not None:
        if until_us <= facts.now_us:
            return False
        facts.changes_at(until_us)
    if from_us is not None and from_us > facts.now_us:
        facts.changes_at(from_us)
        return False
    return True
