"""Makes policy sets of any size for measurements: the same text for the same size.

Names are short and a rule is one line, so that 10,000 rules fit into one file (1 MiB).
"""

from __future__ import annotations

from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from consentry.model.request import DataSubject, Principal, Request

ACTIONS = ("read", "use", "collect", "combine", "derive", "store", "export", "contact", "disclose")
CHANNELS = ("email", "sms", "post", "push")
BASES = ("consent", "contract", "legal_obligation", "legitimate_interest")
CATEGORIES = ("user.contact.email", "user.name", "user.behavior", "user.payment", "user.account")
SERVED = ("DE", "AT", "NL")
SUBJECT = "person-1"
GIVEN_AT_US = 1_700_000_000_000_000

HEADER = """\
mission "A large shop" { controller "Large GmbH" in "DE" }
attributes subject { country: text? }
set served = ["DE", "AT", "NL"]
forbid nothing_sold { may sell }
oblige way_out "Every message has a way out" { may contact }
"""


def many_rules(count: int) -> str:
    """A policy set of `count` permits over trees that grow with it, and a few other rules.

    One purpose for ten permits and one field for five, at least ten of each. A permit names one or
    two actions, one or two fields (now and then a branch of ten), a purpose, and in one case of
    five a condition.
    """
    leaf_count, purpose_count = _sizes(count)
    parts = [HEADER, _data(leaf_count), _purposes(purpose_count)]
    parts += [_permit(index, count) for index in range(count)]
    return "\n".join(parts) + "\n"


def request_for_many_rules(count: int) -> tuple[Request, tuple[ConsentEvent, ...]]:
    """A question that the set permits, by a rule in its middle that needs consent and has a
    condition, and the consent it needs (given in November 2023)."""
    indices = sorted(range(count), key=lambda index: abs(index - count // 2))
    index = next(i for i in indices if i % 5 == 0 and _basis(i, count) == "consent")
    purpose = _purpose(index, count)
    request = Request(
        principal=Principal(id=f"s{index % 97}", kind="service"),
        action=ACTIONS[index % len(ACTIONS)],
        data=(_leaf(index * 7 % _sizes(count)[0]),),
        data_subject=DataSubject(id=SUBJECT, attributes={"country": SERVED[0]}),
        purpose=purpose,
        channel=CHANNELS[index % len(CHANNELS)],
    )
    event = ConsentEvent(
        kind=EventKind.GIVEN,
        data_subject_id=SUBJECT,
        scope=Scope(purpose=purpose),
        happened_at_us=GIVEN_AT_US,
        received_at_us=GIVEN_AT_US,
        position=1,
        event_id="event-1",
        proof=Proof(method="form"),
    )
    return request, (event,)


def _sizes(count: int) -> tuple[int, int]:
    """How many fields and how many purposes go with `count` rules."""
    return max(10, count // 5), max(10, count // 10)


def _leaf(index: int) -> str:
    return f"d.g{index // 10}.f{index}"


def _purpose(index: int, count: int) -> str:
    place = index * 3 % _sizes(count)[1]
    return f"a{place // 10}.p{place}"


def _basis(index: int, count: int) -> str:
    return BASES[index * 3 % _sizes(count)[1] // 10 % len(BASES)]


def _data(leaf_count: int) -> str:
    lines = ["data d {"]
    for start in range(0, leaf_count, 10):
        category = CATEGORIES[start // 10 % len(CATEGORIES)]
        fields = " ".join(f"f{index}" for index in range(start, min(start + 10, leaf_count)))
        lines.append(f"    g{start // 10} as {category} {{ {fields} }}")
    return "\n".join([*lines, "}"])


def _purposes(purpose_count: int) -> str:
    lines: list[str] = []
    for start in range(0, purpose_count, 10):
        lines.append(f"purpose a{start // 10} {{ basis {BASES[start // 10 % len(BASES)]}")
        lines += [f"    purpose p{i}" for i in range(start, min(start + 10, purpose_count))]
        lines.append("}")
    return "\n".join(lines)


def _permit(index: int, count: int) -> str:
    leaf_count, _ = _sizes(count)
    actions = [ACTIONS[index % len(ACTIONS)]]
    if index % 3 == 0 and (other := ACTIONS[(index // 3 + 1) % len(ACTIONS)]) not in actions:
        actions.append(other)
    data = [_leaf(index * 7 % leaf_count)]
    if index % 17 == 0:
        data = [data[0].rpartition(".")[0]]
    elif index % 2:
        data.append(_leaf((index * 11 + 3) % leaf_count))
    clauses = [
        f'who service "s{index % 97}"',
        f"may {', '.join(actions)}",
        f"data {', '.join(dict.fromkeys(data))}",
        f"for {_purpose(index, count)}",
    ]
    if "contact" in actions:
        clauses.append(f"via {CHANNELS[index % len(CHANNELS)]}")
    if index % 5 == 0:
        clauses.append("when has subject.country and subject.country in served")
    return f"permit r{index} {{ {' '.join(clauses)} }}"
