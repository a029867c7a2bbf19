"""What people do with items, in order of strength, under the names that logs have for it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import polars as pl

from llmrec.data.cleaning.steps import Step
from llmrec.data.columns import BEHAVIOR, STRENGTH
from llmrec.errors import DataError

log = logging.getLogger(__name__)

RETURN = -1
VIEW, LIKE, CART, PURCHASE = 1, 2, 3, 4

# How strongly each behavior speaks for an item. Case, spaces, "-" and "_" do not matter.
STRENGTHS: Mapping[str, int] = {
    **dict.fromkeys(("return", "refund", "returned", "cancel", "removefromcart", "dislike"), RETURN),
    **dict.fromkeys(("view", "pv", "click", "detail", "pageview", "impression", "play", "visit", "open"), VIEW),
    **dict.fromkeys(
        ("fav", "favorite", "favourite", "like", "wish", "wishlist", "collect", "bookmark", "save"), LIKE
    ),
    **dict.fromkeys(("cart", "addtocart", "basket", "addtobasket", "tocart"), CART),
    **dict.fromkeys(("purchase", "buy", "transaction", "order", "sale", "bought", "checkout", "paid"), PURCHASE),
}
_PUNCTUATION = r"[\s_-]"


def is_return(behavior: pl.Expr) -> pl.Expr:
    """Whether an event gives something back."""
    back = [name for name, strength in STRENGTHS.items() if strength == RETURN]
    return _plain(behavior).is_in(back).fill_null(False)


def strengths_of(words: Iterable[str]) -> dict[str, int | None]:
    """Return how strongly each behavior speaks for an item, None where its name is not known."""
    return {word: STRENGTHS.get(_plain_text(word)) for word in words}


def with_strength(events: pl.DataFrame, more: Mapping[str, int], *, name: str, steps: list[Step]) -> pl.DataFrame:
    """Add ``strength`` (Int8): -1 return, 1 view, 2 like, 3 cart, 4 purchase; null for a behavior not known.

    ``more`` gives the strength of other names, or other strengths. Raises DataError where it cannot be used.
    """
    if BEHAVIOR not in events.columns:
        if more:
            raise DataError(f"{name}: strengths are given, but there is no behavior column; drop --strength")
        return events
    known = {**STRENGTHS, **{_plain_text(word): strength for word, strength in more.items()}}
    words = events.select(pl.col(BEHAVIOR).cast(pl.String).unique().drop_nulls().sort()).to_series()
    strengths = [known.get(_plain_text(word)) for word in words]
    unknown = [word for word, strength in zip(words, strengths, strict=True) if strength is None]
    if unknown:
        log.warning(
            "%s: behavior '%s' has no known strength; give one with --strength %s=2", name, *unknown[:1] * 2
        )
    known_words = [
        f"{word}={strength}" for word, strength in zip(words, strengths, strict=True) if strength is not None
    ]
    steps.append(Step("behaviors in order of strength", "events", events.height, 0, ", ".join(known_words)))
    column = (
        pl.col(BEHAVIOR)
        .cast(pl.String)
        .replace_strict(words.to_list(), strengths, default=None, return_dtype=pl.Int8)
    )
    return events.with_columns(column.alias(STRENGTH))


def scaled(events: pl.DataFrame, columns: tuple[str, ...], *, name: str, steps: list[Step]) -> pl.DataFrame:
    """Add ``COLUMN_scaled``: less its mean, over its standard deviation; both stand in the step's note.

    They are taken over the whole log: a model that must not know the future's mean scales by its own.
    """
    for column in columns:
        if column not in events.columns or not events[column].dtype.is_numeric():
            raise DataError(f"{name}: cannot scale '{column}': there is no such column of numbers")
        usable = events[column].cast(pl.Float64).fill_nan(None)
        mean, deviation = _number(usable.mean()), _number(usable.std())
        width = deviation if deviation > 0 else 1.0
        events = events.with_columns(((usable - mean) / width).alias(f"{column}_scaled"))
        steps.append(
            Step(f"{column} scaled", "events", events.height, 0, f"mean {mean:.6g}, deviation {deviation:.6g}")
        )
    return events


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _plain(behavior: pl.Expr) -> pl.Expr:
    return behavior.cast(pl.String).str.replace_all(_PUNCTUATION, "").str.to_lowercase()


def _plain_text(word: str) -> str:
    return str(pl.select(_plain(pl.lit(word))).item())
