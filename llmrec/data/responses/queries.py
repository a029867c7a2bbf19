"""Queries of responses: events to be predicted, each from what is strictly earlier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from llmrec.arrays import Bools
from llmrec.data.columns import ITEM, USER
from llmrec.data.histories import Histories, offsets_of, ranges
from llmrec.data.responses.task_set import TaskSet


@dataclass(frozen=True, eq=False)
class ResponseQueries:
    """Events to be predicted. ``histories``: one for each user and timestamp, of strictly earlier events.

    ``targets``: ``user_id`` (the name of a history), ``owner`` (the user), ``item_id``, and a column for each
    task, NaN where its target is unknown.

    >>> from llmrec.data import Dataset
    >>> rows = {"user_id": ["ann"] * 2, "item_id": ["a", "b"], "timestamp": [60, 120], "rating": [5.0, 3.0]}
    >>> data = Dataset.from_tables(rows, time_format="seconds")
    >>> queries = ResponseQueries.of(data.histories, np.array([False, True]), TaskSet.fit(data, ["rating"]))
    >>> queries.targets["rating"].to_list(), list(queries.histories)
    ([3.0], [['a']])
    """

    histories: Histories
    targets: pl.DataFrame

    @classmethod
    def of(
        cls,
        histories: Histories,
        chosen: Bools,
        tasks: TaskSet,
        *,
        most: int | None = None,
        window: int | None = None,
        seed: int = 0,
    ) -> ResponseQueries:
        """Make queries of the ``chosen`` events [n_events], or of a random sample of ``most`` of them.

        The events of a basket have one timestamp, and none of them may leak the others: a history ends before it.
        With ``window`` a history holds only its newest so many events.
        """
        rows = np.flatnonzero(chosen)
        if most is not None and len(rows) > most:
            rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
        targets = tasks.targets(histories)
        owners = np.repeat(np.arange(len(histories)), histories.lengths())[rows]
        ends = histories.offsets[owners] + targets.n_visible[rows]
        distinct, history_of = np.unique(np.stack([owners, ends], axis=1), axis=0, return_inverse=True)
        n_visible = distinct[:, 1] - histories.offsets[distinct[:, 0]]
        lengths = n_visible if window is None else np.minimum(n_visible, window)
        visible = ranges(distinct[:, 1] - lengths, lengths)
        users = [histories.user_ids[owner] for owner in distinct[:, 0]]
        names = [f"{user}@{n}" for user, n in zip(users, n_visible, strict=True)]
        table = {
            USER: pl.Series(names, dtype=pl.String).gather(history_of.reshape(-1)),
            "owner": pl.Series(histories.user_ids, dtype=pl.String).gather(owners),
            ITEM: histories.events[ITEM].gather(rows),
        } | {name: pl.Series(values[rows]) for name, values in targets.values.items()}
        visible_histories = Histories(tuple(names), histories.events[visible], offsets_of(lengths))
        return cls(visible_histories, pl.DataFrame(table))
