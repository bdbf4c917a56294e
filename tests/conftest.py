"""Shared set-up: where things are, and figures that a run leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_FIGURES = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def project_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def figure(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Leaves a figure for the end of the run, where a reader of the log finds it."""

    def record(name: str, value: object) -> None:
        request.config.stash.setdefault(_FIGURES, {})[name] = str(value)

    return record


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    figures = config.stash.get(_FIGURES, {})
    if figures:
        terminalreporter.section("figures")
        for name, value in sorted(figures.items()):
            terminalreporter.write_line(f"{name}: {value}")
