"""From formulas to Python: one function for each, as trees of the `ast` module.

Only the shapes of `conditions_ir` are ever written, so no text of an author's becomes source. Long
chains become statements, one after another, and what is nested and large becomes a function of its
own, so that neither this module nor CPython's compiler goes deep.
"""

from __future__ import annotations

import ast
import marshal
from collections.abc import Iterator
from typing import Final

from consentry.compiler.conditions_ir import (
    Atom,
    Attribute,
    Binary,
    Chain,
    Constant,
    Fact,
    Known,
    Loaded,
    Logic,
    Operator,
    Px,
)
from consentry.model.tri import FALSE, TRUE, UNKNOWN

_INLINE_ITEMS: Final = 6
_INLINE_DEPTH: Final = 4
_LOAD: Final = ast.Load()
_STORE: Final = ast.Store()
_COMPARISONS: Final[dict[str, ast.cmpop]] = {
    "==": ast.Eq(),
    "!=": ast.NotEq(),
    "<": ast.Lt(),
    "<=": ast.LtE(),
    ">": ast.Gt(),
    ">=": ast.GtE(),
    "in": ast.In(),
    "is not": ast.IsNot(),
}
_PLAIN: Final = (str, int, bool, type(None))


class FunctionWriter:
    """Gives each distinct formula a numbered function and keeps the constants they use."""

    def __init__(self) -> None:
        self._numbers: dict[Logic, int] = {}
        self._functions: list[ast.stmt] = []
        self._places: dict[tuple[str, object], int] = {}
        self._constants: list[object] = []

    def number(self, logic: Logic) -> int:
        """The number of the function for `logic`, which is written on first use."""
        found = self._numbers.get(logic)
        if found is None:
            body = _Body(self).function(logic)
            found = self._numbers[logic] = len(self._functions)
            self._functions.append(_define(f"c{found}", body))
        return found

    def constant(self, constant: Constant) -> ast.expr:
        """A literal, or an entry of the table of constants."""
        if isinstance(constant.value, _PLAIN):
            return ast.Constant(constant.value)
        key = (constant.kind, constant.key)
        place = self._places.setdefault(key, len(self._constants))
        if place == len(self._constants):
            self._constants.append(constant.value)
        return ast.Subscript(ast.Name("K", _LOAD), ast.Constant(place), _LOAD)

    def build(self) -> tuple[bytes, tuple[object, ...]]:
        """All functions as marshalled code, and the constants it reads as `K`."""
        module = ast.Module(body=list(self._functions), type_ignores=[])
        ast.fix_missing_locations(module)
        code = compile(module, "<conditions>", "exec", dont_inherit=True, optimize=2)
        return marshal.dumps(code), tuple(self._constants)


def _define(name: str, body: list[ast.stmt]) -> ast.stmt:
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg("f")], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    return ast.FunctionDef(name=name, args=arguments, body=body, decorator_list=[])


class _Body:
    """Writes one function; numbers its local names."""

    def __init__(self, writer: FunctionWriter) -> None:
        self._writer = writer
        self._count = 0

    def function(self, logic: Logic) -> list[ast.stmt]:
        if isinstance(logic, Chain) and not _is_certain(logic):
            return list(self._chain(logic))
        return [ast.Return(self.value(logic, 0))]

    def _chain(self, logic: Chain) -> Iterator[ast.stmt]:
        """`r` starts at the neutral value; an item ends the function or leaves `r` unknown."""
        end, start = (FALSE, TRUE) if logic.is_all else (TRUE, FALSE)
        yield ast.Assign([ast.Name("r", _STORE)], ast.Constant(start))
        unsure = ast.Assign([ast.Name("r", _STORE)], ast.Constant(UNKNOWN))
        leave = ast.Return(ast.Constant(end))
        for item in logic.items:
            self._count = 0
            if isinstance(item, Atom) and not item.is_tri:
                test = self._truth(item, is_wanted=not logic.is_all)
                absent = self._absent(item)
                if absent is None:
                    yield ast.If(test, [leave], [])
                else:
                    yield ast.If(absent, [unsure], [ast.If(test, [leave], [])])
            elif _is_certain(item):
                yield ast.If(self._certain(item, is_wanted=not logic.is_all), [leave], [])
            else:
                yield ast.Assign([ast.Name("t", _STORE)], self.value(item, 1))
                is_end = _compare("==", ast.Name("t", _LOAD), ast.Constant(end))
                is_unsure = _compare("==", ast.Name("t", _LOAD), ast.Constant(UNKNOWN))
                yield ast.If(is_end, [leave], [ast.If(is_unsure, [unsure], [])])
        yield ast.Return(ast.Name("r", _LOAD))

    def value(self, logic: Logic, depth: int) -> ast.expr:
        """An expression that gives 0, 1 or 2."""
        if isinstance(logic, Known):
            return ast.Constant(logic.value)
        if isinstance(logic, Atom):
            return self._atom(logic)
        is_small = len(logic.items) <= _INLINE_ITEMS and depth <= _INLINE_DEPTH
        if not is_small:
            return ast.Call(
                ast.Name(f"c{self._writer.number(logic)}", _LOAD), [ast.Name("f", _LOAD)], []
            )
        if _is_certain(logic):
            test = self._certain(logic, is_wanted=True)
            return ast.IfExp(test, ast.Constant(TRUE), ast.Constant(FALSE))
        return self._small_chain(logic, depth)

    def _small_chain(self, logic: Chain, depth: int) -> ast.expr:
        """`a if (a := A) == end else (b if (b := rest) OP a else a)`."""
        end, op = (FALSE, "<") if logic.is_all else (TRUE, ">")
        result: ast.expr | None = None
        for item in reversed(logic.items):
            if result is None:
                result = self.value(item, depth + 1)
                continue
            first, rest = self._fresh("t"), self._fresh("t")
            head = ast.NamedExpr(ast.Name(first, _STORE), self.value(item, depth + 1))
            tail = ast.NamedExpr(ast.Name(rest, _STORE), result)
            one, other = ast.Name(first, _LOAD), ast.Name(rest, _LOAD)
            result = ast.IfExp(
                _compare("==", head, ast.Constant(end)),
                one,
                ast.IfExp(_compare(op, tail, one), other, one),
            )
        return result or ast.Constant(UNKNOWN)

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def _certain(self, logic: Logic, *, is_wanted: bool) -> ast.expr:
        """A Python truth for a formula that is never unknown."""
        if isinstance(logic, Atom):
            return self._truth(logic, is_wanted=is_wanted)
        if isinstance(logic, Known):
            return ast.Constant((logic.value == TRUE) is is_wanted)
        parts = [self._certain(item, is_wanted=is_wanted) for item in logic.items]
        return ast.BoolOp(ast.And() if logic.is_all is is_wanted else ast.Or(), parts)

    def _atom(self, atom: Atom) -> ast.expr:
        absent = self._absent(atom)
        if atom.is_tri:
            result = self._px(atom.test, ())
            return _difference(result) if atom.is_negated else result
        yes, no = (FALSE, TRUE) if atom.is_negated else (TRUE, FALSE)
        names = self._names(atom)
        result = ast.IfExp(self._px(atom.test, names), ast.Constant(yes), ast.Constant(no))
        self._count += len(atom.loads)
        return result if absent is None else ast.IfExp(absent, ast.Constant(UNKNOWN), result)

    def _names(self, atom: Atom) -> tuple[str, ...]:
        return tuple(f"v{self._count + i}" for i in range(len(atom.loads)))

    def _truth(self, atom: Atom, *, is_wanted: bool) -> ast.expr:
        test = self._px(atom.test, self._names(atom))
        return test if is_wanted is not atom.is_negated else _negation(test)

    def _absent(self, atom: Atom) -> ast.expr | None:
        names = self._names(atom)
        tests: list[ast.expr] = []
        for i, load in enumerate(atom.loads):
            bound = ast.NamedExpr(ast.Name(names[i], _STORE), self._px(load, names))
            tests.append(ast.Compare(bound, [ast.Is()], [ast.Constant(None)]))
        if not tests:
            return None
        return tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or(), tests)

    def _px(self, px: Px, names: tuple[str, ...]) -> ast.expr:
        match px:
            case Fact(name, part):
                result: ast.expr = ast.Name("f", _LOAD)
                for attribute in (name, part):
                    result = ast.Attribute(result, attribute, _LOAD) if attribute else result
                return result
            case Attribute(owner, name):
                owned = ast.Attribute(ast.Name("f", _LOAD), owner, _LOAD)
                return ast.Call(ast.Attribute(owned, "get", _LOAD), [ast.Constant(name)], [])
            case Constant():
                return self._writer.constant(px)
            case Operator(name, arguments):
                given = [self._px(argument, names) for argument in arguments]
                return ast.Call(ast.Name(name, _LOAD), given, [])
            case Binary(op, left, right):
                return _compare(op, self._px(left, names), self._px(right, names))
            case Loaded(index):
                return ast.Name(names[index], _LOAD)


def _is_certain(logic: Logic) -> bool:
    """Whether it can never be unknown and is small enough for one expression."""
    if isinstance(logic, Atom):
        return not logic.loads and not logic.is_tri
    if isinstance(logic, Known):
        return logic.value != UNKNOWN
    return len(logic.items) <= _INLINE_ITEMS and all(
        isinstance(item, Atom) and _is_certain(item) for item in logic.items
    )


def _compare(op: str, left: ast.expr, right: ast.expr) -> ast.expr:
    return ast.Compare(left, [_COMPARISONS[op]], [right])


def _negation(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def _difference(value: ast.expr) -> ast.expr:
    return ast.BinOp(ast.Constant(TRUE), ast.Sub(), value)
