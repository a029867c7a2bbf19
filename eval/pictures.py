"""Pictures of the page for the documentation, of a run as `llmrec serve` serves it: docs/pictures/page-*.png.

    python eval/pictures.py runs/quickstart/llm

Needs Chromium, chromedriver and selenium; fonts are the machine's (Inter and Noto Sans CJK look best).
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from llmrec.errors import DataError

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
SECONDS = 120.0  # for whatever is waited for: an LLM may be loaded meanwhile
COLOURS = 160
HISTORY = ("Star Wars", "Alien", "Blade Runner")


class Picture(NamedTuple):
    """How the page is looked at."""

    name: str
    width: int
    height: int
    scheme: str = "light"
    chinese: bool = False


PICTURES = (
    Picture("page-light", 1200, 900),
    Picture("page-dark", 1200, 900, scheme="dark"),
    Picture("page-zh", 1200, 900, chinese=True),
    Picture("page-phone", 390, 1240),
)


def main(arguments: list[str] | None = None) -> None:
    """Serve the run, look at its page and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--history", nargs="+", default=HISTORY, help="titles that are searched for and added")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    with serving(options.run) as url:
        for picture in PICTURES:
            content = smaller(taken(url, picture, options.history))
            path = options.out / f"{picture.name}.png"
            path.write_bytes(content)
            print(f"{path}: {len(content) / 1024:.0f} KB")


@contextmanager
def serving(run: Path) -> Iterator[str]:
    """Serve a run, its events in a folder that is removed afterwards. Yields its address."""
    with ExitStack() as opened:
        events = Path(opened.enter_context(tempfile.TemporaryDirectory())) / "events.sqlite"
        words = [sys.executable, "-m", "llmrec", "serve", str(run), "--port", "0", "--events", str(events)]
        process = opened.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        opened.callback(process.terminate)
        assert process.stdout is not None
        line = process.stdout.readline()
        if " on http" not in line:
            raise DataError(f"{run} is not served; `llmrec serve {run}` says why")
        yield line.split()[-1]


def taken(url: str, picture: Picture, history: tuple[str, ...]) -> bytes:
    """Build a history on the page, wait until its reasons are worded, and return a picture of it as PNG."""
    with browser(picture) as driver:
        driver.get(url)
        wait(driver, lambda: driver.find_elements("css selector", ".empty"))
        if picture.chinese:
            driver.find_element("id", "language").click()
        for n, title in enumerate(history, 1):
            add(driver, title, n)
        driver.execute_script("document.activeElement.blur()")
        wait(driver, lambda: worded(driver))
        time.sleep(0.6)  # bars grow to their length
        content: bytes = driver.get_screenshot_as_png()
        return content


def add(driver: Any, title: str, n: int) -> None:
    """Search for a title and take the first match, the ``n``-th item of the history; wait for its list."""
    match = "#search-matches li"
    driver.find_element("id", "search-field").send_keys(title)
    wait(driver, lambda: title in driver.find_element("css selector", match).text)
    driver.find_element("css selector", match).click()
    wait(driver, lambda: len(driver.find_elements("css selector", ".event")) == n and explained(driver))


@contextmanager
def browser(picture: Picture) -> Iterator[Any]:
    """Yield a headless Chromium of the picture's size and colours."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--lang=en",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        size = {"width": picture.width, "height": picture.height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": picture.scheme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield driver
    finally:
        driver.quit()


def explained(driver: Any) -> bool:
    """Whether the list has reasons, and the ranks that evidence makes."""
    return bool(driver.find_elements("css selector", "button.without"))


def worded(driver: Any) -> bool:
    """Whether the last of the words have come."""
    return bool(driver.find_elements("css selector", "#cards[data-worded=true]"))


def wait(driver: Any, condition: Callable[[], Any]) -> None:
    """Wait until something holds. Raises DataError where it does not in ``SECONDS``."""
    from selenium.common.exceptions import WebDriverException

    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            if condition():
                return
        except WebDriverException:  # the page changed meanwhile
            pass
        time.sleep(0.1)
    text = driver.execute_script("return document.body.innerText")
    raise DataError(f"the page did not come to what was waited for; it says: {text[:500]}")


def smaller(content: bytes) -> bytes:
    """Return a PNG of at most ``COLOURS`` colours: a page has few, and files stay small."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        reduced = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        written = io.BytesIO()
        reduced.save(written, "PNG", optimize=True)
    return written.getvalue()


if __name__ == "__main__":
    main()
