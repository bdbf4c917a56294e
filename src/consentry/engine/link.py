"""Links a program: its code into functions, its rules into an index.

Nothing here takes a lock: what is made on demand is a pure function of the program, so that two
threads that make it at once store equal values, and one dict store publishes each.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from consentry.engine.attributes import AttributeTable, controller_attributes
from consentry.engine.groups import Group, build_group, takes_basis
from consentry.engine.linked_rule import LinkedRule, Test
from consentry.engine.reasons import ReasonOrder
from consentry.model.operators import NAMESPACE
from consentry.model.program import HOUSE, Program, Regime, Rule, RuleKind

if TYPE_CHECKING:
    from consentry.engine.use import Use

MAX_GROUPS: Final = 65_536
"""Most groups kept; when there are more, all are forgotten and made again on demand."""

UseKey: TypeAlias = tuple[int, str, tuple[str, ...], str, str | None, int]
"""Who asks, to do what, with which data, what for, over which channel, to whom."""

Step: TypeAlias = Callable[[], None]

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")
_AT_A_STRETCH: Final = 128


def _at_once() -> None:
    """The step of who need not give way."""


def _in_steps(items: Iterable[_Item], step: Step) -> Iterator[_Item]:
    for number, item in enumerate(items, 1):
        yield item
        if not number % _AT_A_STRETCH:
            step()


class NearRule:
    """A house permit for a purpose, with how it stands to one action, leaf and basis."""

    __slots__ = ("has_action", "has_basis", "has_data", "misses", "rule")

    def __init__(
        self, rule: LinkedRule, *, has_data: bool, has_action: bool, has_basis: bool
    ) -> None:
        self.rule = rule
        self.has_data = has_data
        self.has_action = has_action
        self.has_basis = has_basis
        self.misses = 3 - has_data - has_action - has_basis


class LinkedProgram:
    """A program that can be asked. Shared by all threads; its memos only ever grow equal values."""

    def __init__(self, program: Program, step: Step = _at_once) -> None:
        """`step` is called after every few rules, so that it can give way to others."""
        self.program = program
        self.order = ReasonOrder(program)
        self.attributes = AttributeTable(program)
        self.controller = controller_attributes(self.attributes, program.mission)
        self.lineages = tuple(
            tuple(program.purposes[index].path for index in purpose.lineage)
            for purpose in _in_steps(program.purposes, step)
        )
        self.functions: Mapping[str, Test] = link_functions(program.code, program.constants, step)
        self.governs: tuple[tuple[Regime, Test | None], ...] = tuple(
            (
                regime,
                None if regime.governs is None else self.functions[f"c{regime.governs.code}"],
            )
            for regime in program.regimes
        )
        self.fixed_regimes = _find_fixed(self.governs)
        """The regimes that govern whatever is asked and whenever; empty where that depends."""
        self.asks_consented = any(
            _asks_consented(function) for function in _in_steps(self.functions.values(), step)
        )
        """Whether some condition asks about the consent to another purpose."""
        self._rules: list[LinkedRule | None] = [None] * len(program.rules)
        self._exceptions: dict[int, LinkedRule] = {}
        rules = program.rules
        self._by_action = _Postings[str](rules, attrgetter("actions"), step)
        self._by_purpose = _Postings[int](rules, attrgetter("purposes"), step)
        self._by_leaf = _Postings[int](rules, attrgetter("data"), step)
        self._groups: dict[tuple[str, int, int], Group] = {}
        self._shared: dict[tuple[str, int, tuple[int, ...], tuple[int, ...]], Group] = {}
        self._near: dict[tuple[str, int, int], tuple[NearRule, ...]] = {}
        self.uses: dict[UseKey, Use | None] = {}
        """Uses made ready, and (None) those that came once; see `engine.use`."""

    def made(self) -> list[object]:
        """All that was made so far, for who frees it bit by bit once nobody asks any more."""
        return [
            *self.functions.values(),
            *self._rules,
            *self._exceptions.values(),
            *self._groups.values(),
            *self._near.values(),
            *self.uses.values(),
            *self._by_action.lists(),
            *self._by_purpose.lists(),
            *self._by_leaf.lists(),
        ]

    def group(self, action: str, purpose: int, leaf: int) -> Group:
        """The candidates for one question about one leaf. Leaves with equal ones share a group."""
        key = (action, purpose, leaf)
        found = self._groups.get(key)
        return found if found is not None else self._build(key)

    def near(self, action: str, purpose: int, leaf: int) -> tuple[NearRule, ...]:
        """House permits for the purpose, those that miss least by their fixed clauses first."""
        key = (action, purpose, leaf)
        found = self._near.get(key)
        if found is None:
            found = self._build_near(key)
            if len(self._near) >= MAX_GROUPS:
                self._near = {}
            self._near[key] = found
        return found

    def _build(self, key: tuple[str, int, int]) -> Group:
        action, purpose, _ = key
        rules = self.program.rules
        members = tuple(index for index in self._shortest(key) if _covers(rules[index], key))
        # Leaves differ for exceptions too, which are not among the rules.
        lifting = tuple(
            index
            for member in members
            for index in rules[member].lifted_by
            if _covers(self.program.exceptions[index], key)
        )
        if len(self._groups) >= MAX_GROUPS:
            self._groups, self._shared = {}, {}
        shared_key = (action, purpose, members, lifting)
        group = self._shared.get(shared_key)
        if group is None:
            group = build_group(
                regimes=self.program.regimes,
                purpose=self.program.purposes[purpose],
                rules=[self._rule(index) for index in members],
                order=self.order,
                find_exceptions=lambda rule, basis: self._exceptions_of(rule, key, basis),
            )
            self._shared[shared_key] = group
        self._groups[key] = group
        return group

    def _shortest(self, key: tuple[str, int, int]) -> list[int]:
        action, purpose, leaf = key
        of_action = self._by_action.count(action)
        of_purpose = self._by_purpose.count(purpose)
        of_leaf = self._by_leaf.count(leaf)
        if of_purpose <= of_action and of_purpose <= of_leaf:
            return self._by_purpose.rules(purpose)
        if of_leaf <= of_action:
            return self._by_leaf.rules(leaf)
        return self._by_action.rules(action)

    def _build_near(self, key: tuple[str, int, int]) -> tuple[NearRule, ...]:
        action, purpose, leaf = key
        basis = self.program.purposes[purpose].basis_for("")
        near = [
            NearRule(
                self._rule(index),
                has_data=rule.data is None or leaf in rule.data,
                has_action=rule.actions is None or action in rule.actions,
                has_basis=takes_basis(rule, basis),
            )
            for index in self._by_purpose.rules(purpose)
            if (rule := self.program.rules[index]).kind is RuleKind.PERMIT and rule.regime == HOUSE
        ]
        near.sort(key=lambda one: (one.misses, one.rule.index))
        return tuple(near)

    def _rule(self, index: int) -> LinkedRule:
        linked = self._rules[index]
        if linked is None:
            rule = self.program.rules[index]
            linked = LinkedRule(rule, self.program, self.functions, self.order)
            self._rules[index] = linked
        return linked

    def _exceptions_of(
        self, rule: LinkedRule, key: tuple[str, int, int], basis: str | None
    ) -> tuple[LinkedRule, ...]:
        found = []
        for index in rule.lifted_by:
            exception = self.program.exceptions[index]
            if not (_covers(exception, key) and takes_basis(exception, basis)):
                continue
            if index not in self._exceptions:
                self._exceptions[index] = LinkedRule(
                    exception, self.program, self.functions, self.order
                )
            found.append(self._exceptions[index])
        return tuple(found)


def link(program: Program, step: Step = _at_once) -> LinkedProgram:
    """The program with its code executed once and its rules indexed; for `step` see there."""
    return LinkedProgram(program, step)


def link_functions(
    code: bytes, constants: tuple[object, ...], step: Step = _at_once
) -> Mapping[str, Test]:
    """The compiler's functions by name (`c0`, …); for `step` see `LinkedProgram`.

    INVARIANT: no function is found again from what it sees. So a replaced set leaves no cycles
    behind: it goes with its last user, and nobody has to look for it in the whole heap.
    """
    if not code:
        return {}
    # SAFETY: the code comes from our own compiler, never from a policy's text; without builtins it
    # reaches nothing but the operators.
    seen: dict[str, object] = {**NAMESPACE, "K": constants, "__builtins__": {}}
    loaded = marshal.loads(code)  # noqa: S302 - our own compiler wrote it, see above
    if not isinstance(loaded, CodeType):
        raise TypeError("the program's code is not a code object")
    written: dict[str, FunctionType] = {}
    exec(loaded, seen, written)  # noqa: S102 - see above
    linked: dict[str, FunctionType] = {}
    for names in _by_depth(written, step):
        layer = {
            name: FunctionType(written[name].__code__, seen, name)
            for name in _in_steps(names, step)
        }
        linked |= layer
        seen = {**seen, **layer}
    return linked


def _by_depth(functions: Mapping[str, FunctionType], step: Step) -> list[list[str]]:
    """Names of functions that call no other, then of those that call these, and so on.

    The compiler writes a function after those that it calls.
    """
    depths: dict[str, int] = {}
    layers: list[list[str]] = []
    for name, function in _in_steps(functions.items(), step):
        called = [depths[one] for one in function.__code__.co_names if one in functions]
        depth = depths[name] = 1 + max(called, default=-1)
        if depth == len(layers):
            layers.append([])
        layers[depth].append(name)
    return layers


def _find_fixed(governs: Sequence[tuple[Regime, Test | None]]) -> tuple[Regime, ...]:
    laws = [(regime, test) for regime, test in governs if regime.index != HOUSE]
    for regime, test in laws:
        if test is not None or regime.from_us is not None or regime.until_us is not None:
            return ()
    governing = [regime for regime, _ in laws if not regime.is_fallback]
    return tuple(governing or [regime for regime, _ in laws])


def _asks_consented(function: object) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and "consented" in code.co_names


def _covers(rule: Rule, key: tuple[str, int, int]) -> bool:
    action, purpose, leaf = key
    return (
        (rule.purposes is None or purpose in rule.purposes)
        and (rule.actions is None or action in rule.actions)
        and (rule.data is None or leaf in rule.data)
    )


class _Postings(Generic[_Key]):
    """For each value of a clause the rules that name it; beside them those without the clause."""

    __slots__ = ("_named", "_unbound")

    def __init__(
        self,
        rules: Iterable[Rule],
        clause_of: Callable[[Rule], frozenset[_Key] | None],
        step: Step,
    ) -> None:
        self._named: dict[_Key, list[int]] = {}
        self._unbound: list[int] = []
        work = 0
        for rule in rules:
            clause = clause_of(rule)
            if clause is None:
                self._unbound.append(rule.index)
            else:
                for value in clause:
                    self._named.setdefault(value, []).append(rule.index)
                work += len(clause)
            work += 1
            if work >= _AT_A_STRETCH:
                step()
                work = 0

    def count(self, value: _Key) -> int:
        """How many rules may match `value`."""
        return len(self._named.get(value, ())) + len(self._unbound)

    def lists(self) -> Iterable[list[int]]:
        """All lists of places."""
        return self._named.values()

    def rules(self, value: _Key) -> list[int]:
        """The places of the rules that may match `value`, in order."""
        return sorted([*self._named.get(value, ()), *self._unbound])
