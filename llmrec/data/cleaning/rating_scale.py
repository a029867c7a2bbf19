"""The scale of a log's ratings: which of them say that somebody would rather not have chosen the item."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping

import polars as pl

# Of five stars, one or less says it; on another scale nobody knows but of what is not above 0.
FIVE_STARS, ONE_STAR = 5.0, 1.0
_LOW_STARS, _BELOW_0, _ZERO = "rating of at most 1 of 5", "rating below 0", "rating 0 beside higher ones"
# The least that speaks for an item on another scale, as a part of its highest rating, in an example.
_UPPER_PART = 0.7
_NOT_RATED = "most ratings are 0: where that says not rated, --positive all counts them"
_RATING = re.compile(r"(rating|score|stars|vote)s?$", re.IGNORECASE)


def rating_scale(events: pl.DataFrame, *, by_default: bool = True) -> dict[str, float]:
    """Return how a log's ratings are read, which a few of its events do not say; nothing where it has none.

    ``lowest`` and ``highest`` of all. ``positive_above``, where that is settled ``by_default``: a rating up
    to it makes an event no positive target, 1 of five stars, else 0; left out where no rating is above 0.
    """
    known = events["rating"].drop_nulls() if "rating" in events.columns else pl.Series(dtype=pl.Float64)
    if not len(known):
        return {}
    bounds = known.to_frame().select(pl.min("rating"), highest=pl.max("rating")).row(0)
    lowest, highest = (float(bound) for bound in bounds)
    scale = {"lowest": lowest, "highest": highest}
    if by_default and highest > 0:
        scale["positive_above"] = ONE_STAR if highest == FIVE_STARS else 0.0
    return scale


def scale_by_reasons(reasons: Collection[str]) -> dict[str, float] | None:
    """Return what the reasons that a log had for its negatives say of its scale of ratings; None: nothing."""
    if _LOW_STARS in reasons:
        return {"positive_above": ONE_STAR}
    return {"positive_above": 0.0} if {_BELOW_0, _ZERO} & set(reasons) else None


def low_ratings(events: pl.DataFrame, scale: Mapping[str, float]) -> list[tuple[str, pl.Expr]]:
    """Return the conditions for ratings that say dislike, or nothing, by their scale."""
    if "rating" not in events.columns or "positive_above" not in scale:
        return []
    rating = pl.col("rating")
    conditions = [(_BELOW_0, rating < 0), (_ZERO, rating == 0)]
    return [*conditions, (_LOW_STARS, rating <= ONE_STAR)] if scale["positive_above"] == ONE_STAR else conditions


def note_on_ratings(events: pl.DataFrame, scale: Mapping[str, float]) -> str:
    """Say of ratings on another scale than five stars that they count, where they differ, and of many zeros."""
    if "rating" not in events.columns:
        return _unnamed_ratings(events)
    if "highest" not in scale:
        return ""
    lowest, highest = scale["lowest"], scale["highest"]
    if highest <= 0:
        several = lowest < highest
        return f"no rating is above 0 ({lowest:g} to {highest:g}): every event counts" if several else ""
    notes = [_NOT_RATED] if highest > 1 and _are_mostly_0(events["rating"]) else []
    if highest != FIVE_STARS and lowest < highest and (lowest, highest) != (0, 1):
        upper = math.ceil(_UPPER_PART * highest) if highest > 1 else highest
        notes.append(
            f"ratings up to {highest:g} are no five stars: each above 0 is a positive target, say which are, for "
            f'example with --positive "rating >= {upper:g}"'
        )
    return "; ".join(notes)


def _are_mostly_0(ratings: pl.Series) -> bool:
    """Whether more than half are 0: in Book-Crossing, and where recipes are rated by stars, 0 is no rating."""
    known = ratings.drop_nulls()
    return 2 * int((known == 0).sum()) > len(known)


def _unnamed_ratings(events: pl.DataFrame) -> str:
    """Say which column could hold ratings under a name of its own: low ones count there."""
    numbers = [name for name, kind in events.schema.items() if kind.is_numeric() and _RATING.search(name)]
    if not numbers:
        return ""
    return f"{numbers[0]} could be a rating, and low ones count; if it is one: --column rating={numbers[0]}"
