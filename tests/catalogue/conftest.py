"""The sidecar that all bad inputs of one run are thrown at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalogue.target import Target, standing_target


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Iterator[Target]:
    with standing_target(tmp_path_factory.mktemp("catalogue"), project_root / "policies") as made:
        yield made
