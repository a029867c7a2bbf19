"""A data set as one page that needs no other file, and as one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmrec.data.columns import BEHAVIOR, ITEM, TIME, TITLE
from llmrec.data.dataset import Dataset
from llmrec.data.describe import describe
from llmrec.data.describe_plots import fill, panels
from llmrec.errors import DataError
from llmrec.pages import environment, svg
from llmrec.resources.cache import appearing

_ITEMS, _EVENTS = 5, 12  # of the samples
_LONGEST_TEXT = 160
_HEADLINES = ("events", "users", "items", "time")
_WIDTH, _HEIGHT = 4.6, 2.9  # inches, of a panel


def draw(
    data: Dataset, folder: str | Path, *, item_lines: Callable[[pl.DataFrame], Sequence[str]] | None = None
) -> list[Path]:
    """Write ``describe.html`` and ``describe.png`` into a new folder.

    ``item_lines`` writes rows of the catalog as a language model reads them. Raises DataError if it exists.
    """
    path = Path(folder)
    if path.exists():
        raise DataError(f"{path} exists already; choose another --out or remove it")
    with appearing(path) as temporary:
        (temporary / "describe.html").write_text(page(data, item_lines), encoding="utf-8")
        _picture(data, temporary / "describe.png")
    return [path / "describe.html", path / "describe.png"]


def page(data: Dataset, item_lines: Callable[[pl.DataFrame], Sequence[str]] | None) -> str:
    """Render the page. Names, titles and values are escaped: they come from strangers."""
    described = dict(describe(data).iter_rows())
    warnings = [value for what, value in described.items() if what.startswith("warning ")]
    rows = {what: value for what, value in described.items() if not what.startswith("warning ")}
    shown, items = panels(data), _sample_items(data)
    figures = []
    for n, panel in enumerate(shown):
        drawn = svg(partial(fill, shown=[panel]), width=_WIDTH, height=_HEIGHT, prefix=f"panel{n}", label=panel[0])
        figures.append((panel[0], drawn))
    template = environment(Path(__file__).parent).get_template("describe.html.j2")
    return template.render(
        name=data.name,
        headlines=[(name, rows.pop(name)) for name in _HEADLINES],
        rows=rows,
        warnings=warnings,
        figures=figures,
        items=[{name: _text(value) for name, value in row.items()} for row in items.iter_rows(named=True)],
        item_columns=items.columns,
        lines=[] if item_lines is None else [line.rstrip("\n") for line in item_lines(items)],
        history=_sample_history(data),
    )


def _sample_items(data: Dataset) -> pl.DataFrame:
    """Return a few items of the catalog that have events, the same ones every time."""
    met = data.events[ITEM].unique(maintain_order=True)
    table = data.catalog.table.filter(pl.col(ITEM).is_in(met.implode()))
    return table.sample(min(_ITEMS, table.height), seed=0)


def _sample_history(data: Dataset) -> dict[str, Any]:
    """Return the newest events of a person with a history of median length; nothing of an empty log."""
    lengths = data.histories.lengths()
    if not len(lengths):
        return {"user": "", "length": 0, "columns": [], "rows": []}
    user = int(np.argsort(lengths, kind="stable")[len(lengths) // 2])
    titles = data.catalog.table.select(ITEM, TITLE)
    events = (
        data.histories.take([user]).events.tail(_EVENTS).join(titles, on=ITEM, how="left", maintain_order="left")
    )
    if not data.order_only:
        events = events.with_columns(pl.from_epoch(TIME, time_unit="s").dt.strftime("%Y-%m-%d %H:%M"))
    wanted = [TIME, TITLE, BEHAVIOR, "rating", "price", "quantity"]
    columns = [name for name in wanted if name in events.columns and not (name == TIME and data.order_only)]
    rows = [[_text(value) for value in row] for row in events.select(columns).iter_rows()]
    return {"user": data.histories.user_ids[user], "length": int(lengths[user]), "columns": columns, "rows": rows}


def _text(value: object) -> str:
    """Write a value for a cell, shortened where it is long."""
    text = (
        ", ".join(map(str, value)) if isinstance(value, list | pl.Series) else "" if value is None else str(value)
    )
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def _picture(data: Dataset, path: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {"axes.spines.top": False, "axes.spines.right": False, "text.parse_math": False, "font.size": 9}
    shown = panels(data)
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(10, 3.2 * ((len(shown) + 1) // 2)), layout="constrained")
        fill(figure, shown)
    figure.savefig(path, dpi=110)
