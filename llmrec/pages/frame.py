"""The frame of a page: one file that needs no other, no network and no script; whatever it names is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2

HERE = Path(__file__).parent


@cache  # its templates stay compiled
def environment(folder: str | Path) -> jinja2.Environment:
    """Return what renders the templates of a folder, which extend ``frame.html.j2`` and import ``parts.html.j2``.

    Titles, prompts and names come from strangers: every value is escaped unless a template says that it is safe.
    A name that has no value stops the rendering.
    """
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(folder), HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["style"] = (HERE / "style.css").read_text(encoding="utf-8").strip()
    return made
