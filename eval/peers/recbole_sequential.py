# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["recbole==1.2.1", "numpy<2", "pandas<2.2", "ray<=2.6.3", "pyarrow<22", "setuptools<80"]
# ///
"""RecBole's GRU4Rec or SASRec: `python recbole_sequential.py FOLDER OUT.parquet --model GRU4Rec --epochs 20`.

RecBole's defaults with its cross-entropy loss; the newest event of each history is its validation.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import get_model, get_trainer, init_seed

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("out")
parser.add_argument("--model", default="GRU4Rec")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--dim", type=int, help="instead of the default sizes")
parser.add_argument("--length", type=int, default=50)
parser.add_argument("--unvalidated", action="store_true", help="train only, as when speed is measured")
args = parser.parse_args()
work = Path(tempfile.mkdtemp())
(work / "log").mkdir()
histories = pd.read_parquet(args.folder / "histories.parquet")[["user_id", "item_id"]]
table = histories.assign(timestamp=histories.groupby("user_id").cumcount())
table.columns = ["user_id:token", "item_id:token", "timestamp:float"]
table.to_csv(work / "log" / "log.inter", sep="\t", index=False)
settings = {
    "data_path": str(work),
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "use_gpu": False,
    "train_neg_sample_args": None,
    "loss_type": "CE",
    "epochs": args.epochs,
    "stopping_step": 5,
    "seed": 0,
    "eval_args": {"split": {"LS": "valid_only"}, "order": "TO", "mode": "full", "group_by": "user"},
    "valid_metric": "NDCG@10",
    "MAX_ITEM_LIST_LENGTH": args.length,
    "checkpoint_dir": str(work),
    "show_progress": False,
    "state": "ERROR",
    "log_wandb": False,
}
if args.dim is not None:
    settings |= {"hidden_size": args.dim, "embedding_size": args.dim}
config = Config(model=args.model, dataset="log", config_dict=settings)
init_seed(0, reproducibility=True)
data = create_dataset(config)
train, valid, *_ = data_preparation(config, data)
model = get_model(args.model)(config, train.dataset).to(config["device"])
trainer = get_trainer(config["MODEL_TYPE"], args.model)(config, model)
trainer.fit(train, None if args.unvalidated else valid, verbose=False, saved=True, show_progress=False)
# RecBole's own file of the moment; it holds its config beside the weights.
best = torch.load(trainer.saved_model_file, weights_only=False)
model.load_state_dict(best["state_dict"])
model.eval()
codes, longest = data.field2token_id["item_id"], config["MAX_ITEM_LIST_LENGTH"]
rows = []
with torch.no_grad():
    for user, items in histories.groupby("user_id", sort=False)["item_id"]:
        seen = [codes[item] for item in items]
        window = torch.tensor([seen[-longest:] + [0] * (longest - len(seen))])
        lengths = torch.tensor([min(len(seen), longest)])
        scores = model.full_sort_predict(Interaction({"item_id_list": window, "item_length": lengths}))[0].numpy()
        scores[[0, *seen]] = -np.inf
        best_codes = np.argsort(-scores, kind="stable")[:10]
        rows += [(user, data.id2token("item_id", int(code)), rank) for rank, code in enumerate(best_codes, 1)]
pd.DataFrame(rows, columns=["user_id", "item_id", "rank"]).to_parquet(args.out, index=False)
