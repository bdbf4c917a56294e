"""Random houses that say more of people than the others, and the people they speak of."""

from __future__ import annotations

import re
from datetime import date
from random import Random

from generated import DATES, NOW_US, draw_policies

from consentry.model.values import MICROS_PER_DAY, Value

_SUBJECT = "attributes subject { country: text?, born: date? }"
_MORE = """attributes subject { country: text?, born: date?, city: text, state: text = "none",
    tier: text?, points: number?, vip: flag?, joined: time?, moved: date?, home: text?,
    fans: number = 3, adult: flag = true, member: date = 2025-01-01 }"""
_REPLACED = re.compile(
    r"principal\.(vip|level \S+ 3|joined < 2026-01-01|joined \+ 30 days < now)"
    r"|has principal\.level|context\.(ok|score > 4)|action == \w+|channel == \w+"
    r"|(?<!\.)(purpose|data) (is [a-z_.]+|in special)|principal\.langs \w+ \[[^]]*\]"
)
TEXTS = ["gold", "Gold", "gold_", "go%d", "TEST-1", "a[b]c", "none", "DE", "é", ""]


def draw_people_policies(random: Random) -> str:
    """A whole policy set; conditions look at every kind of attribute of people."""
    text = draw_policies(random).replace(_SUBJECT, _MORE)
    return _REPLACED.sub(lambda _: f"({_atom(random)})", text)


def _atom(random: Random) -> str:
    relation = random.choice(["<", "<=", ">", ">=", "==", "!="])
    text, day = random.choice(["gold", "DE", "none", "é"]), random.choice(DATES)
    name = random.choice(["tier", "city", "state", "home"])
    years = random.choice([16, 18, 20])
    return random.choice(
        [
            f'subject.{name} == "{text}"',
            f'subject.{name} != "{text}"',
            f'subject.{name} in ["gold", "DE", "go%d"]',
            f"subject.{name} in partners",
            f'subject.{name} like "{random.choice(["g*", "?o*d", "*_", "go%*", "*[*", "*", "é"])}"',
            'subject.id like "p-1*"',
            f'subject.id == "p-{random.randint(0, 9)}"',
            "has subject.tier",
            "subject.tier == subject.home",
            f"subject.points {relation} 3",
            f"subject.points {relation} 2.5",
            "subject.points in [1, 2.5, 4]",
            f"subject.fans {relation} 3",
            "subject.vip",
            "subject.adult",
            f"subject.joined {relation} {day}",
            f"subject.joined + 30 days {relation} now",
            f"now - subject.joined {relation} 30 days",
            f"subject.joined + 1 months {relation} now",
            f"subject.moved {relation} {day}",
            f"subject.moved + 6 months {relation} now",
            f"now - 1 years {relation} subject.moved",
            f"subject.moved {relation} subject.born",
            f"subject.moved {relation} subject.joined",
            f"subject.member {relation} {day}",
            f"age(subject.born) {relation} {years} years",
            f"age(subject.member) {relation} 1 years",
            f"subject.joined {relation} rights.objected_at",
            "principal.region == subject.tier",
            "principal.joined < subject.moved",
        ]
    )


def draw_person(random: Random) -> dict[str, Value]:
    """Attributes of one person; now and then what has to be said is missing."""
    said: dict[str, Value] = {
        "country": random.choice(["DE", "FR", "US", "GB"]),
        "born": random.choice([date(1990, 4, 1), date(2010, 6, 2), date(2008, 6, 1), _near(18)]),
        "city": random.choice(TEXTS),
        "state": random.choice(TEXTS),
        "tier": random.choice(TEXTS),
        "home": random.choice(TEXTS),
        "points": random.choice([1, 2, 3, 4]),
        "fans": random.choice([2, 3, 4]),
        "vip": random.random() < 0.5,
        "adult": random.random() < 0.5,
        "joined": NOW_US - random.choice([0, 1, 29, 30, 31, 400]) * MICROS_PER_DAY,
        "moved": random.choice([date(2025, 6, 1), date(2025, 12, 1), date(2026, 6, 1), _near(1)]),
        "member": random.choice([date(2025, 1, 1), date(2025, 6, 1), date(2026, 5, 31)]),
    }
    return {
        name: value
        for name, value in said.items()
        if random.random() < (0.95 if name == "city" else 0.75)
    }


def _near(years: int) -> date:
    return date(2026 - years, 6, 2)
