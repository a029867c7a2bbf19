"""Lists for everybody, written to Parquet files; the same call goes on where one was stopped."""

from __future__ import annotations

from pathlib import Path

import polars as pl

import llmrec
from llmrec.data import toy_films

OUT = Path("runs/examples/batch")


def main() -> None:
    """Fit a model once, then answer all of its users, and two of them."""
    data = toy_films(n_users=500)
    split = llmrec.Split.leave_last_out(data)
    llmrec.fit(llmrec.Recipe.load("markov"), data, split, OUT / "run", resume=True, progress=False)
    result = llmrec.batch(OUT / "run", OUT / "answers", k=5, rows_per_part=1000)
    print(result)
    lists = pl.read_parquet(OUT / "answers" / "part-*.parquet")  # user_id, item_id, rank, score
    print(lists.filter(rank=1).head(3))
    llmrec.batch(OUT / "run", OUT / "two", k=5, users=["1", "17"])


if __name__ == "__main__":
    main()
