"""Films added and taken out, filters, known users, hostile titles."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys
from support.browser import Browser, Listening
from support.page import add, settled, three_films, titles, wait_for_events

pytestmark = pytest.mark.slow


def test_three_films_a_list_with_reasons_and_one_taken_out(browser: Browser, page: Listening) -> None:
    three_films(browser, page.url)
    before = titles(browser)
    assert len(before) == 10 and len(browser.all(".sentence")) == 10
    cited = browser.texts(".card:first-child .evidence .name")[0]
    assert cited in browser.texts(".card:first-child .sentence")[0]
    assert browser.all(".card mark") and browser.all(".evidence .fill") and browser.all(".event .fill")
    weights = [float(text.split("+")[1]) for text in browser.texts(".card:first-child .number")]
    assert weights == sorted(weights, reverse=True)
    assert browser.texts(".card:first-child .about")[0].startswith("19")
    browser.click("#events li:last-child [data-act=remove]")
    wait_for_events(browser, 2)
    assert titles(browser) != before and browser.all(".moved")
    browser.click("#toast button")
    wait_for_events(browser, 3)
    assert titles(browser) == before
    browser.click("#events li:first-child [data-act=earlier]")
    browser.wait(lambda: browser.texts(".event .name")[0].startswith("Film 04") and settled(browser))
    browser.driver.refresh()
    wait_for_events(browser, 3)
    assert browser.faults() == []


def test_without_an_item_the_list_is_as_was_said(browser: Browser, page: Listening) -> None:
    three_films(browser, page.url)
    said = browser.texts(".card:first-child .without")
    label = browser.one(".card:first-child button.without").get_attribute("aria-label")
    film = titles(browser)[0]
    assert film in label and "would stand at rank" in label
    left_out = browser.texts(".card:first-child .evidence .name")[0]
    browser.click(".card:first-child button.without")
    wait_for_events(browser, 2)
    rank = int(said[0].split("#")[1])
    others = [title for title in titles(browser) if title != left_out]  # which may be recommended now
    assert others[rank - 1] == film if rank <= len(others) else film not in others


def test_filters_variety_length_similar_and_hiding(browser: Browser, page: Listening) -> None:
    three_films(browser, page.url)
    browser.click("#filters-toggle")
    browser.click(".chip:has(input[value=Action])")
    browser.wait(lambda: settled(browser) and len(titles(browser)) < 10)
    assert {text.split(" · ")[1] for text in browser.texts(".card .about")} == {"Action"}
    assert browser.texts(".count") == ["1"]
    browser.one(".bound input").send_keys("3000")
    assert "No item passes these filters" in browser.one("#state .fault").text
    browser.click("#filters > .row button")
    browser.wait(lambda: settled(browser) and len(titles(browser)) == 10)
    browser.click("#control-k option[value='5']")
    browser.wait(lambda: settled(browser) and len(titles(browser)) == 5)
    browser.one("#control-diversity").send_keys(Keys.END)
    browser.wait(lambda: browser.all(".moved, .new") and settled(browser))
    unlike = titles(browser)
    browser.click("#control-calibrate option[value='genres']")
    browser.wait(lambda: titles(browser) != unlike and settled(browser))
    hidden = titles(browser)[0]
    browser.click(".card:first-child [data-act=similar]")
    browser.wait(lambda: len(browser.all(".alike .chips button")) == 6)
    browser.click(".card:first-child [data-act=hide]")
    browser.wait(lambda: settled(browser) and hidden not in titles(browser))
    assert all("422" in fault for fault in browser.faults())


def test_a_known_user(browser: Browser, page: Listening) -> None:
    browser.open(page.url)
    browser.click("#people summary")
    browser.one("#user-field").send_keys("7")
    browser.click("#user-matches li")
    wait_for_events(browser, 8)
    user = page.service.run.model.histories.of_user("7")
    expected = page.service.run.model.recommend(user, 10)["item_id"].to_list()
    ids = browser.script("return [...document.querySelectorAll('.card')].map((card) => card.dataset.item)")
    assert ids == expected
    assert "User 7" in browser.texts("#history-note")[0]


def test_hostile_titles_run_nothing(browser: Browser, page: Listening) -> None:
    browser.open(page.url)
    for words in ("<script>", "onerror", "svg"):
        add(browser, words)
    browser.click("#filters-toggle")
    browser.wait(lambda: settled(browser))
    for act in browser.all("[data-act=similar]")[:3]:
        act.click()
    browser.wait(lambda: len(browser.all(".alike .chips")) == 3)
    text = browser.script("return document.body.textContent")
    assert "<script>window.hacked = 1</script>" in text and "<b>Noir</b>" in text
    assert browser.script("return window.hacked") is None
    assert browser.script("return document.querySelectorAll('ol script, ol img, main b, [onload]').length") == 0
    assert browser.faults() == []  # nothing even tried
    for attempt in ("document.body.innerHTML = '<b>x</b>'", "document.body.setAttribute('onclick', 'hacked = 1')"):
        refused = f"try {{ {attempt}; return 'taken' }} catch (error) {{ return error.name }}"
        assert browser.script(refused) == "TypeError"  # not even the page's own scripts could
