"""Codes of conditions: names and types (T3xx), consent polarity (C45x), warnings (W85x)."""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.code_info import CodeInfo

_WORLD: Final = """\
attributes subject { country: text = "DE", born: date = 1990-01-01, joined: time? }
attributes context { ip: ip = "10.0.0.1", tries: number = 0 }
attributes context { langs: list of text = ["en"], is_test: flag = false }
data customer { email phone }
purpose service { basis contract  purpose support }
"""


def _info(code: str, title: str, explanation: str, bad: str, good: str) -> CodeInfo:
    """A code whose examples are one condition of a forbid."""
    return CodeInfo(
        code=code, title=title, explanation=explanation, bad=_forbid(bad), good=_forbid(good)
    )


def _forbid(condition: str) -> str:
    return f"{_WORLD}forbid example {{ when {condition} }}\n"


def _permit(condition: str) -> str:
    who = "who anyone may read data customer for service"
    return f"{_WORLD}permit example {{ {who} when {condition} }}\n"


def _default(value: str) -> str:
    return (
        f"attributes context {{ tries: number = {value} }}\nforbid x {{ when context.tries > 3 }}\n"
    )


def _regime(governs: str) -> str:
    law = f"regime local {{ governs {governs}  permit example {{ basis contract }} }}"
    return f"{_WORLD}{law}\nforbid telling {{ may disclose }}\n"


CODES: Final[tuple[CodeInfo, ...]] = (
    _info(
        "T300",
        "unknown name in a condition",
        "Every name in a condition must be built in or declared. "
        "A word of the vocabulary (an action, a channel, a purpose) counts where it is compared "
        "with one.",
        "action == raed",
        "action == read",
    ),
    _info(
        "T301",
        "unknown attribute",
        "The attribute is neither built in nor declared under `attributes`. "
        "Attributes are declared so that a misspelling cannot switch a rule off.",
        'subject.contry == "DE"',
        'subject.country == "DE"',
    ),
    _info(
        "T302",
        "a condition must be true or false",
        "What stands alone or beside `and`, `or`, `not` must be a comparison or a flag. "
        "Whether an attribute is there is asked with `has`.",
        "subject.country",
        'subject.country == "DE"',
    ),
    _info(
        "T303",
        "values that cannot be compared",
        "Both sides of a comparison must be of one type. "
        "Dates are written without quotes, and so are words of the vocabulary.",
        'context.tries == "3"',
        "context.tries == 3",
    ),
    _info(
        "T304",
        "values without an order",
        "Text, flags and words are equal or not, but none comes before another. "
        "Numbers, dates, times and lengths of time have an order.",
        'subject.country < "DE"',
        'subject.country == "DE"',
    ),
    _info(
        "T305",
        "`in` with the wrong list",
        "`in` asks whether one value is in a list or a set of values of its type. "
        "Two lists are compared with `within` and `overlaps`.",
        'context.langs in ["de"]',
        'context.langs overlaps ["de"]',
    ),
    _info(
        "T306",
        "`is` with the wrong left side",
        "`is` asks whether the purpose, the data, the action or the channel lies below a name or "
        "carries a tag, and which qualities the consent has. Other values are compared with `==`.",
        "subject.country is service",
        "purpose is service",
    ),
    _info(
        "T307",
        "`like` without text",
        "`like` compares text with a short pattern in which `*` stands for any characters and `?` "
        "for one. Nothing else can be matched against a pattern.",
        'context.tries like "1*"',
        'subject.country like "D*"',
    ),
    _info(
        "T308",
        "`overlaps` or `within` without a list",
        "`overlaps` and `within` compare two lists, one of which is an attribute. "
        "A single value is looked up with `in`.",
        'subject.country overlaps ["DE"]',
        'subject.country in ["DE"]',
    ),
    _info(
        "T309",
        "a time of day without a clock",
        "A time of day is asked of `now`, between two different times, in a named time zone. "
        "Without a zone nobody knows whose nine o'clock is meant.",
        "now between 09:00 and 17:00",
        'now between 09:00 and 17:00 in "Europe/Berlin"',
    ),
    _info(
        "T310",
        "unknown time zone",
        "Time zones are named as in the tz database, such as `Europe/Berlin` or `UTC`.",
        'now between 09:00 and 17:00 in "Europe/Berlyn"',
        'now between 09:00 and 17:00 in "Europe/Berlin"',
    ),
    _info(
        "T311",
        "arithmetic on something else than time",
        "`+` and `-` work on dates, times and lengths of time only. "
        "Conditions do not calculate with numbers.",
        "context.tries + 1 > 3",
        "context.tries > 2",
    ),
    _info(
        "T312",
        "calendar months against an exact length",
        "A month has 28 to 31 days, so months and years cannot be compared with or added to an "
        "exact length. Add both to a date instead.",
        "has subject.joined and now - subject.joined > 2 years",
        "has subject.joined and subject.joined + 2 years < now",
    ),
    _info(
        "T313",
        "an age that cannot be compared",
        "`age` takes a date and gives completed years, in UTC. "
        "It is compared with a whole number of years; anything finer is a comparison of dates.",
        "age(subject.born) < 18 months",
        "subject.born + 18 months > now",
    ),
    _info(
        "T314",
        "a call that does not exist",
        "There are two functions: `age(date)`, and `consented(purpose, quality, …)` for a consent "
        "to another purpose.",
        "agee(subject.born) < 16 years",
        "age(subject.born) < 16 years",
    ),
    _info(
        "T315",
        "`now` more than once in a comparison",
        "The moment at which an answer ends is worked out from each comparison with `now`. "
        "So `now` stands there once, with at most one length beside it.",
        "now - 2 years < now",
        "has subject.joined and now - 2 years < subject.joined",
    ),
    CodeInfo(
        code="T316",
        title="a condition that is too large",
        explanation="Conditions nest at most 40 deep and have at most 100,000 parts. "
        "A long list of values belongs into a `set`.",
        bad=_forbid("not " * 45 + "context.is_test"),
        good=_forbid("not context.is_test"),
    ),
    CodeInfo(
        code="T317",
        title="a constant of the wrong type",
        explanation="A default, an item of a set or a fact of a test must be a constant of the "
        "declared type.",
        bad=_default('"0"'),
        good=_default("0"),
    ),
    _info(
        "T319",
        "not an address or a network",
        "An ip address is compared with an address, or looked up in networks. "
        "A network is written with its own first address.",
        'context.ip in "10.0.0.0/40"',
        'context.ip in "10.0.0.0/8"',
    ),
    _info(
        "T320",
        "a time that leaves the calendar",
        "Times are kept between the years 1 and 9999.",
        "now > 9999-12-01 + 2 years",
        "now > 2030-12-01 + 2 years",
    ),
    _info(
        "T321",
        "a list with something else than constants",
        "A list in a condition holds constants only. "
        "Compare with an attribute on its own, or declare the attribute as a list.",
        'context.langs overlaps [subject.country, "en"]',
        'context.langs overlaps ["de", "en"]',
    ),
    _info(
        "T322",
        "`has` on what is always there",
        "`has` asks whether a value that may be absent is present. "
        "What every request carries is never absent.",
        'has action and subject.country == "DE"',
        'has channel and subject.country == "DE"',
    ),
    CodeInfo(
        code="T323",
        title="`governs` reads too much",
        explanation="Whether a law governs depends on the person, the controller and the time. "
        "What is asked for is judged by the law's own rules.",
        bad=_regime("action == read"),
        good=_regime('subject.country == "DE"'),
    ),
    CodeInfo(
        code="C450",
        title="a refusal that would permit more",
        explanation="An objection, an opt-out, a limitation, a restriction, an erasure, a refusal "
        "may make a `forbid` fire or a `permit` fail, never the reverse. "
        "This is what guarantees that saying no never permits more.",
        bad=_permit("rights.objected"),
        good=_permit("not rights.objected"),
    ),
    CodeInfo(
        code="C451",
        title="a consent that would permit less",
        explanation="A consent to another purpose, a joint consent, an opt-in, a hold or an "
        "overridden objection may make a `permit` hold or a `forbid` fail, never the reverse. "
        "Otherwise taking it back would permit more.",
        bad=_forbid("consented(service.support)"),
        good=_forbid("not consented(service.support)"),
    ),
    CodeInfo(
        code="C452",
        title="`governs` depends on consent",
        explanation="Whether a law governs must not depend on consent or rights, because that is "
        "what the law judges. Put such a condition into the law's own rules.",
        bad=_regime("consent.given"),
        good=_regime('controller.country == "DE"'),
    ),
    CodeInfo(
        code="C453",
        title="a comparison that is neither more nor less",
        explanation="The time of a right compared with `==` is true for one moment only, so an "
        "earlier or a later objection could permit more. Compare it with `<` or `>`.",
        bad=_forbid("rights.objected_at == 2026-01-01"),
        good=_forbid("rights.objected_at > 2026-01-01"),
    ),
    _info(
        "W850",
        "an attribute that may be absent",
        "Where the attribute is absent the comparison is unknown: a `permit` does not apply, a "
        "`forbid` does. Say `has …` where that is not meant, or give the attribute a default.",
        "subject.joined < 2020-01-01",
        "has subject.joined and subject.joined < 2020-01-01",
    ),
    _info(
        "W851",
        "a condition that is always the same",
        "The condition gives the same for every request. Either a part of it is a slip, or it can "
        "be left out.",
        "1 < 2",
        "context.tries < 2",
    ),
    _info(
        "W852",
        "conditions that cannot hold together",
        "Two things that the rule asks for rule each other out, so that it never applies. "
        "Mostly an `and` was meant to be an `or`.",
        'subject.country == "DE" and subject.country == "FR"',
        'subject.country == "DE" or subject.country == "FR"',
    ),
)
