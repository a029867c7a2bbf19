"""The page of a service as a person uses it: films added, a list waited for."""

from __future__ import annotations

from typing import Any

from support.browser import Browser


def add(browser: Browser, words: str) -> None:
    """Search for a title and take the first match."""
    before = len(browser.all(".event"))
    browser.one("#search-field").send_keys(words)
    browser.wait(lambda: any(words in text for text in browser.texts("#search-matches .name")))
    browser.click("#search-matches li")
    wait_for_events(browser, before + 1)


def wait_for_events(browser: Browser, n: int) -> None:
    """Wait until the history has so many items, and the list is there."""
    browser.wait(lambda: len(browser.all(".event")) == n and settled(browser))


def settled(browser: Browser) -> bool:
    """Whether the list is there, with reasons and the ranks that evidence makes."""
    busy = browser.all(".cards[aria-busy=true], .ghost")
    return not busy and bool(browser.all("button.without")) and bool(browser.texts(".sentence"))


def three_films(browser: Browser, url: str, **options: Any) -> None:
    """Open the page as new and add three films."""
    browser.open(url, **options)
    for words in ("Film 03", "Film 04", "Film 05"):
        add(browser, words)


def titles(browser: Browser) -> list[str]:
    """Return the titles of the list."""
    return browser.texts(".card h3")
