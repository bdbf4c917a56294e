"""`fmt` keeps every comment, in order, wherever between two words it stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.printer import format_module

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("policies", "src/consentry/packs", "docs/policy-authors/tutorial", "tests/conformance")
_PIECE = re.compile(
    r'#[^\n]*|"(?:[^"\\\n]|\\.)*"|[0-9][0-9TZ:.-]*|[a-z_][a-z0-9_.]*|[=!<>]=|[^\s]', re.DOTALL
)


def sound_texts() -> dict[str, str]:
    """Every policy of the project that has no syntax error."""
    found = {}
    for path in sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.policy")):
        text = path.read_bytes().decode("utf-8-sig")  # a mark may stand first only
        if not parse_module(Source(path.name, text)).diagnostics:
            found[str(path.relative_to(ROOT))] = text
    return found


def commented(text: str, random: Random, chance: float) -> tuple[str, list[str]]:
    """The text with comments between some of its words, and all comments in order."""
    parts: list[str] = []
    comments: list[str] = []
    last = 0
    for match in _PIECE.finditer(text):
        parts.append(text[last : match.start()])
        if random.random() < chance:
            comments.append(f"# note {len(comments)} {random.choice(['', 'a', '}', 'permit x {'])}")
            comments[-1] = comments[-1].rstrip()
            before = random.choice(["", " ", "\n", "\n\n"])
            parts.append(f"{before}{comments[-1]}\n")
        if match.group().startswith("#"):
            comments.append(match.group().rstrip())
        parts.append(match.group())
        last = match.end()
    return "".join(parts) + text[last:], comments


def assert_comments_survive(text: str, comments: list[str]) -> None:
    result = parse_module(Source("a.policy", text))
    assert result.diagnostics == ()
    assert [comment.text for comment in result.module.comments] == comments

    formatted = format_module(result.module)

    again = parse_module(Source("a.policy", formatted))
    assert again.diagnostics == ()
    assert again.module == result.module
    assert [comment.text for comment in again.module.comments] == comments
    assert format_module(again.module) == formatted


@pytest.mark.parametrize("chance", [0.02, 0.3, 1.0])
def test_comments_anywhere_survive_in_order(
    chance: float, figure: Callable[[str, object], None]
) -> None:
    random = Random(f"{chance}")
    texts = sound_texts()
    count = 0
    for text in random.sample(sorted(texts.values()), 60):
        if len(text) > 12_000:
            continue
        changed, comments = commented(text, random, chance)
        assert_comments_survive(changed, comments)
        count += len(comments)

    figure(f"comments kept by fmt, put in with chance {chance}", count)


@pytest.mark.slow
def test_comments_survive_in_every_text_many_times(figure: Callable[[str, object], None]) -> None:
    count = 0
    for seed in range(20):
        random = Random(seed)
        for text in sound_texts().values():
            changed, comments = commented(text, random, random.choice([0.01, 0.1, 0.5, 1.0]))
            assert_comments_survive(changed, comments)
            count += len(comments)

    figure("comments kept by fmt, in all texts", count)
