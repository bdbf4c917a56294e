"""Pictures of the pages for the docs: `python -m tests.support.screenshots`.

Needs Chromium and a font with Thai letters (Debian: `fonts-tlwg-loma-otf`).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser

from consentry.client import Client
from tests.support.browser import chromium, page_of
from tests.support.page_world import NAMES, PageWorld, may_mail, page_world

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def main() -> int:
    """Draws all of them."""
    with page_world(followers=len(NAMES)) as world, chromium() as browser:
        _preferences(world, browser)
        _small(world, browser)
        _explained(world, browser)
        _proven(world, browser)
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


def _explained(world: PageWorld, browser: Browser) -> None:
    asked = {
        "principal": {"type": "service", "id": "campaign-mailer"},
        "action": "contact",
        "data": ["customer.contact.email"],
        "subject": {
            "id": "ada-light",
            "attributes": [{"name": "country", "value": {"text": "DE"}}],
        },
        "purpose": "marketing.email",
        "channel": "email",
    }
    with page_of(browser, color_scheme="light", viewport={"width": 960, "height": 1150}) as page:
        page.goto(world.url("/explain"))
        page.locator("textarea").fill(json.dumps(asked))
        page.get_by_role("button", name="Explain what is pasted").click()
        shoot(page.screenshot(), "explain-page.png")


def _proven(world: PageWorld, browser: Browser) -> None:
    with Client(world.node.target) as client:
        for number in range(140):
            may_mail(client, f"ada-{'light' if number % 2 else 'dark'}")
    with page_of(browser, color_scheme="light", viewport={"width": 860, "height": 900}) as page:
        page.goto(world.url("/transparency?language=en"))
        shoot(page.locator("section[aria-labelledby=proof]").screenshot(), "statement-proof.png")


def shoot(picture: bytes, name: str) -> None:
    """Keeps a picture, made smaller where a tool for that is there."""
    path = IMAGES / re.sub(r"[^a-z0-9.-]", "-", name)
    path.write_bytes(picture)
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--ext", ".png", "64", str(path)], check=False)


if __name__ == "__main__":
    sys.exit(main())
