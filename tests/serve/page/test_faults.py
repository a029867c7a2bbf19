"""What goes wrong: a key, a busy service, late answers, a service that ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys
from support.browser import Browser, Listening, listening
from support.page import add, settled, titles

from llmrec.serve.failures import BusyError, DeadlineError

pytestmark = pytest.mark.slow

KEY = "0123456789abcdef"


def test_a_key_is_asked_for_and_kept_in_the_tab(browser: Browser, runs: Path, tmp_path: Path) -> None:
    with listening(runs / "gru", tmp_path / "e.sqlite", key=KEY) as one:
        browser.open(one.url)
        assert browser.one("dialog h2").text == "This service asks for a key"
        browser.press(Keys.ESCAPE)
        assert browser.one("#state .fault p").text == "This service asks for a key"
        browser.click("#state .fault button")
        browser.one("#key-field").send_keys(f"{KEY}0\n")
        browser.wait(lambda: browser.texts("#key-fault")[0] == "The service does not take this key.")
        browser.one("#key-field").send_keys(f"{KEY}\n")
        add(browser, "Film 03")
        assert KEY not in browser.script("return JSON.stringify(localStorage) + document.cookie + location.href")
        browser.driver.refresh()
        browser.wait(lambda: settled(browser))
        browser.click("#forget-key")
        browser.wait(lambda: browser.all("dialog[open]"))
        assert not browser.all(".card, .event")
        assert "Film 03" not in browser.script("return document.body.innerText + JSON.stringify(sessionStorage)")


def test_what_goes_wrong_is_one_line_with_a_way_out(
    browser: Browser, page: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    recommend = page.service.recommend
    failing: list[Exception] = [BusyError("busy"), BusyError("busy")]

    async def failing_first(query: Any) -> Any:
        if failing:
            raise failing.pop()
        return await recommend(query)

    browser.open(page.url)
    add(browser, "Film 03")
    monkeypatch.setattr(page.service, "recommend", failing_first)
    failing += [BusyError("busy")]
    browser.click("#control-k option[value='5']")
    assert browser.one("#state .busy").text == "The service is busy. Asking again in a second."
    browser.wait(lambda: len(titles(browser)) == 5)  # it asked again by itself
    for error, line in (
        (DeadlineError("late"), "There was no answer in time. Try again, or ask for less."),
        (RuntimeError("secret"), "The service says: this is a fault of llmrec; the service's log says more"),
    ):
        failing += [error]
        browser.click(f"#control-k option[value='{10 if len(titles(browser)) == 5 else 5}']")
        assert browser.one("#state .fault p").text == line
        browser.click("#state .fault button")
        browser.wait(lambda: settled(browser))


def test_a_service_that_ended_is_said(browser: Browser, runs: Path, tmp_path: Path) -> None:
    with listening(runs / "markov", tmp_path / "e.sqlite") as one:
        browser.open(one.url)
        add(browser, "3")
        # A log without titles: items are shown by their ids. This model has weights of items, but no vectors.
        assert all(title.isdecimal() for title in titles(browser))
        assert browser.all("[data-act=similar]") and not browser.all("#control-diversity")
    browser.one("#control-k option[value='5']").click()
    assert browser.one("#state .fault p").text == "The service does not answer. Is it running?"
