"""A predicted task of your own: how long an item is looked at, from a column of the log."""

from __future__ import annotations

import numpy as np
import polars as pl

import llmrec
from llmrec.arrays import Float64s
from llmrec.data.responses import EventLog, NumberTask, TaskSpec, register_task


@register_task
class DwellTask(NumberTask):
    """How long an item was looked at."""

    name = "dwell"
    meaning = "How many seconds the item was looked at."
    columns = ("seconds",)

    def read(self, log: EventLog, spec: TaskSpec) -> Float64s:
        """Return the target of each event, NaN where it is unknown."""
        return log.numbers("seconds")


def visits() -> llmrec.Dataset:
    """Make a log: even items are looked at for a minute, odd ones for ten seconds."""
    draw = np.random.default_rng(0)
    rows = [(f"u{user}", int(draw.integers(8)), 3600 * step) for user in range(60) for step in range(8)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    events = events.with_columns(seconds=pl.when(pl.col("item_id") % 2 == 0).then(60.0).otherwise(10.0))
    items = {"item_id": range(8), "title": [f"Film {n}" for n in range(8)]}
    return llmrec.Dataset.from_tables(events, items=pl.DataFrame(items), name="visits", time_format="seconds")


def main() -> None:
    """Train a GRU on it and on the next item at once, and predict."""
    split = llmrec.Split.leave_last_out(visits())
    reading = ["tasks=[dwell]", "history.events=[gap]"]
    small = ["sequence.dim=16", "train.epochs=8", "train.learning_rate=0.03", "train.batch_tokens=100"]
    recipe = llmrec.Recipe.load("gru-events", set=[*reading, *small, "train.schedule=constant"])
    model = llmrec.models.GRUEventRecommender(recipe).fit(split.train, valid=split.valid)
    print(model.predict_response(split.test.histories[:1], ["2", "3"]))


if __name__ == "__main__":
    main()
