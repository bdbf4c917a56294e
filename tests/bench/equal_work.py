"""The same work for every engine: one policy, written in each one's own words, and one question.

Rule `i` of `n` says: role `r<i>` may read category `c<i // 10>` for purpose `p<i>`, when the region
is one of two, and when the person consented. Ours looks the consent up in its ledger, with expiry
and scope; to the others it is told as a fact of the request, which is less work than ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consentry.v1 import authorization_pb2, consent_pb2, decision_pb2

RULE_COUNTS: Final = (10, 100, 1_000, 10_000)
REGIONS: Final = ("DE", "FR")
PERSON: Final = "person-1"
GROUP: Final = 10


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a set of `rule_count` rules: the rule in the middle, or one near it."""

    rule_count: int
    has_consent: bool = True
    region: str = REGIONS[0]

    @property
    def rule(self) -> int:
        """Which rule is asked about."""
        return self.rule_count * 56 // 100

    @property
    def category(self) -> str:
        """The data category of that rule."""
        return f"c{self.rule // GROUP}"

    @property
    def purpose(self) -> str:
        """The purpose of that rule."""
        return f"p{self.rule}"

    @property
    def role(self) -> str:
        """The role of that rule."""
        return f"r{self.rule}"

    @property
    def facts(self) -> dict[str, object]:
        """The question as plain values, for engines that are told everything."""
        return {
            "id": "caller-1",
            "role": self.role,
            "action": "read",
            "category": self.category,
            "purpose": self.purpose,
            "region": self.region,
            "consent": self.has_consent,
        }


# --- ours ---------------------------------------------------------------------------------------


FILE_RULES: Final = 2_500
"""Rules in one file of ours, which may have a mebibyte."""


def consentry_files(rule_count: int) -> dict[str, str]:
    """The policy set in our language: texts by file name."""
    categories = " ".join(f"c{number}" for number in range(-(-rule_count // GROUP)))
    words = [
        "attributes principal { region: text? }",
        f'set regions = ["{REGIONS[0]}", "{REGIONS[1]}"]',
        f"data d {{ {categories} }}",
    ]
    files = {"words.policy": "\n".join(words) + "\n"}
    for start in range(0, rule_count, FILE_RULES):
        lines = []
        for number in range(start, min(rule_count, start + FILE_RULES)):
            lines.append(f"purpose p{number} {{ basis consent }}")
            lines.append(
                f'permit x{number} {{ who role "r{number}" may read data d.c{number // GROUP}'
                f" for p{number} when has principal.region and principal.region in regions }}"
            )
        files[f"rules_{start:06}.policy"] = "\n".join(lines) + "\n"
    return files


def consentry_request(question: Question, number: int = 0) -> authorization_pb2.CheckRequest:
    """The question in our protocol; `number` makes its bytes differ, not its answer."""
    return authorization_pb2.CheckRequest(
        principal=decision_pb2.Principal(
            id="caller-1",
            type="service",
            roles=[question.role],
            attributes=[
                decision_pb2.Attribute(
                    name="region", value=decision_pb2.Value(text=question.region)
                )
            ],
        ),
        action="read",
        data=[f"d.{question.category}"],
        subject=decision_pb2.DataSubject(id=PERSON if question.has_consent else "nobody"),
        purpose=question.purpose,
        resource=decision_pb2.Resource(id=f"record-{number:08d}"),
    )


def consentry_consent(question: Question) -> consent_pb2.ConsentEvent:
    """The consent that the question rests on."""
    return consent_pb2.ConsentEvent(
        kind=consent_pb2.EVENT_KIND_GIVEN,
        subject=PERSON,
        scope=consent_pb2.ConsentScope(purpose=question.purpose),
        proof=consent_pb2.Proof(method="form"),
        idempotency_key="equal-work",
    )


# --- Cerbos -------------------------------------------------------------------------------------


def write_cerbos(rule_count: int, folder: Path) -> None:
    """One resource policy a category, each with its rules."""
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, rule_count, GROUP):
        rules = []
        for number in range(start, min(start + GROUP, rule_count)):
            checks = [
                f'R.attr.purpose == "p{number}"',
                f"P.attr.region in {json.dumps(REGIONS)}",
                "R.attr.consent == true",
            ]
            rules.append(
                {
                    "actions": ["read"],
                    "effect": "EFFECT_ALLOW",
                    "roles": [f"r{number}"],
                    "condition": {"match": {"all": {"of": [{"expr": c} for c in checks]}}},
                }
            )
        policy = {
            "apiVersion": "api.cerbos.dev/v1",
            "resourcePolicy": {
                "resource": f"c{start // GROUP}",
                "version": "default",
                "rules": rules,
            },
        }
        (folder / f"c{start // GROUP}.json").write_text(json.dumps(policy))


# --- OPA ----------------------------------------------------------------------------------------


def rego_text(rule_count: int) -> str:
    """The policy in Rego: one rule body each, as its indexer likes them."""
    regions = ", ".join(f'"{region}"' for region in REGIONS)
    lines = ["package bench", "", "default allow := false", "", f"regions := {{{regions}}}", ""]
    lines += [
        f'allow if {{ input.action == "read"; input.category == "c{number // GROUP}";'
        f' input.purpose == "p{number}"; input.role == "r{number}";'
        " regions[input.region]; input.consent == true }"
        for number in range(rule_count)
    ]
    return "\n".join(lines) + "\n"


# --- Cedar --------------------------------------------------------------------------------------


def cedar_text(rule_count: int) -> str:
    """The policy in Cedar."""
    regions = json.dumps(list(REGIONS))
    return "\n".join(
        f'permit(principal in Role::"r{number}", action == Action::"read",'
        f' resource == Category::"c{number // GROUP}")'
        f' when {{ context.purpose == "p{number}" && {regions}.contains(context.region)'
        " && context.consent };"
        for number in range(rule_count)
    )


# --- Casbin -------------------------------------------------------------------------------------

CASBIN_MODEL: Final = f"""
[request_definition]
r = role, category, action, purpose, region, consent

[policy_definition]
p = role, category, action, purpose

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.role == p.role && r.category == p.category && r.action == p.action && \
r.purpose == p.purpose && (r.region == "{REGIONS[0]}" || r.region == "{REGIONS[1]}") && \
r.consent == "yes"
"""


def casbin_text(rule_count: int) -> str:
    """The policy lines."""
    return "\n".join(
        f"p, r{number}, c{number // GROUP}, read, p{number}" for number in range(rule_count)
    )
