"""How the words of scenarios are said in the policy language."""

from __future__ import annotations

from typing import Final

PACKS: Final[dict[str, tuple[str, ...]]] = {
    "GDPR": ("gdpr", "eprivacy", "dsa", "tcf"),
    "UK_GDPR": ("uk_gdpr", "uk_pecr"),
    "CCPA": ("ccpa",),
    "US_MD": ("us_md",),
    "US_CO": ("us_co",),
    "COPPA": ("coppa",),
    "LGPD": ("lgpd",),
    "PDPA_TH": ("pdpa_th",),
}
"""The packs that a law in `facts.packs` stands for: its own, and those that go with it."""

EFFECTS: Final[dict[str, str]] = {
    "automated_decision": "automated_decision",
    "cross_context_ads": "targeted_advertising",
    "direct_marketing": "direct_marketing",
    "profiling": "profiling",
    "profiling_ads": "profiled_advertising",
    "sale": "sale",
    "share": "sharing",
    "targeted_ads": "targeted_advertising",
}
"""Tags of a purpose, by the effect of an activity."""

FLAGS: Final[dict[str, str]] = {
    "adm_safeguards": "decision_safeguards",
    "annex1": "recognised_interest",
    "best_interest": "best_interest_assessed",
    "counselling": "counselling",
    "economic_gain": "economic_gain",
    "financial_incentive": "financial_incentive",
    "iss": "online_service",
    "minor_may_act_alone": "minor_may_agree_alone",
    "notice_given": "notice_given",
    "research_safeguards": "research_safeguards",
    "separate_consent": "separate_consent",
    "strictly_necessary": "strictly_necessary",
}
"""Tags of a purpose, by the flag of an activity. Any value but false and null sets a flag."""

SPECIAL_CONDITIONS: Final[dict[str, str]] = {
    "employment": "special_employment",
    "vital_interest": "special_vital_interest",
    "association": "special_association",
    "made_public": "special_made_public",
    "legal_claims": "special_claims",
    "substantial_public_interest": "special_public_interest",
    "health_care": "special_health_care",
    "public_health": "special_public_health",
    "research": "special_research",
}
"""Tags of a purpose, by the condition (`art9`) on which it uses specially protected data."""

SERVICES: Final[dict[str, str]] = {"online_platform": "online_platform"}
"""Tags of a purpose, by the kind of service (`service.kind`)."""

ACTIONS: Final[dict[str, str]] = {
    "automated_decision": "decide",
    "store_on_device": "access_device",
}
"""Actions with another name in the vocabulary."""

STATES: Final[dict[str, str]] = {
    "requested": "requested",
    "deferred": "requested",
    "given": "given",
    "renewed": "given",
    "unknown": "given",
    "refused": "refused",
    "withdrawn": "withdrawn",
    "revoked": "withdrawn",
}
"""Kinds of events, by the state of a consent. `unknown` is one without proof."""

TCF_PURPOSES: Final[dict[int, str]] = {
    1: "functional.storage",
    2: "marketing.advertising.first_party.contextual",
    3: "marketing.advertising.profiling",
    4: "marketing.advertising.third_party.targeted",
    5: "personalize.content.profiling",
    6: "personalize.content.profiled",
    7: "analytics.reporting.ad_performance",
    8: "analytics.reporting.content_performance",
    9: "analytics.reporting.campaign_insights",
    10: "functional.service.improve",
    11: "personalize.content.limited",
}
"""Standard data uses, by the purpose of a TC string: the map that fideslang ships."""
