"""The statement for machines: JSON-LD in terms of the W3C Data Privacy Vocabulary (DPV 2).

Each declared thing is one node of `@graph`; its `@id` is the anchor that it has on the page. Texts
carry their language. What DPV has no word for stands under the prefix `consentry`.

Source: https://w3id.org/dpv and its extension https://w3id.org/dpv/legal/eu/gdpr.
"""

from __future__ import annotations

import json
from typing import Final, TypeAlias

from consentry.model.program import HOUSE, Party, Program, Regime, Rule, RuleKind
from consentry.model.trees import DataNode, PurposeNode
from consentry.model.values import Duration
from consentry.publish.contents import data_roots, purpose_roots, rule_name
from consentry.publish.wording import Wording

Node: TypeAlias = dict[str, object]

CONTEXT: Final[dict[str, str]] = {
    "dpv": "https://w3id.org/dpv#",
    "dct": "http://purl.org/dc/terms/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "consentry": "urn:consentry:",
}
_BASES: Final = {
    "consent": "dpv:Consent",
    "contract": "dpv:Contract",
    "legal_obligation": "dpv:LegalObligation",
    "vital_interest": "dpv:VitalInterest",
    "public_task": "dpv:PublicInterest",
    "legitimate_interest": "dpv:LegitimateInterest",
}
_PROCESSING: Final = {
    "read": "dpv:Consult",
    "use": "dpv:Use",
    "collect": "dpv:Collect",
    "combine": "dpv:Combine",
    "derive": "dpv:Derive",
    "profile": "dpv:Profiling",
    "store": "dpv:Store",
    "delete": "dpv:Erase",
    "export": "dpv:MakeAvailable",
    "disclose": "dpv:Disclose",
    "share": "dpv:Share",
    "transfer": "dpv:Transfer",
}
_KINDS: Final = {
    RuleKind.PERMIT: ["dpv:Process", "dpv:Permission"],
    RuleKind.FORBID: ["dpv:Prohibition"],
    RuleKind.MASK: ["dpv:TechnicalMeasure"],
    RuleKind.OBLIGE: ["dpv:Obligation"],
}


def render_jsonld(program: Program, wording: Wording) -> str:
    """The document, indented; ends in a newline."""
    graph = [
        _notice(program, wording),
        *(_purpose(program, wording, node) for node in program.purposes),
        *(_data(wording, node) for node in program.data),
        *(_law(wording, regime) for regime in program.regimes if regime.index != HOUSE),
        *(_rule(program, wording, rule, "rule") for rule in program.rules),
        *(_rule(program, wording, rule, "exception") for rule in program.exceptions),
        *(_rule(program, wording, rule, "promise") for rule in program.promises),
    ]
    document = {"@context": CONTEXT, "@graph": graph}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _notice(program: Program, wording: Wording) -> Node:
    node: Node = {
        "@id": "#statement",
        "@type": "dpv:PrivacyNotice",
        "dct:title": _text(wording, wording.phrase("title")),
        "dct:identifier": f"sha256:{program.digest}",
        "dct:language": wording.language,
    }
    mission = program.mission
    if mission is not None:
        told = wording.text("mission", "text", mission.text)
        node["dct:description"] = _text(wording, told)
        node["dpv:hasDataController"] = {
            "@id": "#controller",
            "@type": "dpv:DataController",
            "dpv:hasName": mission.controller,
            "dpv:hasCountry": mission.country,
            "dpv:hasContact": mission.contact,
            "dpv:hasAddress": mission.page,
        }
    return node


def _purpose(program: Program, wording: Wording, node: PurposeNode) -> Node:
    told: Node = {
        "@id": f"#purpose-{node.path}",
        "@type": "dpv:Purpose",
        "dct:description": _text(wording, wording.text("purpose", node.path, node.text)),
        "consentry:name": node.path,
    }
    if node.benefit:
        benefit = wording.text("benefit", node.path, node.benefit)
        told["dpv:hasBenefit"] = _text(wording, benefit)
    if len(node.lineage) > 1:
        told["skos:broader"] = _ref("purpose", program.purposes[node.lineage[1]].path)
    if node.basis is not None:
        told["dpv:hasLegalBasis"] = {"@id": _BASES.get(node.basis, f"consentry:{node.basis}")}
    if node.keep is not None:
        told["dpv:hasStorageCondition"] = {
            "@type": "dpv:StorageDuration",
            "dpv:hasDuration": _duration(node.keep),
        }
    if node.consent_lasts is not None:
        told["consentry:consentLasts"] = _duration(node.consent_lasts)
    if node.notice:
        told["consentry:notice"] = node.notice
    if node.tags:
        told["consentry:tag"] = sorted(node.tags)
    return told


def _data(wording: Wording, node: DataNode) -> Node:
    told: Node = {
        "@id": f"#data-{node.path}",
        "@type": "dpv:PersonalData",
        "dct:description": _text(wording, wording.text("data", node.path, node.text)),
        "consentry:name": node.path,
    }
    if len(node.lineage) > 1:
        told["skos:broader"] = _ref("data", node.lineage[1])
    if node.categories:
        told["consentry:category"] = list(node.categories)
    return told


def _law(wording: Wording, regime: Regime) -> Node:
    return {
        "@id": f"#law-{regime.name}",
        "@type": "dpv:Law",
        "dct:description": _text(wording, wording.text("regime", regime.name, regime.text)),
        "dct:hasVersion": regime.version,
        "consentry:name": regime.name,
    }


def _rule(program: Program, wording: Wording, rule: Rule, kind: str) -> Node:
    name = rule_name(program, rule)
    types = _KINDS[rule.kind]
    if kind == "exception":
        types = ["dpv:Rule"]
    told: Node = {
        "@id": f"#{kind}-{name}",
        "@type": [*types, f"consentry:{kind}"],
        "dct:description": _text(wording, wording.text("rule", name, rule.text)),
        "consentry:name": name,
    }
    if rule.regime != HOUSE:
        told["dpv:hasApplicableLaw"] = _ref("law", program.regimes[rule.regime].name)
    if rule.purposes is not None:
        purposes = purpose_roots(program, rule.purposes)
        told["dpv:hasPurpose"] = [_ref("purpose", node.path) for node in purposes]
    if rule.data is not None:
        nodes = data_roots(program, rule.data)
        told["dpv:hasPersonalData"] = [_ref("data", node.path) for node in nodes]
    if rule.actions is not None:
        told["dpv:hasProcessing"] = [
            {"@id": _PROCESSING.get(action, f"consentry:{action}")}
            for action in sorted(rule.actions)
        ]
    if rule.recipients:
        told["dpv:hasRecipient"] = [_party(wording, party) for party in rule.recipients]
    if rule.who:
        told["dpv:isImplementedByEntity"] = [_party(wording, party) for party in rule.who]
    if rule.bases:
        told["dpv:hasLegalBasis"] = [
            {"@id": _BASES.get(basis, f"consentry:{basis}")} for basis in sorted(rule.bases)
        ]
    if rule.keep is not None:
        told["dpv:hasStorageCondition"] = {
            "@type": "dpv:StorageDuration",
            "dpv:hasDuration": _duration(rule.keep),
        }
    if rule.mask is not None:
        told["consentry:mask"] = _text(wording, wording.mask(rule.mask))
    if rule.cite:
        told["dct:source"] = rule.cite
    return told


def _party(wording: Wording, party: Party) -> Node:
    return {"@type": "dpv:LegalEntity", "dpv:hasName": wording.party(party)}


def _text(wording: Wording, text: str) -> Node:
    return {"@value": text, "@language": wording.language}


def _ref(kind: str, name: str) -> Node:
    return {"@id": f"#{kind}-{name}"}


def _duration(length: Duration) -> Node:
    """An xsd:duration."""
    years, months = divmod(length.months, 12)
    days, micros = divmod(length.micros, 86_400_000_000)
    text = "P" + (f"{years}Y" if years else "") + (f"{months}M" if months else "")
    text += f"{days}D" if days else ""
    if micros or text == "P":
        text += f"T{micros // 1_000_000}S"
    return {"@value": text, "@type": "xsd:duration"}
