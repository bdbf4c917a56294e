"""Random houses under the laws that are shipped, and requests with facts that laws ask about."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from generated import draw_exception, draw_request, draw_rule

from consentry.model.request import DataSubject, Recipient, Request
from consentry.model.values import Value

LAWS = ["gdpr", "uk_gdpr", "eprivacy", "lgpd", "pdpa_th", "ccpa", "us_co", "us_md", "coppa", "dsa"]
PLACES = ["DE", "FR", "GB", "US", "BR", "TH"]
STATES = ["CA", "CO", "MD", "NY"]
BASES = ["consent", "contract", "legal_obligation", "legitimate_interest", "vital_interest"]
# Laws whose permits name these bases; the others take any.
NAMING = {"gdpr", "uk_gdpr", "lgpd", "pdpa_th"}

_TREES = """
tag loyalty "Of the loyalty scheme"
attributes principal {{ region: text?, level: number?, vip: flag?, joined: date?, addr: ip?,
    langs: list of text?, duties: list of purpose? }}
attributes context {{ ticket: text?, score: number = 5, ok: flag? }}
set partners = ["DE", "FR" from 2026-06-02, "US" until 2026-06-20]
set special = [user.health_and_medical, customer.tier]
set promotions = [ads.mail, audit]
data customer {{
    contact {{ email as user.contact.email  phone as user.contact.phone_number }}
    health as user.health_and_medical {{ allergies }}
    tier is loyalty
}}
purpose service as essential.service {{ basis {0} purpose support {{ {1} }} }}
purpose ads as marketing.advertising {{
    basis {2}
    {3}
    purpose mail as marketing.communications.email
    purpose text {{ {1} }}
    purpose picks as marketing.advertising.profiling is profiling
}}
purpose audit {{ basis {4} keep 2 years }}
"""


def draw_lawful_policies(random: Random) -> str:
    """The text of a house that uses one to four laws."""
    laws = random.sample(LAWS, random.randint(1, 4))
    if not NAMING & set(laws):
        laws.append(random.choice(sorted(NAMING)))
    bases = BASES
    ground = [random.choice([*bases, "consent", "consent"]) for _ in range(3)]
    support = random.choice(["", "keep 30 days", "consent lasts 1 years"])
    notice = random.choice(["", 'notice "4"', 'notice "4" material since "3.1"'])
    head = f'mission "We serve." {{ controller "Acme" in "{random.choice(PLACES)}" }}\n'
    parts = [_TREES.format(ground[0], support, ground[1], notice, ground[2])]
    if random.random() < 0.8:
        parts.append("permit broad { who anyone may anything data anything for anything }")
    parts += [draw_rule(random, "permit", f"p{n}", bases) for n in range(random.randint(0, 3))]
    forbids = [f"f{number}" for number in range(random.choice([0, 1, 2]))]
    parts += [draw_rule(random, "forbid", name, bases) for name in forbids]
    parts += [draw_rule(random, "mask", f"m{n}", bases) for n in range(random.randint(0, 2))]
    parts += [draw_rule(random, "oblige", f"o{n}", bases) for n in range(random.randint(0, 2))]
    if forbids and random.random() < 0.5:
        parts.append(draw_exception(random, random.choice(forbids), bases))
    if len(parts) == 1:  # a set without any rule is refused
        parts.append(draw_rule(random, "permit", "p0", bases))
    random.shuffle(parts)
    return f"use {', '.join(laws)}\n{head}" + "\n".join(parts)


def draw_lawful_request(random: Random) -> Request:
    """A request that tells some of what laws ask about."""
    request = draw_request(random)

    def said(chance: float, **facts: Value) -> dict[str, Value]:
        return {name: value for name, value in facts.items() if random.random() < chance}

    person = request.data_subject
    assert person is not None
    own = dict(person.attributes) | said(
        0.8,
        country=random.choice(PLACES),
        state=random.choice(STATES),
        adult=random.random() < 0.7,
        customer=random.random() < 0.5,
    )
    to = request.recipient
    if to is not None:
        country = random.choice([None, *PLACES])
        bound = said(0.7, contract=random.random() < 0.7, safeguard="scc", transfer_assessed=True)
        to = Recipient(id=to.id, roles=to.roles, country=country, attributes=bound)
    resource = replace(request.resource, attributes=said(0.5, opt_out_offered=True))
    return replace(
        request,
        action=random.choice(["read", "contact", "share", "sell", "use", "transfer"]),
        data_subject=DataSubject(id=person.id, attributes=own),
        recipient=to,
        resource=resource,
        signals=said(0.4, gpc=random.random() < 0.5, sale_notice=True, sharing_notice=True),
    )
