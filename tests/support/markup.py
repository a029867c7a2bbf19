"""What a page that llmrec writes must have: captions, scopes, names of figures, nothing from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser


class Elements(HTMLParser):
    """Collect the elements of a page: tag and attributes, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of every element of a kind."""
        return [attributes for name, attributes in self.found if name == tag]


def check_page(page: str) -> Elements:
    """Check what every page promises, and return its elements."""
    elements = Elements(page)
    policy = [one["content"] for one in elements.of("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert "width=device-width" in page
    assert len(elements.of("h1")) == 1
    assert len(elements.of("table")) == len(elements.of("caption"))
    assert all(one.get("scope") in {"col", "row"} for one in elements.of("th"))
    assert all(one.get("role") == "img" and one.get("aria-label") for one in elements.of("svg"))
    assert not {"script", "link", "iframe", "img", "image"} & {name for name, _ in elements.found}
    assert "data:image" not in page
    assert "mathdefault" not in page  # a formula in place of an axis' number
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    return elements
