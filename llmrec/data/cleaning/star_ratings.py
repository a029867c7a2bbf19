"""Read ratings with words or signs around their number: 4 out of 5 stars, 4/5, ★★★★☆."""

from __future__ import annotations

import polars as pl

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_OF_SCALE = rf"^{_NUMBER}\s*(?:/|out of|of|von|sur|de)\s*{_NUMBER}(?:\s*[a-zé]+)?$"
_STARS = rf"^{_NUMBER}\s*(?:stars?|sterne?|étoiles?|★|⭐)$"
_SIGNS = r"^([★⭐]+)\ufe0f?☆*$"


def plain_ratings(column: pl.Series) -> tuple[pl.Series, str]:
    """Return ratings as plain numbers where all cells that are no numbers are written so, and a note of them.

    A column with ratings of several scales, such as 4/5 and 8/10, stays as it is.
    """
    if column.dtype != pl.String:
        return column, ""
    text = column.str.strip_chars().str.to_lowercase()
    number = pl.col("text").cast(pl.Float64, strict=False)
    parts = (
        text.alias("text")
        .to_frame()
        .select(
            "text",
            plain=number.is_not_null() | pl.col("text").is_null() | (pl.col("text") == ""),
            of=pl.col("text").str.extract(_OF_SCALE, 1),
            scale=pl.col("text").str.extract(_OF_SCALE, 2),
            stars=pl.col("text").str.extract(_STARS, 1),
            signs=pl.col("text").str.extract(_SIGNS, 1).str.len_chars().cast(pl.String),
        )
    )
    read = parts.select(pl.coalesce("of", "stars", "signs").str.replace(",", ".", literal=True)).to_series()
    others = ~parts["plain"]
    if not others.any() or read.filter(others).has_nulls() or parts["scale"].drop_nulls().n_unique() > 1:
        return column, ""
    row = int(others.arg_true()[0])
    plain = pl.select(pl.when(others).then(read).otherwise(column)).to_series().alias(column.name)
    return plain, f"{int(others.sum()):,} cells such as {column[row]!r} are read as {float(read[row]):g}"
