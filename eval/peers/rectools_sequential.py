# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["rectools[torch]==0.19.0", "pytorch-lightning==2.5.2", "pyarrow<22"]
# ///
"""RecTools' SASRec or BERT4Rec: `python rectools_sequential.py FOLDER OUT.parquet --model sasrec --epochs 20`.

Sizes as in RecTools' own defaults, softmax loss over the whole catalog; FOLDER as `eval/experiments/peers.py`
writes it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, SASRecModel

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("out")
parser.add_argument("--model", choices=["sasrec", "bert4rec"], default="sasrec")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--dim", type=int, default=256)
parser.add_argument("--length", type=int, default=100)
args = parser.parse_args()
torch.manual_seed(0)


def dataset(name: str) -> Dataset:
    """Read a table; its order within each user stands for time."""
    table = pd.read_parquet(args.folder / f"{name}.parquet")[["user_id", "item_id"]]
    table[Columns.Datetime] = pd.Timestamp("2020-01-01") + pd.to_timedelta(
        table.groupby("user_id").cumcount(), unit="min"
    )
    table[Columns.Weight] = 1
    return Dataset.construct(table)


kind = SASRecModel if args.model == "sasrec" else BERT4RecModel
model = kind(
    loss="softmax",
    session_max_len=args.length,
    n_factors=args.dim,
    epochs=args.epochs,
    lr=1e-3,
    batch_size=128,
    verbose=0,
)
model.fit(dataset("train"))
histories = dataset("histories")
users = histories.user_id_map.external_ids
recs = model.recommend(users=users, dataset=histories, k=10, filter_viewed=True)
recs[["user_id", "item_id", "rank"]].to_parquet(args.out, index=False)
