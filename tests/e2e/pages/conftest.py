"""One world of sidecars for all pages; a browser for each file, since its loop is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.page_world import NAMES, PageWorld, page_world

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def world() -> Iterator[PageWorld]:
    """The pages for people, over a ledger node and sidecars that follow it."""
    with page_world(followers=len(NAMES)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser without a screen."""
    from tests.support.browser import chromium  # noqa: PLC0415 - loads a browser's driver

    with chromium() as started:
        yield started
