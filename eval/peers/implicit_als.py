# /// script
# requires-python = ">=3.11"
# dependencies = ["implicit==0.7.3", "polars>=1", "pyarrow", "scipy", "numpy"]
# ///
"""implicit's ALS as its authors ship it: `python implicit_als.py FOLDER OUT.parquet`.

FOLDER holds train.parquet and histories.parquet (user_id, item_id, in order), as `eval/experiments/peers.py`
writes them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("out")
args = parser.parse_args()
train, histories = (pl.read_parquet(args.folder / f"{name}.parquet") for name in ("train", "histories"))
items = train["item_id"].unique().sort()
codes = {item: code for code, item in enumerate(items)}


def matrix(table: pl.DataFrame, users: list[str]) -> csr_matrix:
    """Who met what, one row a user."""
    rows = {user: row for row, user in enumerate(users)}
    known = table.filter(pl.col("item_id").is_in(items.implode()))
    indices = ([rows[user] for user in known["user_id"]], [codes[item] for item in known["item_id"]])
    return csr_matrix((np.ones(known.height, dtype=np.float32), indices), shape=(len(users), len(codes)))


model = AlternatingLeastSquares(random_state=0)
model.fit(matrix(train, train["user_id"].unique().sort().to_list()), show_progress=False)
users = histories["user_id"].unique(maintain_order=True).to_list()
rows = matrix(histories, users)
best, _ = model.recommend(
    np.arange(len(users)), rows, N=10, recalculate_user=True, filter_already_liked_items=True
)
recs = pl.DataFrame({"user_id": np.repeat(users, 10), "item_id": items.to_numpy()[best.reshape(-1)]}).with_columns(
    rank=pl.Series(np.tile(np.arange(1, 11), len(users)))
)
recs.write_parquet(args.out)
