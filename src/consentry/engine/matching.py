"""Whether a rule's clauses hold for one question: false, unknown or true.

What a request leaves out is unknown, not unmatched: roles, the controller acted for, the channel of
a contact, and the recipient of a disclosure. So a missing fact can only narrow.
"""

from __future__ import annotations

from collections.abc import Mapping

from consentry.engine.linked_rule import LinkedRule
from consentry.engine.run import Run, in_force
from consentry.model.facts import Facts
from consentry.model.tri import FALSE, TRUE, UNKNOWN, Tri


def applies(rule: LinkedRule, run: Run) -> Tri:
    """All clauses of the rule that do not stand in its group, by Kleene's `and`."""
    # PERF: the common shapes first.
    if rule.only_tests is not None:
        return rule.only_tests[run.mode](run.facts)
    if rule.is_plain:
        return TRUE
    result = TRUE
    if rule.who is not None and (result := match_who(rule, run)) == FALSE:
        return FALSE
    if rule.channels is not None and run.facts.channel not in rule.channels:
        match = match_via(rule, run)
        if match == FALSE:
            return FALSE
        result = min(result, match)
    if rule.recipients is not None:
        match = match_to(rule, run)
        if match == FALSE:
            return FALSE
        result = min(result, match)
    if not rule.has_when:
        return result
    holds = match_when(rule, run)
    return holds if holds < result else result  # noqa: FURB136 - PERF: `min` costs four times this


def match_parties(rule: LinkedRule, run: Run) -> Tri:
    """Who asks, over which channel and to whom, by Kleene's `and`."""
    return min(match_who(rule, run), match_via(rule, run), match_to(rule, run))


def match_when(rule: LinkedRule, run: Run) -> Tri:
    """The rule's dates and its condition, in the form that `run.mode` asks for."""
    facts = run.facts
    if (rule.from_us is not None or rule.until_us is not None) and not in_force(
        facts, rule.from_us, rule.until_us
    ):
        return FALSE
    return TRUE if rule.tests is None else rule.tests[run.mode](facts)


def match_who(rule: LinkedRule, run: Run) -> Tri:
    """Whether the principal is one of those that `who` names."""
    who = rule.who
    if who is None:
        return TRUE
    facts = run.facts
    if (facts.principal_kind, facts.principal_id) in who or not who.isdisjoint(run.party_keys):
        return TRUE
    if rule.who_names_role and facts.principal_roles is None:
        return UNKNOWN
    if rule.who_names_controller and facts.principal_controller is None:
        return UNKNOWN
    return FALSE


def match_via(rule: LinkedRule, run: Run) -> Tri:
    """Whether the channel is one of those that `via` names."""
    channels = rule.channels
    channel = run.facts.channel
    if channels is None:
        return TRUE
    if channel is None:
        return UNKNOWN if run.is_contact else FALSE
    return TRUE if channel in channels else FALSE


def match_to(rule: LinkedRule, run: Run) -> Tri:
    """Whether the recipient is one of those that `to` names.

    Recipients have an id, roles and a country; `service "x"` and its like name the id `x`, and
    without a name a kind, which a request does not tell of recipients.
    """
    if rule.recipients is None:
        return TRUE
    if not run.has_recipient:
        return UNKNOWN if run.is_disclosure else FALSE
    facts = run.facts
    result: Tri = FALSE
    if rule.to_ids:
        if facts.recipient_id in rule.to_ids:
            return TRUE
        if facts.recipient_id is None or "" in rule.to_ids:
            result = UNKNOWN
    if rule.to_roles:
        if facts.recipient_roles is None:
            result = UNKNOWN
        elif not rule.to_roles.isdisjoint(facts.recipient_roles):
            return TRUE
    if rule.to_countries:
        if facts.recipient_country is None:
            result = UNKNOWN
        elif facts.recipient_country in rule.to_countries:
            return TRUE
    return result


def missing_facts(rule: LinkedRule, run: Run) -> tuple[str, ...]:
    """What the request left out that this rule wanted to know, each once, in order of clauses."""
    facts = run.facts
    missing = []
    if rule.who is not None and match_who(rule, run) == UNKNOWN:
        if rule.who_names_role and facts.principal_roles is None:
            missing.append("principal.roles")
        if rule.who_names_controller and facts.principal_controller is None:
            missing.append("principal.controller")
    if rule.channels is not None and match_via(rule, run) == UNKNOWN:
        missing.append("channel")
    if rule.recipients is not None and match_to(rule, run) == UNKNOWN:
        missing.append("recipient")
    missing += [path for path in rule.reads if is_absent(path, facts)]
    return tuple(dict.fromkeys(missing))


def is_absent(path: str, facts: Facts) -> bool:
    """Whether the request does not say what `path` (`subject.country`, `channel`) names."""
    owner, _, name = path.partition(".")
    if not name:
        return getattr(facts, owner, path) is None
    built_in = _BUILT_IN.get(path)
    if built_in is not None:
        return getattr(facts, built_in) is None
    attributes = getattr(facts, owner, None)
    return isinstance(attributes, Mapping) and attributes.get(name) is None


_BUILT_IN = {
    "principal.id": "principal_id",
    "principal.type": "principal_kind",
    "principal.roles": "principal_roles",
    "principal.controller": "principal_controller",
    "subject.id": "subject_id",
    "recipient.id": "recipient_id",
    "recipient.roles": "recipient_roles",
    "recipient.country": "recipient_country",
    "resource.id": "resource_id",
    "resource.collected_at": "collected_at_us",
    "resource.collected_for": "collected_for",
    "resource.collected_on": "collected_on",
}
