"""Pictures of the pages for the docs: `python -m tests.support.screenshots`.

Needs Chromium and a font with Thai letters (Debian: `fonts-tlwg-loma-otf`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.browser import chromium, page_of
from tests.support.page_world import NAMES, PageWorld, page_world

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def main() -> int:
    """Draws all of them."""
    with page_world(followers=len(NAMES)) as world, chromium() as browser:
        _preferences(world, browser)
        _small(world, browser)
    return 0


def _preferences(world: PageWorld, browser: Browser) -> None:
    for scheme, language in (("light", "en"), ("dark", "th")):
        wide = {"width": 960, "height": 1000}
        with page_of(browser, color_scheme=scheme, viewport=wide) as page:
            page.goto(world.link(f"ada-{scheme}", "--language", language))
            for purpose, number in (("marketing.email", 0), ("marketing.phone", 1)):
                card = page.locator(f'[id="purpose-{purpose}"]')
                card.locator("button").nth(number).click()
            page.locator('[id="purpose-marketing.email"] button').click()
            page.evaluate("scrollTo(0, 0)")
            shoot(page.screenshot(full_page=True), f"preferences-{scheme}-{language}.png")


def _small(world: PageWorld, browser: Browser) -> None:
    small = {"width": 390, "height": 844}
    with page_of(browser, color_scheme="light", viewport=small) as page:
        page.goto(world.link("small", "--language", "en"))
        page.locator('[id="purpose-marketing.email"] button').first.click()
        shoot(page.screenshot(), "preferences-small.png")


def shoot(picture: bytes, name: str) -> None:
    """Keeps a picture, made smaller where a tool for that is there."""
    path = IMAGES / re.sub(r"[^a-z0-9.-]", "-", name)
    path.write_bytes(picture)
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--ext", ".png", "64", str(path)], check=False)


if __name__ == "__main__":
    sys.exit(main())
