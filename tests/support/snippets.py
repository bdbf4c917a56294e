"""Fenced blocks of the documentation, and what their info strings ask for.

```policy                 a whole policy set: must compile without an error
```policy fragment        part of a set: must parse
```policy error=R201      must be refused with this code
```policy test            must compile, and its tests must pass
```console                every `$ command` is run in a copy of the project; exit status 0 unless
                          `exit=N`; the lines below it must appear, in order (`…` stands for
                          anything); `needs=go`: uses a program that Go builds
```python                 run against a real sidecar, CONSENTRY_TARGET in the environment
```json, ```toml, ```yaml must parse
```text, ```promql        shown only
```sh not-run             shown only: needs what a test machine does not have
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(?P<info>[^\n`]+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Snippet:
    """One fenced block."""

    file: Path
    line: int
    language: str
    words: tuple[str, ...]
    body: str

    @property
    def id(self) -> str:
        """A name for a test's parameter."""
        return f"{self.file.name}:{self.line}"

    def option(self, name: str, default: str = "") -> str:
        """The value of `name=value` in the info string."""
        for word in self.words:
            key, _, value = word.partition("=")
            if key == name:
                return value
        return default


def snippets_of(file: Path) -> list[Snippet]:
    """All fenced blocks of one file, in order."""
    text = file.read_text()
    found = []
    for match in _FENCE.finditer(text):
        language, *words = match["info"].split()
        line = text.count("\n", 0, match.start()) + 1
        found.append(Snippet(file, line, language, tuple(words), match["body"]))
    return found


def documents(root: Path) -> list[Path]:
    """Every Markdown page that people read."""
    return [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a console block and the lines that must follow it."""

    command: str
    expected: tuple[str, ...]


def steps_of(body: str) -> list[Step]:
    """The commands of a console block; a line ending in a backslash goes on in the next."""
    steps: list[Step] = []
    command, expected = "", []
    for line in body.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            if command:
                steps.append(Step(command, tuple(expected)))
            command, expected = line[2:], []
        elif line.strip() and line.strip() != "…":
            expected.append(line.rstrip())
    return [*steps, Step(command, tuple(expected))] if command else steps


def missing_line(expected: tuple[str, ...], output: str) -> str | None:
    """The first expected line that does not appear after the one before it, or None."""
    lines = iter(output.splitlines())
    for wanted in expected:
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("…")))
        if not any(pattern.search(line) for line in lines):
            return wanted
    return None
