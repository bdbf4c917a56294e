"""Shared set-up: where things are, and figures that a run leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.catalogue.run import Held

if TYPE_CHECKING:
    from tests.support.postgres import Cluster, Clusters

ROOT = Path(__file__).resolve().parent.parent
_FIGURES = pytest.StashKey[dict[str, str]]()
_HELD = pytest.StashKey[Held]()


@pytest.fixture(scope="session")
def project_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def figure(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Leaves a figure for the end of the run, where a reader of the log finds it."""

    def record(name: str, value: object) -> None:
        request.config.stash.setdefault(_FIGURES, {})[name] = str(value)

    return record


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_HELD] = Held()
    config.pluginmanager.register(config.stash[_HELD])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    figures = config.stash.get(_FIGURES, {}) | config.stash[_HELD].figures()
    if figures:
        terminalreporter.section("figures")
        for name, value in sorted(figures.items()):
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def postgres_clusters() -> Iterator[Clusters]:
    """A maker of PostgreSQL servers for tests that break them."""
    from tests.support.postgres import clusters  # noqa: PLC0415 - only for those who use it

    with clusters() as made:
        yield made


@pytest.fixture(scope="session")
def postgres(postgres_clusters: Clusters) -> Iterator[Cluster]:
    """One PostgreSQL server for tests that leave it whole."""
    with postgres_clusters.running() as cluster:
        yield cluster
