"""A request with everything that goes with it, and what its conditions can see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from consentry.lang.tree import Mission
from consentry.model.consent import ConsentEvent
from consentry.model.request import Request
from tests.reference.conditions import Asking
from tests.reference.ledger import Consent, State, Use, fold, right_since
from tests.reference.world import Field, Purpose, World

# How conditions are asked: as they are, as with a flawless consent, and - where the ledger cannot
# be read - the way that permits most and the way that permits least.
PLAIN, IF_CONSENTED, BEST, WORST = "plain", "if consented", "best", "worst"


@dataclass
class Question:
    """A request with everything that goes with it."""

    world: World
    request: Request
    facts: dict[str, Any]
    events: Sequence[ConsentEvent]
    now_us: int
    mode: str = PLAIN
    leaf: Field = field(default_factory=lambda: Field("", None, set(), ()))

    @property
    def purpose(self) -> Purpose:
        return self.world.purposes[self.request.purpose]

    def use(self, regime: str, purpose: Purpose | None = None) -> Use:
        request, tags = self.request, self.world.actions[self.request.action]
        to = request.recipient
        return Use(
            purpose=purpose or self.purpose,
            leaf=self.leaf,
            regime=regime,
            controller=request.principal.controller,
            channel=request.channel,
            recipient_id=to.id if to else None,
            recipient_roles=to.roles if to else frozenset(),
            recipient_country=to.country if to else None,
            is_contact="contacting" in tags,
            is_disclosure="disclosure" in tags,
            now_us=self.now_us,
            action_tags=frozenset(tags),
            declared=frozenset(self.world.purposes),
        )

    def asking(self, regime: str, consent: Consent | None, state: State) -> Asking:
        def consented(name: str, qualities: frozenset[str]) -> bool:
            return any(
                not one.problems and qualities <= one.event.qualities
                for purpose in self.world.agreed_to(name, regime)
                for one in fold(self.events, self.use(regime, purpose)).standing
            )

        basis = self.purpose.basis_for(regime)
        facts = dict(self.facts, **({} if basis is None else {"basis": basis}))
        facts |= {"data": self.leaf.path, **self._of_purpose()}
        return Asking(
            world=self.world,
            facts=facts,
            use=self.use(regime),
            state=state,
            consent=consent,
            since=lambda right: right_since(self.events, right, self.use(regime)),
            consented=consented,
            wishes=self.mode != PLAIN,
            wishes_rights=self.mode in (BEST, WORST),
        )

    def _of_purpose(self) -> dict[str, Any]:
        purpose = self.world.purposes.get(self.request.purpose)
        if purpose is None:
            return {}
        reuses = {path for name in purpose.reuses for path in self.world.purposes_named(name, "")}
        facts = {
            "purpose": purpose.path,
            "purpose.notice": purpose.notice,
            "purpose.keep": purpose.keep,
            "purpose.reuses": sorted(reuses),
        }
        return {name: fact for name, fact in facts.items() if fact is not None}

    def askings(self, regime: str) -> list[Asking]:
        """One for each consent that stands, newest first, and one for none."""
        if self.mode in (BEST, WORST):
            return [self.asking(regime, None, State())]
        state = fold(self.events, self.use(regime))
        return [self.asking(regime, consent, state) for consent in [*state.standing, None]]

    def first_asking(self, regime: str) -> Asking:
        """The one whose reasons count when every asking ends in no."""
        asking = self.askings(regime)[0]
        if asking.consent is None and asking.state.below:
            return self.asking(regime, asking.state.below[0], asking.state)
        return asking


def facts_of(world: World, request: Request) -> dict[str, Any]:
    """What the request says, by its name in conditions."""
    principal, to, resource = request.principal, request.recipient, request.resource
    owners = {
        "principal": principal.attributes,
        "subject": request.data_subject.attributes if request.data_subject else {},
        "recipient": to.attributes if to else {},
        "resource": resource.attributes,
        "controller": _controller(world),
        "context": request.context,
        "signal": request.signals,
    }
    facts: dict[str, Any] = {
        "action": request.action,
        "channel": request.channel,
        "principal.id": principal.id,
        "principal.type": principal.kind,
        "principal.roles": sorted(principal.roles) or None,
        "principal.controller": principal.controller,
        "recipient.id": to.id if to else None,
        "recipient.roles": (sorted(to.roles) or None) if to else None,
        "recipient.country": to.country if to else None,
        "resource.id": resource.id,
        "resource.collected_at": resource.collected_at_us,
        "resource.collected_for": list(resource.collected_for) or None,
        "resource.collected_on": resource.collected_on,
    }
    for path, declared in world.attributes.items():
        owner, _, name = path.partition(".")
        sent: Any = owners.get(owner, {}).get(name)
        if sent is None and declared.default is not None:
            sent = declared.default.value  # type: ignore[union-attr]  # defaults are constants
        facts[path] = sent
    return {name: fact for name, fact in facts.items() if fact is not None}


def _controller(world: World) -> dict[str, str | None]:
    """The controller's name and country, as the mission tells them."""
    for module in world.house:
        for declared in module.declarations:
            if isinstance(declared, Mission):
                for told in declared.fields:
                    if told.name.text == "controller":
                        country = None if told.country is None else told.country.value
                        return {"name": told.value.value or None, "country": country}
    return {}
