"""A small world of declarations, and ways to compile and run conditions in it."""

from __future__ import annotations

import marshal
from collections.abc import Callable
from datetime import datetime
from typing import Any

from consentry.compiler.compile import compile_policies
from consentry.compiler.conditions import ConditionCompiler, ConditionRole
from consentry.compiler.symbols import Symbols
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.tree import ClauseWord, Expr, RuleDecl
from consentry.model.consent import RightState
from consentry.model.facts import Facts
from consentry.model.operators import NAMESPACE
from consentry.model.program import Condition
from consentry.model.values import time_us

CORE = """
action read is looking
action write
action contact is contacting
channel email is electronic
channel post
tag electronic "By wire"
tag looking "Looks only"
tag contacting "Reaches a person"
tag promotional "Sells something"
tag quality "Of a tag"
tag explicit "An explicit consent" is quality
reason contract "A contract"
"""
WORLD = """
attributes principal { team: text? }
attributes subject { country: text?, born: date?, joined: time?, langs: list of text?, vip: flag?,
    visits: list of time? }
attributes context { ip: ip?, tries: number?, wait: duration?, ticket: text?, days: list of date? }
set eea = ["DE", "FR", "BR" from 2026-01-27, "GB" until 2021-01-01]
set offices = ["10.0.0.0/8", "192.168.1.1"]
set secret = [customer.health]
data customer { email phone health { allergies blood } }
purpose service { basis contract purpose support }
purpose marketing is promotional { basis contract purpose mail purpose sms }
permit everything { who anyone may read data customer for service }
"""
NOW = "2026-05-01T09:00:00Z"


def compile_world() -> Symbols:
    packs = {"core": Source("core.policy", CORE)}
    text = WORLD + "regime local { governs now > 2000-01-01 permit agreed { basis contract } }"
    result = compile_policies([Source("world.policy", text)], packs)
    assert result.symbols is not None, result.diagnostics
    return result.symbols


def expression(text: str) -> Expr:
    parsed = parse_module(Source("t.policy", f"forbid x {{ when {text} }}"))
    assert not parsed.diagnostics, parsed.diagnostics
    rule = parsed.module.declarations[0]
    assert isinstance(rule, RuleDecl)
    (clause,) = (c for c in rule.clauses if c.word is ClauseWord.WHEN)
    return clause.value  # type: ignore[return-value]


class View:
    """A ledger's answer that a test fills in."""

    is_available = has_rights = True
    revision = position = read_at_us = 0

    def __init__(self, **rights: int) -> None:
        self.rights = rights

    def right(self, track: str, query: object) -> RightState:
        since = self.rights.get(str(track))
        return RightState(is_active=since is not None, since_us=since)


def us(text: str) -> int:
    return time_us(datetime.fromisoformat(text))


def facts(symbols: Symbols, now: str = NOW, **given: Any) -> Facts:
    f = Facts()
    f.principal_id, f.principal_kind, f.subject_id, f.action = "p1", "service", "s1", "read"
    f.purpose = symbols.purposes[symbols.purpose_names[given.pop("purpose", "marketing.mail")]]
    f.leaf = symbols.data[symbols.data_names[given.pop("leaf", "customer.email")]]
    f.now_us = us(now)
    f.view, f.query = View(), None  # type: ignore[assignment]
    f.consented = lambda index, qualities: 0
    for key, value in given.items():
        setattr(f, key, value)
    return f


def link(compiler: ConditionCompiler) -> Callable[[int, Facts], int]:
    assert not [d for d in compiler.diagnostics if d.is_error], compiler.diagnostics
    code, constants = compiler.build()
    namespace: dict[str, Any] = {**NAMESPACE, "K": constants}
    exec(marshal.loads(code), namespace)
    return lambda number, f: namespace[f"c{number}"](f)


def compiled(
    symbols: Symbols, text: str, role: ConditionRole = ConditionRole.OBLIGE
) -> tuple[Condition, Callable[[int, Facts], int]]:
    compiler = ConditionCompiler(symbols)
    condition = compiler.compile_condition(
        whens=[expression(text)], unlesses=[], regime="", role=role
    )
    run = link(compiler)
    assert condition is not None
    return condition, run


def evaluate(symbols: Symbols, text: str, f: Facts) -> int:
    condition, run = compiled(symbols, text)
    return run(condition.code, f)
