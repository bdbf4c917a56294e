"""The preference page in a real browser, against real sidecars that follow the page's ledger."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from consentry.client import Client
from tests.support.browser import axe_violations, opened
from tests.support.page_world import NAMES, PageWorld, may_mail

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Request

EMAIL = "purpose-marketing.email"
SOON_S = 10.0  # far more than it takes, on a machine that is busy with other things
Figure = Callable[[str, object], None]


def card(page: Page, anchor: str) -> Locator:
    return page.locator(f'[id="{anchor}"]')


def press(page: Page, anchor: str, name: str) -> None:
    card(page, anchor).get_by_role("button", name=re.compile(f"^{name} ")).click()


def stand(page: Page, anchor: str = EMAIL) -> str | None:
    return card(page, anchor).get_attribute("data-stand")


# --- choosing -------------------------------------------------------------------------------


@pytest.mark.parametrize("has_scripts", [True, False])
def test_a_person_gives_and_takes_back_with_one_press_each(
    world: PageWorld, browser: Browser, has_scripts: bool
) -> None:
    person = f"ada-{has_scripts}"
    page = opened(browser, java_script_enabled=has_scripts)
    page.goto(world.link(person))
    before = stand(page)

    press(page, EMAIL, "Allow")
    given, told = stand(page), card(page, EMAIL).get_by_role("status").inner_text()
    with Client(world.followers[0].target) as client:
        permitted = may_mail(client, person)
        press(page, EMAIL, "Stop allowing")
        withdrawn = stand(page)
        denied = may_mail(client, person)

    assert (before, given, withdrawn) == ("open", "yes", "no")
    assert permitted.is_permitted
    assert "In force in all 3 systems." in told
    assert (denied.is_permitted, denied.reason) == (False, "consent_withdrawn")


def test_all_of_it_works_by_keyboard_alone(world: PageWorld, browser: Browser) -> None:
    page = opened(browser, java_script_enabled=True)
    page.goto(world.link("keyboard"))

    def tab_to(name: str) -> None:
        for _ in range(100):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                "[document.activeElement.innerText,"
                " document.activeElement.closest('article')?.id,"
                " getComputedStyle(document.activeElement).outlineStyle]"
            )
            if focused[0].startswith(name) and focused[1] == EMAIL:
                assert focused[2] == "solid"
                return
        raise AssertionError(f"no way to `{name}` by keyboard")

    tab_to("Allow")
    page.keyboard.press("Enter")
    page.wait_for_url("**done=**")
    given = stand(page)
    # The page comes back at the purpose: the way on is short.
    tab_to("Stop allowing")
    page.keyboard.press("Space")
    page.wait_for_url("**done=**")
    card(page, EMAIL).get_by_text("Not allowed: you took your consent back").wait_for()

    assert (given, stand(page)) == ("yes", "no")


def test_yes_and_no_look_alike_and_nothing_is_preselected(
    world: PageWorld, browser: Browser
) -> None:
    page = opened(browser)
    page.goto(world.link("equal"))
    look = "e => { const s = getComputedStyle(e), r = e.getBoundingClientRect(); return ["
    look += "r.width, r.height, s.color, s.backgroundColor, s.borderColor, s.fontWeight, s.font] }"

    for each in page.locator("article").all():
        looks = [button.evaluate(look) for button in each.locator("button").all()]
        assert all(one == looks[0] for one in looks)
    assert page.locator("[checked], [selected], [type=checkbox], [type=radio]").count() == 0
    assert stand(page) == "open"


def test_a_person_objects_and_takes_it_back(world: PageWorld, browser: Browser) -> None:
    page = opened(browser)
    page.goto(world.link("objector"))

    press(page, "purpose-fraud_prevention", "Object")
    objected = stand(page, "purpose-fraud_prevention")
    press(page, "purpose-fraud_prevention", "Take the objection back")

    assert (objected, stand(page, "purpose-fraud_prevention")) == ("no", "used")


def test_a_receipt_is_downloaded_as_a_page_and_as_signed_text(
    world: PageWorld, browser: Browser, tmp_path: Path
) -> None:
    page = opened(browser)
    page.goto(world.link("receiver"))
    press(page, EMAIL, "Allow")

    texts = []
    for name in ("Receipt", "Signed file"):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=re.compile(f"^{name} ")).click()
        waiting.value.save_as(tmp_path / name)
        texts.append((tmp_path / name).read_text("utf-8"))

    assert "By e-mail" in texts[0]
    assert texts[1].count(".") == 2


def test_who_signs_out_has_to_open_the_link_again(world: PageWorld, browser: Browser) -> None:
    page = opened(browser)
    page.goto(world.link("leaver"))

    page.get_by_role("button", name="Sign out").click()
    answer = page.goto(world.url("/preferences"))

    assert answer is not None
    assert answer.status == 401


# --- what is measured -----------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "th"])
def test_axe_finds_nothing_wrong(
    world: PageWorld, browser: Browser, scheme: str, language: str, figure: Figure
) -> None:
    person = f"axe-{scheme}-{language}"
    page = opened(browser, color_scheme=scheme, viewport={"width": 390, "height": 800})
    found: list[str] = []
    # A style that our own policy kept out would be told here.
    page.on("console", lambda said: found.append(said.text) if "401" not in said.text else None)
    page.goto(world.link(person, "--language", language))
    found += axe_violations(page)
    card(page, EMAIL).locator("button").first.click()
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    found += axe_violations(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if (scheme == "dark") is (language == "th"):  # a long page: each once is enough
        page.goto(world.url(f"/transparency?language={language}"))
        found += axe_violations(page)
    page.context.clear_cookies()
    page.goto(world.url(f"/preferences?language={language}"))
    found += axe_violations(page)

    figure(f"axe violations, {scheme}, {language}", len(found))
    assert found == []


@pytest.mark.parametrize(
    ("path", "most_bytes"),
    [("/preferences", 64 * 1024), ("/transparency", 128 * 1024), ("/explain", 64 * 1024)],
)
def test_the_page_is_light(
    world: PageWorld, browser: Browser, path: str, most_bytes: int, figure: Figure
) -> None:
    page = opened(browser)
    page.goto(world.link("light"))
    page.goto(world.url(path))
    sent: list[Request] = []

    def begin(one: Request) -> None:
        sent.append(one)

    # Where they begin: the end of one from before the reload may be told after it.
    page.on("request", begin)

    page.reload()
    sizes = [one.sizes()["responseBodySize"] for one in sent]
    # Told by the browser itself: the page allows nothing that waits by evaluating a text.
    painted_ms = page.evaluate(
        """() => new Promise(told => new PerformanceObserver(list => {
            for (const entry of list.getEntriesByName("first-contentful-paint"))
                told(entry.startTime)
        }).observe({type: "paint", buffered: true}))"""
    )

    figure(f"{path}, requests", len(sizes))
    figure(f"{path}, bytes", sum(sizes))
    figure(f"{path}, first paint ms", round(painted_ms, 1))
    assert len(sizes) == 1
    assert sum(sizes) < most_bytes


def test_three_sidecars_deny_soon_after_the_press(
    world: PageWorld, browser: Browser, figure: Figure
) -> None:
    person = "timed"
    page = opened(browser)
    page.goto(world.link(person))
    press(page, EMAIL, "Allow")
    box = card(page, EMAIL).locator("button").bounding_box()
    assert box is not None
    is_asking = threading.Barrier(len(NAMES) + 1)

    def first_denied(target: str) -> float:
        with Client(target) as client:
            assert may_mail(client, person).is_permitted
            is_asking.wait(60)
            last_s = time.monotonic() + SOON_S
            while may_mail(client, person).is_permitted:
                assert time.monotonic() < last_s, f"{target} still permits"
            return time.monotonic()

    with ThreadPoolExecutor(len(NAMES)) as pool:
        asked = [pool.submit(first_denied, one.target) for one in world.followers]
        is_asking.wait(60)
        pressed_s = time.monotonic()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        took_s = [future.result(60) - pressed_s for future in asked]

    assert max(took_s) < SOON_S
    for name, one in zip(NAMES, took_s, strict=True):
        figure(f"press on `Stop allowing` to first denial at {name}, ms", round(one * 1_000, 1))
    page.get_by_text("In force in all 3 systems.").wait_for()


# --- what is refused ------------------------------------------------------------------------


class Visit:
    """A person's session, spoken by hand."""

    def __init__(self, world: PageWorld, person: str) -> None:
        self.ask = world.ask
        status, headers, _ = self.ask("GET", world.link(person).partition(world.node.http)[2])
        assert status == 303
        self.cookie = headers["set-cookie"].partition(";")[0]
        page = self.ask("GET", "/preferences", {"cookie": self.cookie})[2]
        found = re.search(r'name="form" value="([^"]+)"', page)
        assert found is not None
        self.form = found[1]

    def choose(self, headers: dict[str, str] | None = None, **fields: str) -> int:
        body = {"form": self.form, "purpose": "marketing.email", "choice": "give", "revision": "0"}
        sent = {"cookie": self.cookie, "content-type": "application/x-www-form-urlencoded"}
        status, _, _ = self.ask(
            "POST", "/preferences", sent | (headers or {}), urlencode(body | fields)
        )
        return status

    def acts(self) -> int:
        return self.ask("GET", "/preferences", {"cookie": self.cookie})[2].count("<time>")


def test_a_form_from_elsewhere_changes_nothing(world: PageWorld) -> None:
    visit, other = Visit(world, "victim"), Visit(world, "attacker")

    refused = [
        visit.choose({"origin": "https://evil.example"}),
        visit.choose({"sec-fetch-site": "cross-site"}),
        visit.choose(form=""),
        visit.choose(form=other.form),
        visit.choose({"content-type": "text/plain"}),
        visit.choose({"cookie": ""}),
        visit.choose(x="y" * 70_000),
    ]

    assert refused == [403, 403, 403, 403, 400, 401, 400]
    assert visit.acts() == 0


def test_what_is_no_choice_is_not_recorded(world: PageWorld) -> None:
    visit = Visit(world, "inventive")

    assert visit.choose(purpose="accounting") == 404
    assert visit.choose(purpose="no.such") == 404
    assert visit.choose(choice="erase") == 404
    assert visit.acts() == 0


def test_a_press_that_is_sent_twice_is_one_event_and_an_old_page_is_no_trap(
    world: PageWorld,
) -> None:
    visit = Visit(world, "impatient")

    assert [visit.choose(), visit.choose()] == [303, 303]
    assert visit.acts() == 1
    assert visit.choose(choice="withdraw", revision="1") == 303
    # The browser's way back shows the first page again; a press there means what it says.
    assert visit.choose() == 303
    assert visit.acts() == 3
    page = visit.ask("GET", "/preferences", {"cookie": visit.cookie})[2]
    assert re.search(r'id="purpose-marketing.email"[^>]*data-stand="yes"', page)


def test_too_many_choices_are_refused(world: PageWorld) -> None:
    visit = Visit(world, "restless")

    assert [visit.choose(form="x") for _ in range(3)] == [403] * 3
    statuses = [visit.choose(choice="no such") for _ in range(40)]

    assert (statuses[0], statuses[-1]) == (404, 429)
    assert statuses.count(404) >= 30


def test_nobody_sees_the_page_of_another(world: PageWorld) -> None:
    visit = Visit(world, "owner")
    visit.choose()
    event_id = re.search(
        r"/preferences/receipts/([^?\"]+)\?",
        visit.ask("GET", "/preferences", {"cookie": visit.cookie})[2],
    )
    assert event_id is not None
    other = Visit(world, "neighbour")

    assert visit.ask("GET", "/preferences")[0] == 401
    assert visit.ask("GET", "/preferences?link=x.y.z")[0] == 401
    for cookie, status in ((visit.cookie, 200), (other.cookie, 404), ("", 401)):
        path = f"/preferences/receipts/{event_id[1]}.jws"
        assert other.ask("GET", path, {"cookie": cookie})[0] == status


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_a_link_of_another_person_takes_nobodys_place(world: PageWorld, is_signed_in: bool) -> None:
    visit = Visit(world, f"seated-{is_signed_in}")
    link = world.link("sender").partition(world.node.http)[2]
    own = world.link(f"seated-{is_signed_in}").partition(world.node.http)[2]
    sent = {"cookie": visit.cookie if is_signed_in else ""}

    status, headers, page = visit.ask("GET", link, sent)

    assert (status, "set-cookie" in headers) == ((409, False) if is_signed_in else (303, True))
    assert ('action="/preferences/leave"' in page) is is_signed_in
    assert visit.ask("GET", own, sent)[0] == 303


def test_who_follows_the_link_of_another_may_sign_out_there(
    world: PageWorld, browser: Browser
) -> None:
    page = opened(browser)
    page.goto(world.link("first"))
    page.goto(world.link("second"))
    found = axe_violations(page)
    page.get_by_role("button", name="Sign out").click()
    answer = page.goto(world.link("second", "--name", "Second <b>"))

    assert found == []
    assert answer is not None
    assert answer.status == 200
    page.get_by_text("These are the choices of Second <b>.").wait_for()
    press(page, EMAIL, "Allow")
    page.get_by_text("These are the choices of Second <b>.").wait_for()


def test_the_page_is_kept_nowhere_and_framed_nowhere(world: PageWorld) -> None:
    visit = Visit(world, "careful")
    _, headers, page = visit.ask("GET", "/preferences", {"cookie": visit.cookie})

    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    for wanted in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "sha256-"):
        assert wanted in policy
    assert "unsafe" not in policy
    assert "<script" not in page
    assert "careful" not in page
