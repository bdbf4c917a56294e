"""Random policy sets as text, histories and requests, all drawn from one `Random`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from ipaddress import ip_address
from random import Random

from consentry.model.consent import Author, ConsentEvent, EventKind, Proof, RecipientScope, Scope
from consentry.model.request import DataSubject, Principal, Recipient, Request, Resource
from consentry.model.values import MICROS_PER_DAY, Value, midnight_us

NOW_US = midnight_us(date(2026, 6, 1)) + 12 * 3_600_000_000
DATES = ["2025-01-01", "2026-05-31", "2026-06-01", "2026-06-02", "2026-06-20", "2027-01-01"]
ACTIONS = ["read", "contact", "share"]
CHANNELS = ["email", "sms", "post"]
COUNTRIES = ["DE", "FR", "US"]
BASES = ["consent", "contract", "legal_obligation", "legitimate_interest"]
DATA = [
    "customer", "customer.contact", "customer.contact.email", "customer.contact.phone",
    "customer.health", "customer.health.allergies", "customer.tier",
]  # fmt: skip
DATA_NAMES = [*DATA, "user.contact", "user.health_and_medical", "loyalty", "special"]
PURPOSES = ["service", "service.support", "ads", "ads.mail", "ads.text", "ads.picks", "audit"]
PURPOSE_NAMES = [*PURPOSES, "marketing", "direct_marketing", "profiling", "promotions"]
DURATIONS = ["1 days", "30 days", "6 months", "1 years", "2 years"]


def draw_policies(random: Random) -> str:
    """The text of a whole policy set that compiles without an error."""
    own_regimes = random.choice([0, 0, 1, 2, 2, 3])
    bases = BASES if own_regimes == 0 else BASES[: random.randint(2, 4)]
    parts = [_attributes(), _data(), _purposes(random, bases)]
    forbids = [f"f{number}" for number in range(random.choice([0, 0, 1, 2]))]
    if random.random() < 0.6:
        parts.append("permit broad { who anyone may anything data anything for anything }")
    parts += [draw_rule(random, "permit", f"p{n}", bases) for n in range(random.randint(1, 6))]
    parts += [draw_rule(random, "forbid", name, bases) for name in forbids]
    parts += [draw_rule(random, "mask", f"m{n}", bases) for n in range(random.randint(0, 3))]
    parts += [draw_rule(random, "oblige", f"o{n}", bases) for n in range(random.randint(0, 3))]
    if forbids and random.random() < 0.5:
        parts.append(draw_exception(random, random.choice(forbids), bases))
    parts += [_regime(random, number, bases) for number in range(own_regimes)]
    random.shuffle(parts)
    return "\n".join(parts)


def _attributes() -> str:
    return """
tag loyalty "Of the loyalty scheme"
attributes principal { region: text?, level: number?, vip: flag?, joined: date?, addr: ip?,
    langs: list of text?, duties: list of purpose? }
attributes subject { country: text?, born: date? }
attributes context { ticket: text?, score: number = 5, ok: flag? }
set partners = ["DE", "FR" from 2026-06-02, "US" until 2026-06-20]
set special = [user.health_and_medical, customer.tier]
set promotions = [ads.mail, audit]
"""


def _data() -> str:
    return """
data customer {
    contact { email as user.contact.email  phone as user.contact.phone_number }
    health as user.health_and_medical { allergies }
    tier is loyalty
}
"""


def _purposes(random: Random, bases: Sequence[str]) -> str:
    def body(*, is_root: bool) -> str:
        clauses = []
        if is_root or random.random() < 0.3:
            basis = random.choice([*bases, "consent", "consent"])
            clauses.append(f"basis {basis}" if random.random() < 0.9 else "")
        if random.random() < 0.25:
            clauses.append(f"keep {random.choice(DURATIONS)}")
        if random.random() < 0.3:
            clauses.append(f"consent lasts {random.choice(DURATIONS)}")
        if random.random() < 0.3:
            since = random.choice(["", ' material since "2"', ' material since "3.1"'])
            clauses.append(f'notice "4"{since}')
        if random.random() < 0.2:
            clauses.append(f"reuses {_some(random, PURPOSES, 2)}")
        return " ".join(clauses)

    tags = random.choice(["", " is profiling", " is profiling, separate_consent"])
    return f"""
purpose service as essential.service {{ {body(is_root=True)}
    purpose support {{ {body(is_root=False)} }}
}}
purpose ads as marketing {{ {body(is_root=True)}
    purpose mail as marketing.communications.email {{ {body(is_root=False)} }}
    purpose text {{ {body(is_root=False)} }}
    purpose picks{tags} {{ {body(is_root=False)} }}
}}
purpose audit {{ {body(is_root=True)} }}
"""


def _some(random: Random, items: Sequence[str], most: int = 3) -> str:
    return ", ".join(random.sample(list(items), random.randint(1, min(most, len(items)))))


def draw_rule(
    random: Random, word: str, name: str, bases: Sequence[str], *, is_law: bool = False
) -> str:
    is_required = word == "permit" and not is_law
    clauses = []

    def may_have(chance: float, text: str, fallback: str = "") -> None:
        if random.random() < chance:
            clauses.append(text)
        elif is_required and fallback:
            clauses.append(fallback)

    who = ['service "mailer"', 'role "support"', "person", 'controller "acme"', "service"]
    to = ['recipient "ads"', 'role "processor"', 'country "US"']
    may_have(0.4 if not is_law else 0.15, f"who {_some(random, who, 2)}", "who anyone")
    may_have(0.6 if not is_law else 0.25, f"may {_some(random, ACTIONS, 2)}", "may anything")
    may_have(0.6 if not is_law else 0.25, f"data {_some(random, DATA_NAMES, 2)}", "data anything")
    may_have(0.7 if not is_law else 0.3, f"for {_some(random, PURPOSE_NAMES, 2)}", "for anything")
    may_have(0.15, f"via {_some(random, CHANNELS, 2)}")
    may_have(0.15, f"to {_some(random, to, 2)}")
    may_have(0.6 if is_law and word == "permit" else 0.2, f"basis {_some(random, bases, 2)}")
    role = {"permit": "permit", "exception": "permit"}.get(word, "forbid")
    may_have(0.95 if word == "forbid" else 0.35, f"when {draw_condition(random, role)}")
    may_have(0.2, f"unless {draw_condition(random, 'forbid' if role == 'permit' else 'permit')}")
    may_have(0.08, f"from {random.choice(DATES[:4])}")
    may_have(0.08, f"until {random.choice(DATES[4:])}")
    if word == "mask":
        clauses.append(f"as {random.choice(['redact', 'last 4', 'last 2', 'hash'])}")
    if word == "permit" and not is_law:
        may_have(0.2, f"keep {random.choice(DURATIONS)}")
    if word == "oblige":
        codes = ["consent_missing", "condition_not_met", "data_not_necessary", "objected"]
        may_have(0.4, f"on {_some(random, codes, 2)}")
    codes = {"forbid": ["objected", "prohibited_by_law", "explicit_consent_required"]}.get(word, [])
    code = f" as {random.choice(codes)}" if codes and random.random() < 0.3 else ""
    return f"{word} {name}{code} {{ {' '.join(clauses)} }}"


def draw_exception(random: Random, lifted: str, bases: Sequence[str]) -> str:
    rule = draw_rule(random, "exception", "lifting", bases)
    rule = rule.split(" until ")[0].rstrip("} ") if " until " in rule else rule.rstrip("} ")
    end = random.choice(DATES[3:])
    if " from " in rule:
        rule = rule.split(" from ")[0]
    return f'{rule} lifts {lifted} owner "dpo" cite "x" until {end} }}'


def _regime(random: Random, number: int, bases: Sequence[str]) -> str:
    clauses = []
    choice = random.random()
    if choice < 0.5:
        clauses.append(f"governs {_atoms_of_subject(random)}")
    elif choice < 0.9 and number:
        clauses.append("governs otherwise")
    if random.random() < 0.15:
        clauses.append(f"from {random.choice(DATES[:4])}")
    if random.random() < 0.15:
        clauses.append(f"until {random.choice(DATES[4:])}")
    rules = []
    if number == 0 or random.random() < 0.7:
        # Every basis has a regime that knows it, else naming it would be an error.
        rules.append("permit g_given { basis consent when consent.given }")
        for place, basis in enumerate(bases[1:]):
            rules.append(f"permit g{place} {{ basis {basis} }}")
        rules += [
            draw_rule(random, "permit", f"x{n}", bases, is_law=True)
            for n in range(random.randint(0, 2))
        ]
    for word in ("forbid", "mask", "oblige"):
        rules += [
            draw_rule(random, word, f"{word}_{n}", bases, is_law=True)
            for n in range(random.choice([0, 0, 1]))
        ]
    return f"regime law{number} {{ {' '.join(clauses)} {' '.join(rules)} }}"


def draw_condition(random: Random, role: str, depth: int = 2) -> str:
    """A condition whose `rights` and the like stand on the side that the role allows."""
    kind = random.random()
    if depth and kind < 0.25:
        word = random.choice([" and ", " or "])
        parts = [draw_condition(random, role, depth - 1) for _ in range(random.randint(2, 3))]
        return "(" + word.join(parts) + ")"
    if depth and kind < 0.4:
        other = "forbid" if role == "permit" else "permit"
        return f"not ({draw_condition(random, other, depth - 1)})"
    if kind < 0.65:
        return _atom_of_person(random, role)
    return random.choice([_atoms_of_subject, _atom_of_request])(random)


def _atom_of_person(random: Random, role: str) -> str:
    """An atom about consent or rights, true where it may widen (`permit`) or narrow (`forbid`)."""
    purpose = random.choice(PURPOSES)
    free = ["consent.given", "consent is explicit", "consent is informed"]
    free += [f"consent.data is {random.choice(DATA_NAMES)}", "recipient.id in consent.recipient"]
    rights = random.sample(["objected", "opted_out", "limited", "restricted", "erased"], 2)
    if role == "permit":
        widening = ["consent.jointly", f"consented({purpose})", f"consented({purpose}, explicit)"]
        widening += [f"consent.given_at > rights.{rights[0]}_at", "rights.held"]
        widening.append("rights.overridden_at >= rights.objected_at")
        return random.choice([*free, *widening])
    narrowing = ["consent.said_no", *(f"rights.{right}" for right in rights)]
    narrowing.append(f"rights.{rights[0]}_at >= consent.given_at")
    return random.choice([*free, *narrowing])


def _atoms_of_subject(random: Random) -> str:
    day = random.choice(DATES)
    return random.choice(
        [
            f'subject.country == "{random.choice(COUNTRIES)}"',
            'subject.country in ["DE", "FR"]',
            "subject.country in partners",
            "has subject.country",
            f"age(subject.born) < {random.choice([16, 18, 20])} years",
            f"age(subject.born) >= {random.choice([16, 18])} years",
            "subject.born < 2000-01-01",
            f"now < {day}",
            f"now >= {day}",
        ]
    )


def _atom_of_request(random: Random) -> str:
    return random.choice(
        [
            f'principal.region != "{random.choice(COUNTRIES)}"',
            "principal.region == subject.country",
            f"principal.level {random.choice(['<', '<=', '>', '>=', '==', '!='])} 3",
            "principal.vip",
            "has principal.level",
            "principal.joined < 2026-01-01",
            "principal.joined + 30 days < now",
            'principal.addr in ["10.0.0.0/8", "2001:db8::/32"]',
            'principal.langs overlaps ["de", "fr"]',
            'principal.langs within ["de", "fr"]',
            '"de" in principal.langs',
            'context.ticket like "TEST-*"',
            'context.ticket like "?1*"',
            "context.score > 4",
            "context.ok",
            f"purpose is {random.choice(PURPOSE_NAMES)}",
            f"data is {random.choice(DATA_NAMES)}",
            "data in special",
            "purpose in [service, marketing]",
            "purpose in principal.duties",
            "purpose in resource.collected_for",
            "resource.collected_for overlaps purpose.reuses",
            "resource.collected_on == consent",
            "has resource.collected_for",
            'now between 09:00 and 17:00 in "Europe/Berlin"',
            'now between 20:00 and 06:00 in "America/New_York"',
            f"channel == {random.choice(CHANNELS)}",
            f"action == {random.choice(ACTIONS)}",
        ]
    )


# --- requests and histories --------------------------------------------------------------------


def draw_request(random: Random) -> Request:
    """A well-formed request; now and then for something that is not declared."""
    to = None
    if random.random() < 0.5:
        to = Recipient(
            id=random.choice([None, "ads", "other"]),
            roles=frozenset(random.sample(["processor", "partner"], random.randint(0, 2))),
            country=random.choice([None, *COUNTRIES]),
        )
    is_odd = random.random() < 0.02
    return Request(
        principal=Principal(
            id=random.choice(["mailer", "ana"]),
            kind=random.choice(["service", "service", "person"]),
            roles=frozenset(random.sample(["support", "audit"], random.randint(0, 2))),
            controller=random.choice([None, "acme", "other"]),
            attributes=_maybe(
                random,
                region=random.choice(COUNTRIES),
                level=random.randint(1, 5),
                vip=random.random() < 0.5,
                joined=date(2026, random.randint(1, 6), random.randint(1, 28)),
                addr=ip_address(random.choice(["10.1.2.3", "192.0.2.1", "2001:db8::1"])),
                langs=tuple(random.sample(["de", "fr", "en"], random.randint(0, 2))),
                duties=tuple(random.sample([*PURPOSES, "fun"], random.randint(0, 2))),
            ),
        ),
        action=random.choice(ACTIONS) if not is_odd else random.choice(["sing", "read"]),
        data=tuple(random.sample(DATA, random.choice([1, 1, 2]))),
        data_subject=DataSubject(
            id="ada",
            attributes=_maybe(
                random,
                country=random.choice(COUNTRIES),
                born=random.choice([date(1990, 4, 1), date(2010, 6, 2), date(2008, 6, 1)]),
            ),
        ),
        purpose=random.choice(PURPOSES) if not is_odd else random.choice(["", "fun", "ads"]),
        channel=random.choice([None, *CHANNELS]),
        recipient=to,
        resource=Resource(
            collected_at_us=random.choice([None, NOW_US - random.randint(0, 800) * MICROS_PER_DAY]),
            collected_for=tuple(random.sample([*PURPOSES, "fun"], random.randint(0, 2))),
            collected_on=random.choice([None, "consent", "contract"]),
        ),
        context=_maybe(
            random,
            ticket=random.choice(["TEST-1", "A1-B"]),
            score=random.randint(1, 9),
            ok=random.random() < 0.5,
        ),
        partial=random.random() < 0.3,
    )


def _maybe(random: Random, **attributes: Value) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if random.random() < 0.7}


KINDS = [
    *[EventKind.GIVEN] * 6, EventKind.WITHDRAWN, EventKind.WITHDRAWN, EventKind.REFUSED,
    EventKind.REQUESTED, EventKind.OBJECTED, EventKind.OBJECTION_LIFTED, EventKind.OPTED_OUT,
    EventKind.OPTED_IN, EventKind.LIMITED, EventKind.LIMIT_LIFTED, EventKind.RESTRICTED,
    EventKind.RESTRICTION_LIFTED, EventKind.ERASED, EventKind.OBJECTION_OVERRIDDEN,
    EventKind.HELD, EventKind.HELD, EventKind.HOLD_LIFTED,
]  # fmt: skip


def draw_events(random: Random) -> list[ConsentEvent]:
    """A history that was received by now; ties in time are frequent."""
    return [draw_event(random, position) for position in range(1, random.choice([1, 2, 3, 5, 8]))]


def draw_event(random: Random, position: int, kind: EventKind | None = None) -> ConsentEvent:
    kind = kind or random.choice(KINDS)
    happened = NOW_US - random.choice([-20, -1, 0, 0, 1, 1, 2, 2, 40, 400]) * MICROS_PER_DAY
    # Two consents never share a time (nothing says which is newer); all else may.
    happened += position if kind is EventKind.GIVEN else random.randint(0, 4)
    received = min(NOW_US, happened + random.choice([0, 0, 0, 1, 2]) * MICROS_PER_DAY)
    is_given = kind is EventKind.GIVEN
    return ConsentEvent(
        kind=kind,
        data_subject_id="ada",
        scope=_draw_scope(random, kind),
        happened_at_us=happened,
        received_at_us=received,
        position=position,
        event_id=f"e{position}",
        qualities=frozenset(random.sample(["explicit", "informed"], random.randint(0, 2))),
        notice=random.choice(["4", "4", "3", "2", "1", ""]),
        listed=random.choice([(), (), (), ("ads.mail",), ("ads.text", "service.support")]),
        by=random.choice([Author.DATA_SUBJECT, Author.DATA_SUBJECT, Author.GUARDIAN, Author.JOINT]),
        expires_at_us=NOW_US + random.choice([-1, 0, 1, 9]) * MICROS_PER_DAY
        if is_given and random.random() < 0.3
        else None,
        proof=Proof(method="form") if random.random() < 0.9 else Proof(),
    )


def _draw_scope(random: Random, kind: EventKind) -> Scope:
    def maybe(chance: float, items: Sequence[str]) -> tuple[str, ...]:
        return tuple(random.sample(list(items), 1)) if random.random() < chance else ()

    is_consent = kind.value in ("given", "withdrawn", "refused", "requested")
    what = random.random()
    purpose = tag = ""
    if what < 0.8:
        purpose = random.choice([*PURPOSES, "ads", "ads", "marketing"])
    elif what < 0.9 or is_consent:
        tag = random.choice(["direct_marketing", "profiling"])
    to = [RecipientScope(id="ads"), RecipientScope(role="processor"), RecipientScope(country="US")]
    return Scope(
        purpose=purpose,
        tag=tag,
        data=maybe(0.15, DATA_NAMES[:9]),
        channels=maybe(0.15, CHANNELS),
        recipients=(random.choice(to),) if random.random() < 0.12 else (),
        controller="acme" if random.random() < 0.1 else "",
        regime=random.choice(["law0", "strict"]) if random.random() < 0.08 else "",
    )
