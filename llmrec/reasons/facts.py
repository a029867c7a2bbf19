"""What the data say of an item and those cited for it: attributes in common, people who chose both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from llmrec.data import Catalog
from llmrec.data.columns import ITEM
from llmrec.models.ranker import Ranker
from llmrec.reasons.crowd import Crowd
from llmrec.reasons.evidence import Evidence, Item, Shared, Together

# Fewer people than this are not spoken of: a count of one would tell what a certain person chose.
LEAST_PEOPLE = 5
_LONGEST_VALUE = 60
_YEAR_IN_TITLE = re.compile(r"\(((?:1[89]|20)\d)\d\)\s*$")
_BANDS = ("low", "middle", "high")


def add_facts(evidence: list[Evidence], model: Ranker) -> list[Evidence]:
    """Return the evidence with the attributes shared and the people who chose both.

    Attributes are the catalog's columns of text or lists, the year, and the price by thirds of the catalog.
    People are those of ``model.histories``.

    >>> from llmrec import Histories
    >>> from llmrec.data import toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> from llmrec.reasons import occlusion
    >>> model, histories = MarkovRecommender().fit(toy_films()), Histories.of({"ann": ["1", "2"]})
    >>> (one,) = add_facts(occlusion(model, histories, model.recommend(histories, 1)), model)
    >>> [fact.kind for fact in one.facts][:1]
    []
    """
    bands = _price_bands(model.catalog)
    crowd = Crowd.of(model.histories, model.catalog)
    crowd.find(model.catalog.code(item.item_id) for one in evidence for item in (one.item, *one.cited))
    return [
        replace(one, shared=tuple(_shared(one, bands)), together=tuple(_together(one, crowd, model.catalog)))
        for one in evidence
    ]


def _shared(one: Evidence, bands: Mapping[str, str]) -> Iterator[Shared]:
    others = [(other.item_id, set(attributes(other, bands))) for other in one.cited]
    for name, value in attributes(one.item, bands):
        having = tuple(item for item, pairs in others if (name, value) in pairs)
        if having:
            yield Shared(name, value, having)


def attributes(item: Item, bands: Mapping[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """Yield ``(column, value)`` for what can be compared between items."""
    for name, value in item.metadata.items():
        if name == "price":
            continue
        parts: Iterable[object] = item.genres if name == "genres" else _parts(value)
        if name == "year":
            parts = (value,)
        for part in parts:
            text = str(part)
            if text and len(text) <= _LONGEST_VALUE:
                yield name, text
    if bands and item.item_id in bands:
        yield "price band", bands[item.item_id]


def comparable(item: Item) -> list[tuple[str, str]]:
    """Return ``(column, value)`` for what can be compared between items, the decade included."""
    decade = decade_of(item)
    return [*attributes(item), *([("decade", decade)] if decade else [])]


def decade_of(item: Item) -> str:
    """Return the decade of an item's year, or of one in brackets at the end of its title: "1970s", or nothing."""
    year = re.fullmatch(r"((?:1[89]|20)\d)\d(?:\.0)?", item.year) or _YEAR_IN_TITLE.search(item.title)
    return f"{year.group(1)}0s" if year else ""


def _parts(value: object) -> Iterable[object]:
    # Numbers that happen to be equal (a count, a size) say nothing to a reader.
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, list | tuple) else ()


def _price_bands(catalog: Catalog) -> dict[str, str]:
    """Return each item's third of the catalog's prices; empty where there is no price as a number."""
    table = catalog.table
    if "price" not in table.columns or not table.schema["price"].is_numeric():
        return {}
    priced = table.select(ITEM, pl.col("price").cast(pl.Float64)).drop_nulls()
    priced = priced.filter(pl.col("price").is_finite())
    if priced.is_empty():
        return {}
    cuts = np.quantile(priced["price"].to_numpy(), [1 / 3, 2 / 3])
    bands = np.searchsorted(cuts, priced["price"].to_numpy(), side="left")
    return {item: _BANDS[band] for item, band in zip(priced[ITEM].to_list(), bands, strict=True)}


def _together(one: Evidence, crowd: Crowd, catalog: Catalog) -> Iterator[Together]:
    code = catalog.code(one.item.item_id)
    for other in one.cited:
        both, chose, _ = crowd.together(code, catalog.code(other.item_id))
        if both >= LEAST_PEOPLE and other.item_id != one.item.item_id:
            yield Together(other.item_id, both, chose)
