"""Texts to try: all that something is held against, and some of each kind that patterns tell apart.

Patterns are followed together, character by character, as one automaton; so what two or more of
them match at once, or none, is found wherever there is any such text.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, TypeAlias

from consentry.author.cases.endless import EndlessError
from consentry.model.operators import Glob, like_match

OTHERS: Final = ("other", "another")
"""Texts that nothing speaks of, where they really are none that is spoken of."""
_MAX_STEPS: Final = 20_000
_State: TypeAlias = "tuple[frozenset[int], ...]"
_Kind: TypeAlias = "tuple[bool, ...]"


def other_texts(taken: Iterable[str], wanted: int, names: Sequence[str] = OTHERS) -> list[str]:
    """So many different texts of which none is `taken`, from `names` where they do."""
    known = frozenset(taken)
    more = (f"another-{n}" for n in range(2, len(known) + wanted + 2))
    return [name for name in (*names, *more) if name not in known][:wanted]


def all_texts(
    constants: Iterable[str],
    patterns: Iterable[Glob],
    wanted: int,
    names: Sequence[str] = OTHERS,
) -> list[str]:
    """Every constant and, of each kind of other text that patterns tell apart, `wanted` ones.

    Raises:
        EndlessError: the patterns have too many mixtures.
    """
    known = sorted(set(constants))
    different = list(dict.fromkeys(patterns))
    found = [*other_texts(known, wanted, names), *known]
    if different:
        found += _matching(known, different, wanted)
    return list(dict.fromkeys(found))


def _matching(known: Sequence[str], patterns: Sequence[Glob], wanted: int) -> list[str]:
    """The shortest unknown texts of each mixture of matches, at most `wanted` of each."""
    globs = ["*".join(pattern) for pattern in patterns]
    alphabet = _alphabet(globs, known, wanted)
    # No more texts that lead to one state are needed than these: the others are known.
    enough = wanted + max(Counter(_kind(text, patterns) for text in known).values(), default=0)
    visits: Counter[_State] = Counter()
    kinds: Counter[_Kind] = Counter()
    found = []
    waiting: deque[tuple[str, _State]] = deque([("", tuple(_closed(g, {0}) for g in globs))])
    steps = 0
    while waiting:
        text, state = waiting.popleft()
        if visits[state] >= enough:
            continue
        steps += 1
        if steps > _MAX_STEPS:
            raise EndlessError(f"{len(globs)} patterns are held against it, with too many mixtures")
        visits[state] += 1
        kind = _kind(text, patterns)
        if text and text not in known and kinds[kind] < wanted:
            kinds[kind] += 1
            found.append(text)
        for character in alphabet:
            after = tuple(_step(g, at, character) for g, at in zip(globs, state, strict=True))
            if visits[after] < enough:
                waiting.append((text + character, after))
    return found


def _kind(text: str, patterns: Sequence[Glob]) -> _Kind:
    return tuple(like_match(text, pattern) for pattern in patterns)


def _alphabet(globs: Sequence[str], known: Sequence[str], strange: int) -> list[str]:
    """So many characters that stand nowhere, and the patterns' own."""
    own = {character for glob in globs for character in glob} - {"*", "?"}
    spoken = own.union(*known)
    rest = (c for c in (*"xyz", *map(chr, range(0x100, 0x10000))) if c not in spoken)
    return [*islice(rest, strange), *sorted(own)]


def _closed(glob: str, places: Iterable[int]) -> frozenset[int]:
    """The places in a pattern, and those behind stars that stand for nothing."""
    found = set()
    for place in places:
        end = place
        found.add(end)
        while glob[end : end + 1] == "*":
            end += 1
            found.add(end)
    return frozenset(found)


def _step(glob: str, places: frozenset[int], character: str) -> frozenset[int]:
    after = {place for place in places if glob[place : place + 1] == "*"}
    after |= {place + 1 for place in places if glob[place : place + 1] in ("?", character)}
    return _closed(glob, after)
