"""The pages in headless Chromium: nothing is cut on a phone, nothing is refused, axe-core has nothing serious."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest
from support.report_examples import build, card

pytest.importorskip("selenium", reason="needs selenium: pip install 'llmrec[dev]'")

from support.browser import Browser, axe_source

from llmrec import Dataset
from llmrec.data.describe_page import draw
from llmrec.evaluation import ResponseReport
from llmrec.evaluation.responses.results import ResponseResult
from llmrec.evaluation.significance import Interval

pytestmark = pytest.mark.slow

NAMES = ("report", "responses", "describe")
# Elements that reach beyond the window, but for what lies in something that scrolls.
CUT = """
const width = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')].filter(one => !one.closest('.scroll, pre, svg')
  && one.getBoundingClientRect().right > width + 1).map(one => one.outerHTML.slice(0, 90))
"""
SERIOUS = """
const done = arguments[arguments.length - 1];
axe.run().then(found => done(found.violations.filter(one => ['serious', 'critical'].includes(one.impact))
  .map(one => one.id + ': ' + one.nodes.map(node => node.html.slice(0, 90)).join(' | '))))
"""


def responses() -> ResponseReport:
    """Two models on a task with two classes."""

    def result(model: str, loss: float) -> ResponseResult:
        numbers = {"roc_auc": 0.8, "accuracy": 0.9, "log_loss": loss}
        return ResponseResult(
            model=model,
            task="purchase",
            events=200,
            levels=("no", "yes"),
            metrics={name: Interval(mean=one, low=one - 0.05, high=one + 0.05) for name, one in numbers.items()},
            confusion=((40, 5), (10, 145)),
            curves={"roc": [[0, 0], [0.2, 0.9], [1, 1]], "pr": [[0, 1], [1, 0.6]], "calibration": [[0.2, 0.3]]},
        )

    results = (result("gru", 0.2), result("prior", 0.4), result("hmm", 0.6))
    return ResponseReport(
        data="shop",
        split="global-time",
        events=200,
        users=50,
        results=results,
        versions={"llmrec": "0"},
        machine={},
    )


def log() -> Dataset:
    """Events of four people with behaviors and times, and items with long texts."""
    rows = [(f"u{n % 4}", f"i{n % 7}", 1_700_000_000 + 5000 * n, ("view", "buy")[n % 2]) for n in range(60)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "behavior"], orient="row")
    text = "averyverylongwordthatcannotbebrokenanywhere" * 4
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(7)], "title": [f"{n} {text}" for n in range(7)]})
    return Dataset.from_tables(events, items=items, name="shop", time_format="seconds")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The address of each page."""
    folder = tmp_path_factory.mktemp("pages")
    build().with_showcase([card("Film " * 30)], written_by_llm=1, written_by_template=1).save(folder / "report")
    responses().save(folder / "report")
    draw(log(), folder / "data", item_lines=lambda rows: [str(row[1]) for row in rows.iter_rows()])
    files = dict(zip(NAMES, ("report/report.html", "report/responses.html", "data/describe.html"), strict=True))
    return {name: (folder / file).as_uri() for name, file in files.items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    one = Browser()
    yield one
    one.driver.quit()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut(name: str, width: int, browser: Browser, pages: dict[str, str]) -> None:
    browser.size(width)
    browser.driver.get(pages[name])
    assert browser.script(CUT) == []
    assert browser.script("return document.documentElement.scrollWidth") <= width
    assert browser.faults() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing_serious(name: str, scheme: str, browser: Browser, pages: dict[str, str]) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.size(1280)
    browser.driver.get(pages[name])
    browser.script(axe_source())
    assert browser.driver.execute_async_script(SERIOUS) == []


def test_axe_sees_what_cannot_be_read(browser: Browser, pages: dict[str, str]) -> None:
    browser.driver.get(pages["describe"])
    browser.script("document.querySelector('.lead').style.color = 'var(--line)'")
    browser.script("document.querySelector('svg').removeAttribute('aria-label')")
    browser.script(axe_source())
    faults = browser.driver.execute_async_script(SERIOUS)
    assert [fault.split(":")[0] for fault in faults] == ["color-contrast", "svg-img-alt"]


def test_axis_labels_are_numbers_and_matrices_are_seen(browser: Browser, pages: dict[str, str]) -> None:
    browser.size(1280)
    browser.driver.get(pages["responses"])
    cells = browser.texts(".matrix td")
    assert cells[:4] == ["40", "5", "10", "145"]
    ground = "return getComputedStyle(document.querySelectorAll('.matrix td')[arguments[0]]).backgroundColor"
    grounds = [browser.script(ground, n) for n in range(2)]
    assert grounds[0] != grounds[1]
    browser.driver.get(pages["describe"])
    assert not [text for text in browser.texts("svg text") if "$" in text or "^" in text]
