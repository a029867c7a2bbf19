"""By keyboard alone, in both languages and themes, on a phone, and what axe-core finds."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys
from support.browser import Browser, Listening, axe_source
from support.page import add, settled, three_films, wait_for_events

pytestmark = pytest.mark.slow


def test_by_keyboard_alone(browser: Browser, page: Listening) -> None:
    def focused() -> str:
        return str(browser.script("const e = document.activeElement; return e.id || e.dataset.act || e.tagName"))

    browser.open(page.url)
    browser.press(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Go to the recommendations"
    for _ in range(3):
        browser.press(Keys.TAB)
    assert focused() == "search-field"
    for n, words in enumerate(("Film 03", "Film 04")):
        browser.press(words)
        browser.wait(lambda: browser.all("#search-matches li"))
        browser.press(Keys.ARROW_DOWN)
        active = browser.driver.switch_to.active_element.get_attribute("aria-activedescendant")
        assert browser.one(f"#{active}").get_attribute("aria-selected") == "true"
        browser.press(Keys.ENTER)
        wait_for_events(browser, n + 1)
        assert focused() == "search-field"
    browser.press("Film")
    browser.wait(lambda: browser.all("#search-matches li"))
    browser.press(Keys.ESCAPE)
    assert not browser.all("#search-matches li")
    browser.press(Keys.ESCAPE)
    browser.press(Keys.TAB, Keys.TAB)  # the known users, then the first film's buttons
    assert focused() in ("later", "earlier")
    browser.press(Keys.ENTER)
    browser.wait(lambda: browser.texts(".event .name")[0].startswith("Film 03") and settled(browser))
    assert focused() in ("later", "earlier")
    browser.press(Keys.TAB)
    while focused() != "remove":
        browser.press(Keys.TAB)
    browser.press(Keys.ENTER)
    wait_for_events(browser, 1)
    assert focused() == "remove"
    while focused() != "add":
        browser.press(Keys.TAB)
    browser.press(Keys.SPACE)
    wait_for_events(browser, 2)
    assert focused() == "add"
    assert browser.texts("#announce")[0].startswith("10 recommendations")


def test_language_and_theme(browser: Browser, page: Listening) -> None:
    three_films(browser, page.url)
    english = browser.texts(".sentence")[0]
    light = browser.script("return getComputedStyle(document.body).backgroundColor")
    browser.click("#language")
    browser.wait(lambda: browser.texts("h1")[0].startswith("接下来") and settled(browser))
    assert browser.script("return document.documentElement.lang") == "zh-Hans"
    browser.wait(lambda: "《" in browser.texts(".sentence")[0])
    assert "《" not in english
    browser.click("#theme")
    assert browser.one("#theme").get_attribute("aria-pressed") == "true"
    assert browser.script("return getComputedStyle(document.body).backgroundColor") != light
    browser.driver.refresh()
    browser.wait(lambda: settled(browser))
    assert browser.texts("h1")[0].startswith("接下来")
    assert browser.script("return document.documentElement.dataset.theme") == "dark"
    browser.open(page.url, scheme="dark")
    assert browser.script("return getComputedStyle(document.body).backgroundColor") != light


def test_nothing_scrolls_sideways_on_a_phone(browser: Browser, page: Listening) -> None:
    for width in (390, 320):
        three_films(browser, page.url, width=width)
        add(browser, "constructor")
        browser.click("#filters-toggle")
        browser.click("[data-act=similar]")
        browser.click("#people summary")
        browser.wait(lambda: browser.all(".alike .chips"))
        wide = "return [document.documentElement.scrollWidth, innerWidth]"
        assert browser.script(wide) == [width, width]
    browser.size(1280)


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "zh")])
def test_axe_finds_no_serious_fault(browser: Browser, page: Listening, scheme: str, language: str) -> None:
    source = axe_source()

    def serious() -> list[str]:
        browser.script(source)
        run = "const done = arguments[0]; axe.run().then((found) => done(found.violations))"
        violations = browser.driver.execute_async_script(run)
        return [
            f"{one['id']}, {len(one['nodes'])} times: {one['nodes'][0]['html'][:300]}"
            for one in violations
            if one["impact"] in ("serious", "critical")
        ]

    browser.open(page.url, scheme=scheme)
    if language == "zh":
        browser.click("#language")
    assert serious() == []
    for words in ("Film 03", "Film 04", "onerror"):
        add(browser, words)
    browser.click("#filters-toggle")
    browser.click(".chip")
    browser.click("[data-act=similar]")
    browser.click("#people summary")
    browser.one("#search-field").send_keys("Film 1")
    browser.wait(lambda: browser.all("#search-matches li") and settled(browser))
    assert serious() == []
