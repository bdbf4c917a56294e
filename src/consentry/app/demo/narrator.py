"""Tells the story and holds it to its word: every step asserts what it says."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from consentry.app.output import Console


class StepFailedError(Exception):
    """Something was not as the story says; the message names the step."""


@dataclass(slots=True)
class Narrator:
    """Prints numbered steps to one console; remembers which one is being told."""

    console: Console
    number: int = 0
    title: str = ""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step; whatever goes wrong within it is said to have gone wrong in it.

        Raises:
            StepFailedError: the step did not go as it should.
        """
        self.number += 1
        self.title = title
        self.console.line()
        self.console.line(self.console.styled(f"{self.number}. {title}", "bold"))
        try:
            yield
        except StepFailedError:
            raise
        except Exception as problem:
            raise StepFailedError(
                f"{self._place()}: {type(problem).__name__}: {problem}"
            ) from problem

    def _place(self) -> str:
        return f"step {self.number} ({self.title})"

    def expect(self, what: str, came: object, wanted: object) -> None:
        """Holds one thing of the present step to what it should be.

        Raises:
            StepFailedError: it is something else.
        """
        if came != wanted:
            raise StepFailedError(f"{self._place()}: {what} should be {wanted}, and is {came}")

    def say(self, text: str) -> None:
        """Plain narration, wrapped."""
        for line in textwrap.wrap(text, width=92):
            self.console.line(f"   {line}")

    def show(self, who: str, asks: str, answer: str, *, is_good: bool | None = None) -> None:
        """One exchange: who asked what, and what came back."""
        styled = answer
        if is_good is not None:
            styled = self.console.styled(answer, "green" if is_good else "red")
        self.console.line(f"   {self.console.styled(f'{who:<9}', 'cyan')} {asks}")
        self.console.line(f"   {'':<9} -> {styled}")

    def quote(self, text: str) -> None:
        """Lines of something else: a diagnostic, metrics."""
        for line in text.rstrip("\n").splitlines():
            self.console.line(f"   | {line}")
