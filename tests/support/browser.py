"""A service for a browser, the browser, and axe-core, which looks for what people with disabilities cannot use."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.common.action_chains import ActionChains

from llmrec.resources.cache import cache_dir

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = "needs Chromium and its driver: apt-get install chromium chromium-driver"
AXE = "axe-core@4.14.1"
AXE_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
VANISHED = "does not belong to the document"  # as chromedriver says of some elements that are gone
SECONDS = 20.0  # that anything on the page may take


class Listening(NamedTuple):
    """Where a service answers, and the service."""

    url: str
    service: Any


@contextmanager
def listening(run: Path, events: Path, *, key: str | None = None) -> Iterator[Listening]:
    """Serve a run on a free port of this machine, from a thread."""
    import uvicorn

    from llmrec.serve.app import guarded_app
    from llmrec.serve.server import bound
    from llmrec.serve.service import Service
    from llmrec.serve.settings import ServiceSettings

    service, socket = Service(run, ServiceSettings(events=events, backend="template")), bound("127.0.0.1", 0)
    config = uvicorn.Config(guarded_app(service, key=key), log_config=None, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    try:
        yield Listening(f"http://127.0.0.1:{socket.getsockname()[1]}/", service)
    finally:
        server.should_exit = True
        thread.join()
        socket.close()


class Browser:
    """Headless Chromium on one page; what is waited for must come within ``SECONDS``."""

    def __init__(self) -> None:
        program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
        driver = shutil.which("chromedriver")
        if program is None or driver is None:
            pytest.skip(NO_BROWSER)
        options = webdriver.ChromeOptions()
        options.binary_location = program
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--lang=en"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))

    def open(self, url: str, *, width: int = 1280, scheme: str = "light") -> None:
        """Load a page as somebody sees it who was never here, and wait until it has something to say."""
        self.size(width)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        self.driver.get(url)
        self.script("localStorage.clear(); sessionStorage.clear()")
        self.faults()
        self.driver.get(url)
        self.wait(lambda: self.all(".empty, .fault:not(:empty), dialog[open], .card:not(.ghostly)"))

    def size(self, width: int) -> None:
        """Make the page so many pixels wide."""
        metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def all(self, selector: str) -> list[Any]:
        """Return the elements that are shown."""
        return [one for one in self.driver.find_elements("css selector", selector) if one.is_displayed()]

    def one(self, selector: str) -> Any:
        """Wait for an element that is shown, and return it."""
        return self.wait(lambda: self.all(selector))[0]

    def texts(self, selector: str) -> list[str]:
        """Return the texts of elements."""
        return [
            str(one.get_property("textContent")) for one in self.driver.find_elements("css selector", selector)
        ]

    def click(self, selector: str) -> None:
        """Press an element as a mouse does."""
        element = self.one(selector)
        self.script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def script(self, source: str, *arguments: Any) -> Any:
        """Run a script that is none of the page's."""
        return self.driver.execute_script(source, *arguments)

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Wait until something holds, and return it; while the page changes, elements may vanish."""
        until = time.monotonic() + SECONDS
        value = None
        while not value:
            assert time.monotonic() < until, f"did not come: {self.script('return document.body.innerText')}"
            time.sleep(0.03)
            try:
                value = condition()
            except WebDriverException as error:
                if not isinstance(error, StaleElementReferenceException) and VANISHED not in str(error):
                    raise
        return value

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def faults(self) -> list[str]:
        """Return what the browser complained of since it was last asked: errors, refused scripts."""
        return [row["message"] for row in self.driver.get_log("browser") if row["level"] in ("SEVERE", "WARNING")]


def axe_source() -> str:
    """Return axe-core, fetched once by npm into the cache; the test is skipped where it cannot be had."""
    path = cache_dir() / "test-tools" / f"{AXE.replace('@', '-')}.tgz"
    if not path.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip(f"needs {AXE}, which npm fetches; npm is not installed")
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [npm, "pack", AXE, "--silent", "--pack-destination", str(path.parent)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            pytest.skip(f"needs {AXE}, which npm could not fetch: {done.stderr.strip()[-200:]}")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == AXE_SHA256, f"{path} is not {AXE}; remove it"
    with tarfile.open(path) as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file is not None
        return file.read().decode()
