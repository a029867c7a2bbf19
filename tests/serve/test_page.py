"""The page as files: what is served and with which headers, nothing inline, every word in both languages."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from support.serving import NEEDS
from support.syntax import ROOT

pytest.importorskip("fastapi", reason=NEEDS)

from fastapi import FastAPI
from starlette.testclient import TestClient

from llmrec.serve.page_files import FOLDER, POLICY, add_page, page_files
from llmrec.serve.security import HEADERS, Guard

FILES = page_files()
SCRIPTS = {path: text.decode() for path, text in FILES.items() if path.endswith(".js")}
PAGE = FILES["/"].decode()
STRINGS: dict[str, dict[str, str]] = json.loads(FILES["/page/strings.json"])


class Markup(HTMLParser):
    """The elements of a page, with their attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag = self.elements[-1][0] if self.elements else ""
        self.texts[tag] = self.texts.get(tag, "") + data.strip()


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    app = FastAPI(openapi_url=None)
    add_page(app)
    with TestClient(Guard(app, key="0123456789abcdef"), base_url="http://films.example") as one:
        yield one


def test_every_file_is_served_without_a_key_and_nothing_else_is(client: Any) -> None:
    assert len(FILES) == len(list(FOLDER.iterdir()))
    for path, content in FILES.items():
        answer = client.get(path)
        assert (answer.status_code, answer.content) == (200, content)
        again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    for path in ("/page", "/page/", "/page/no.js", "/page/../app.py", "/page/%2e%2e/app.py", "/index.html"):
        assert client.get(path).status_code == 401


def test_browsers_are_told_to_run_only_the_service_s_files(client: Any) -> None:
    for path in FILES:
        headers = client.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["cross-origin-opener-policy"] == "same-origin"
        others = set(HEADERS) - {"Content-Security-Policy", "Cache-Control"}
        assert all(headers[name] == HEADERS[name] for name in others)
    assert "default-src 'none'" in POLICY and "require-trusted-types-for 'script'" in POLICY
    assert "unsafe" not in POLICY and "http" not in POLICY and "*" not in POLICY
    kinds = {path: client.get(path).headers["content-type"] for path in ("/", "/page/app.js", "/page/base.css")}
    assert kinds["/"].startswith("text/html") and kinds["/page/app.js"].startswith("text/javascript")


def test_nothing_stands_inline_and_nothing_comes_from_elsewhere() -> None:
    page = Markup(PAGE)
    assert page.texts.get("script", "") == "" and "style" not in page.texts
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        address = attributes.get("src") or attributes.get("href") or ""
        assert address.startswith(("page/", "#")) or tag not in {"script", "link", "img", "a"} or not address
        assert not address.startswith("page/") or f"/{address}" in FILES
    names = {target for text in SCRIPTS.values() for target in re.findall(r'from "\./([\w.]+)"', text)}
    assert {f"/page/{name}" for name in names} <= set(SCRIPTS)
    for path, content in FILES.items():
        urls = set(re.findall(r"https?://[^\s\"')]+", content.decode())) - {"http://www.w3.org/2000/svg"}
        assert not urls, path


def test_scripts_insert_text_only() -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser"
    assert len(SCRIPTS) > 8
    for path, text in SCRIPTS.items():
        assert not re.search(forbidden, text), path
        assert len(text.splitlines()) <= 300, path


def test_both_languages_have_every_word_that_is_used() -> None:
    english, chinese = STRINGS["en"], STRINGS["zh"]
    assert {key for key in english if not key.endswith("_one")} == set(chinese)
    holes = {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in english.items()}
    assert {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in chinese.items()} == {
        key: names for key, names in holes.items() if key in chinese
    }
    used = {key for text in SCRIPTS.values() for key in re.findall(r'\bsay\(\s*"(\w+)"', text)}
    used |= {value or "" for _, one in Markup(PAGE).elements for name, value in one.items() if "data-say" in name}
    assert len(used) > 40
    assert used <= set(english)
    everything = PAGE + "".join(SCRIPTS.values())
    built = r"^(kind|column|task|wording)_|_one$|Label$"  # put together by scripts
    assert not [key for key in english if not re.search(built, key) and f'"{key}"' not in everything]


def test_the_wheel_holds_the_page() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert FOLDER.relative_to(ROOT).parts[0] in wheel["only-include"]
    assert "exclude" not in wheel
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()  # which the build leaves out
    assert not [line for line in ignored if line.endswith((".js", ".css", ".json", ".svg", ".html", "page/"))]
    assert sum(map(len, FILES.values())) < 150_000
