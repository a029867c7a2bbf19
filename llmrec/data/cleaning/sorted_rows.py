"""Tell by what the rows of a log without times are sorted: it would pass for the order of events."""

from __future__ import annotations

import polars as pl

from llmrec.data.columns import BEHAVIOR, ITEM, SESSION, TIME, USER

# The step that says so.
STEP = "order of the rows"
# So many steps up or down of a user, of so many users, and this share of them in one direction, is no chance.
_LEAST_STEPS, _LEAST_USERS, _SHARE = 4, 20, 0.9
_SHUFFLE = "--order-at-random (order_at_random=True) takes none"


def sorted_rows(events: pl.DataFrame, items: pl.Series) -> str:
    """Say by which column each user's rows are sorted, "" where by none.

    ``events``: in the log's order, ``item_id`` as codes into ``items``. Only rows of one behavior are compared.
    """
    numbers = items.cast(pl.Int64, strict=False)
    ids = events[ITEM] if numbers.has_nulls() else numbers.gather(events[ITEM])
    groups = [USER, *([BEHAVIOR] if BEHAVIOR in events.columns else [])]
    columns = [
        name
        for name, kind in events.schema.items()
        if kind.is_numeric() and name not in (USER, ITEM, TIME, SESSION)
    ]
    for name in (*columns, ITEM):
        values = (ids if name == ITEM else events[name]).cast(pl.Float64).alias("value")
        direction = _direction(events.select(groups).with_columns(values), groups)
        if direction == "rising" and name != ITEM:
            return (
                f"each user's rows are sorted by {name}: where it says when, name it (--column timestamp={name}); "
                f"where not, the next row is not what came next, and {_SHUFFLE}"
            )
        if direction:
            return (
                f"each user's rows are sorted by {name}, {direction}: the next row is not what came next, and the "
                f"last is not the latest; {_SHUFFLE}"
            )
    return ""


def _direction(rows: pl.DataFrame, groups: list[str]) -> str:
    steps = rows.drop_nulls().with_columns(step=pl.col("value").diff().over(groups))
    users = steps.group_by(USER).agg(up=(pl.col("step") > 0).sum(), down=(pl.col("step") < 0).sum())
    users = users.filter(pl.col("up") + pl.col("down") >= _LEAST_STEPS)
    if users.height < _LEAST_USERS:
        return ""
    shares = {"rising": (users["down"] == 0).mean(), "falling": (users["up"] == 0).mean()}
    return next((name for name, share in shares.items() if float(share or 0) >= _SHARE), "")  # type: ignore[arg-type]
