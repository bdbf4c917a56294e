"""The one canonical format of a policy text.

Four spaces a level, clause words aligned within a block, one blank line between declarations (none
between neighbours of one kind that take a line each, where the author left none), comments kept,
lines of at most 100 columns where a break is possible. Formatting twice changes nothing, and the
formatted text means the same tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from consentry.diagnostics.span import Span
from consentry.lang import print_values as show
from consentry.lang.tree import (
    Attributes,
    Check,
    CheckTable,
    Clause,
    Comment,
    DataDecl,
    Declaration,
    Expect,
    Mission,
    Module,
    PurposeDecl,
    RegimeDecl,
    RuleDecl,
    SetDecl,
    TestDecl,
    Use,
    WordDecl,
)

WIDTH: Final = 100
INDENT: Final = 4
_Items = list[tuple[str, str, Span]]


@dataclass(slots=True)
class _Line:
    """A line to be, with the place in the source that it stands for.

    `hang` is where broken lines go on, from the line's own start. `is_close` marks a closing brace,
    before which a comment belongs to the block. `gap` asks for a blank line before; so does a
    comment above a line that `is_next`, for read again the two neighbours are no longer adjacent.
    """

    level: int
    text: str
    anchor: int
    hang: int = INDENT
    is_close: bool = False
    gap: bool = False
    is_next: bool = False
    comments: list[str] = field(default_factory=list)
    trailing: list[str] = field(default_factory=list)


def format_module(module: Module) -> str:
    """The module's canonical text, comments included; empty for an empty module."""
    printer = _Printer(module.comments)
    lines: list[_Line] = []
    before: tuple[Declaration, int] | None = None
    for declaration in module.declarations:
        block = list(printer.declaration(declaration, 0))
        if before is not None:
            block[0].gap = not _is_group(before[0], before[1], declaration, len(block))
            block[0].is_next = True
        before = (declaration, len(block))
        lines += block
    after = _place_comments(lines, module.comments)
    return _written(lines, after)


def _is_group(first: Declaration, first_lines: int, then: Declaration, lines: int) -> bool:
    """Whether two neighbours stand without a blank line between them."""
    is_one_kind = type(first) is type(then) and _word(first) == _word(then)
    is_adjacent = then.span.line - first.span.line == 1
    return is_one_kind and first_lines == lines == 1 and is_adjacent


def _word(declaration: Declaration) -> str:
    if isinstance(declaration, RuleDecl):
        return declaration.word.value
    return declaration.kind.value if isinstance(declaration, WordDecl) else ""


def _place_comments(lines: list[_Line], comments: Sequence[Comment]) -> list[str]:
    """Gives each comment to a line; gives back those that come after the last."""
    by_place = sorted(lines, key=lambda line: line.anchor)
    after: list[str] = []
    index = 0
    for comment in sorted(comments, key=lambda one: one.span.start):
        while index < len(by_place) and by_place[index].anchor <= comment.span.start:
            index += 1
        # One that ends a line stays there, unless an earlier one has already moved on to the next.
        waiting = by_place[index].comments if index < len(by_place) else after
        if not comment.is_own_line and index > 0 and not waiting:
            by_place[index - 1].trailing.append(comment.text)
        elif index < len(by_place):
            by_place[index].comments.append(comment.text)
        else:
            after.append(comment.text)
    return after


def _written(lines: list[_Line], after: list[str]) -> str:
    rows: list[str] = []
    for line in lines:
        # Two comments cannot end one line: the first ones move above it.
        above = [*line.comments, *line.trailing[:-1]]
        margin = " " * (INDENT * line.level)
        if line.gap or (line.is_next and above):
            rows.append("")
        inner = margin + " " * INDENT if line.is_close else margin
        rows += [inner + comment for comment in above]
        broken = _broken(line, margin)
        if line.trailing:
            broken[-1] += f"  {line.trailing[-1]}"
        rows += broken
    if after and rows:
        rows.append("")
    rows += after
    return "\n".join(rows) + "\n" if rows else ""


def _broken(line: _Line, margin: str) -> list[str]:
    """The line's rows: as many chunks on each as fit."""
    first, *chunks = line.text.split(show.BREAK)
    rows = [margin + first]
    hanging = margin + " " * line.hang
    for chunk in chunks:
        if len(rows[-1]) + 1 + len(chunk) <= WIDTH:
            rows[-1] += " " + chunk
        else:
            rows.append(hanging + chunk)
    return rows


class _Printer:
    """Turns declarations into lines; knows the comments, since they keep a block open."""

    def __init__(self, comments: Sequence[Comment]) -> None:
        self._places = [comment.span.start for comment in comments]

    def declaration(self, found: Declaration, level: int) -> Iterator[_Line]:
        match found:
            case Mission():
                yield from self._mission(found, level)
            case Use():
                packs = show.listed(
                    used.name.text + (f" {show.quoted(used.version.value)}" if used.version else "")
                    for used in found.packs
                )
                yield _Line(level, f"use {packs}", found.span.start)
            case Attributes():
                yield from self._attributes(found, level)
            case SetDecl():
                text = f"set {show.head(found.head)} = {show.expression(found.value)}"
                yield _Line(level, text, found.span.start)
            case WordDecl():
                text = f"{found.kind.value} {show.head(found.head)}"
                yield _Line(level, text, found.span.start)
            case DataDecl():
                yield from self._data(found, level, "data ")
            case PurposeDecl():
                yield from self._purpose(found, level)
            case RuleDecl():
                items = _clauses(found.clauses)
                yield from self._block(
                    level, f"{found.word.value} {show.head(found.head)}", items, found.span
                )
            case RegimeDecl():
                yield from self._regime(found, level)
            case TestDecl():
                yield from self._test(found, level)
            case _:
                assert_never(found)

    def _is_commented(self, span: Span) -> bool:
        return any(span.start < place < span.end for place in self._places)

    def _block(
        self, level: int, header: str, items: _Items, span: Span, *, is_required: bool = False
    ) -> Iterator[_Line]:
        """Header and aligned items; on one line when it is one short item, or none."""
        if not self._is_commented(span):
            if not items:
                yield _Line(level, header + (" {}" if is_required else ""), span.start)
                return
            if len(items) == 1:
                word, rest, _ = items[0]
                short = f"{header} {{ {word} {rest} }}".replace(show.BREAK, " ")
                if len(short) + INDENT * level <= WIDTH:
                    yield _Line(level, short, span.start)
                    return
        yield _Line(level, header + " {", span.start)
        yield from _aligned(items, level + 1)
        yield _close(level, span)

    def _mission(self, found: Mission, level: int) -> Iterator[_Line]:
        header = f"mission {show.head(found.head)}".rstrip()
        items: _Items = []
        for one in found.fields:
            country = f" in {show.quoted(one.country.value)}" if one.country is not None else ""
            items.append((one.name.text, show.quoted(one.value.value) + country, one.span))
        yield from self._block(level, header, items, found.span, is_required=True)

    def _attributes(self, found: Attributes, level: int) -> Iterator[_Line]:
        header = f"attributes {show.head(found.head)}"
        items: _Items = []
        for one in found.attributes:
            item_type = f" of {one.item_type.text}" if one.item_type is not None else ""
            default = f" = {show.expression(one.default)}" if one.default is not None else ""
            mark = "?" if one.is_optional else ""
            rest = one.type.text + item_type + mark + default
            items.append((f"{one.name.text}:", rest, one.span))
        inner = ", ".join(f"{word} {rest}" for word, rest, _ in items)
        short = f"{header} {{ {inner} }}".replace(show.BREAK, " ")
        if items and len(short) <= WIDTH and not self._is_commented(found.span):
            yield _Line(level, short, found.span.start)
            return
        last = len(items) - 1
        items = [
            (word, rest + ("," if index < last else ""), span)
            for index, (word, rest, span) in enumerate(items)
        ]
        if len(items) == 1:
            yield _Line(level, header + " {", found.span.start)
            yield from _aligned(items, level + 1)
            yield _close(level, found.span)
            return
        yield from self._block(level, header, items, found.span, is_required=True)

    def _data(self, found: DataDecl, level: int, word: str = "") -> Iterator[_Line]:
        header = word + show.head(found.head)
        if not found.children and not self._is_commented(found.span):
            yield _Line(level, header, found.span.start)
            return
        if len(found.children) == 1 and not self._is_commented(found.span):
            child = found.children[0]
            short = f"{header} {{ {show.head(child.head)} }}".replace(show.BREAK, " ")
            if not child.children and len(short) + INDENT * level <= WIDTH:
                yield _Line(level, short, found.span.start)
                return
        if not found.children:
            yield _Line(level, header, found.span.start)
            return
        yield _Line(level, header + " {", found.span.start)
        for child in found.children:
            yield from self._data(child, level + 1)
        yield _close(level, found.span)

    def _purpose(self, found: PurposeDecl, level: int) -> Iterator[_Line]:
        header = f"purpose {show.head(found.head)}"
        items = _clauses(found.clauses)
        if not found.children:
            yield from self._block(level, header, items, found.span)
            return
        yield _Line(level, header + " {", found.span.start)
        yield from _aligned(items, level + 1)
        for child in found.children:
            yield from self._purpose(child, level + 1)
        yield _close(level, found.span)

    def _regime(self, found: RegimeDecl, level: int) -> Iterator[_Line]:
        yield _Line(level, f"regime {show.head(found.head)} {{", found.span.start)
        inner = list(_aligned(_clauses(found.clauses), level + 1))
        yield from inner
        before: tuple[SetDecl | RuleDecl, int] | None = None
        nested: tuple[SetDecl | RuleDecl, ...] = (*found.sets, *found.rules)
        for one in nested:
            block = list(self.declaration(one, level + 1))
            if before is not None:
                block[0].gap = not _is_group(before[0], before[1], one, len(block))
                block[0].is_next = True
            elif inner:
                block[0].gap = True
            before = (one, len(block))
            yield from block
        yield _close(level, found.span)

    def _test(self, found: TestDecl, level: int) -> Iterator[_Line]:
        items: _Items = [
            ("given", f"{one.owner.text} {show.facts(one.values)}", one.span) for one in found.facts
        ]
        for event in found.events:
            parts = [event.verb.text, *([event.what.text] if event.what else [])]
            parts += [show.event_part(part) for part in event.parts]
            parts.append(f"on {show.literal(event.on)}")
            items.append(("given", show.BREAK.join(parts), event.span))
        if found.at is not None:
            items.append(("at", show.literal(found.at), found.at.span))
        blocks: dict[int, list[_Line]] = {}
        asked: list[tuple[Check, Expect | CheckTable]] = [*found.checks]
        asked += [(table.check, table) for table in found.tables]
        for check, then in sorted(asked, key=lambda one: one[0].span.start):
            items.append(("check", _check(check), check.span))
            if isinstance(then, Expect):
                items.append(("expect", _expect(then), then.span))
                continue
            heading = then.columns[0].span if then.columns else then.span
            items.append(("cases", show.names(then.columns) + " {", heading))
            rows = _rows(then, level + 2)
            blocks[len(items) - 1] = [*rows, _close(level + 1, then.span)]
        header = f"test {show.head(found.head)}"
        if not blocks:
            yield from self._block(level, header, items, found.span, is_required=True)
            return
        yield _Line(level, header + " {", found.span.start)
        for place, line in enumerate(_aligned(items, level + 1)):
            yield line
            yield from blocks.get(place, ())
        yield _close(level, found.span)


def _rows(found: CheckTable, level: int) -> Iterator[_Line]:
    """One line for each row, the values in columns where all rows fit."""
    cells = [[show.expression(value) for value in row.values] for row in found.rows]
    count = max((len(row) for row in cells), default=0)
    widths = [max(len(row[n]) for row in cells if n < len(row)) + 1 for n in range(count)]
    expects = [f"expect {_expect(row.expect)}" for row in found.rows]
    longest = max((len(one) for one in expects), default=0)
    is_wide = INDENT * level + len("given") + sum(widths) + count + longest + 1 > WIDTH
    for row, values, expect in zip(found.rows, cells, expects, strict=True):
        commas = [value + "," for value in values[:-1]] + values[-1:]
        if is_wide:
            text = show.BREAK.join(["given", *commas, expect])
        else:
            padded = [f"{one:<{widths[n]}}" for n, one in enumerate(commas)]
            text = " ".join(["given", *padded[:-1], padded[-1].rstrip().ljust(widths[-1] - 1)])
            text += f" {expect}"
        yield _Line(level, text, row.span.start)


def _expect(found: Expect) -> str:
    reason = f" {found.reason.text}" if found.reason is not None else ""
    duties = f"{show.BREAK}with {show.names(found.obligations)}"
    return found.effect.text + reason + (duties if found.obligations else "")


def _check(found: Check) -> str:
    facts = f" {show.facts(found.facts)}" if found.facts else ""
    parts = [
        show.party(found.principal) + facts,
        f"may {found.action.text} {show.names(found.data)}",
        f"for {found.purpose.text}",
    ]
    if found.channel is not None:
        parts.append(f"via {found.channel.text}")
    if found.recipient is not None:
        more = f" {show.facts(found.recipient_facts)}" if found.recipient_facts else ""
        parts.append(f"to {show.party(found.recipient)}{more}")
    return show.BREAK.join(parts)


def _clauses(found: Sequence[Clause]) -> _Items:
    return [(*show.clause(clause), clause.span) for clause in found]


def _aligned(items: _Items, level: int) -> Iterator[_Line]:
    """One line for each item, the words padded to the longest."""
    width = max((len(word) for word, _, _ in items), default=0) + 1
    for word, rest, span in items:
        yield _Line(level, f"{word:<{width}}{rest}", span.start, hang=width)


def _close(level: int, span: Span) -> _Line:
    return _Line(level, "}", max(span.start, span.end - 1), is_close=True)
