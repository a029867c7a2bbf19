"""Encode histories by a run and by what `llmrec export --to onnx` makes of it: speed, accuracy, the same lists.

python eval/benchmarks/onnx_speed.py RUN [RUN ...] [--data ml-100k]. The last event of each user is the answer, as
for the runs. One thread each, and seconds of CPU instead of the clock's: other work on the machine changes little.
In batches: 64 histories of like length at once; alone: 200 one by one. Writes onnx_speed.json.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import llmrec
from eval.common import arguments, open_data, write_result
from llmrec.arrays import Float32s, Int32s
from llmrec.evaluation import bootstrap
from llmrec.models import Recommender
from llmrec.models.onnx.encoder import encoder_of
from llmrec.models.onnx.export import export_onnx

AT_ONCE, ALONE = 64, 200
Encode = Callable[[list[list[str]]], Float32s]


def by_onnx(folder: Path, most: int) -> Encode:
    """Return what encodes lists of item ids by an exported folder, in one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    encoder = onnxruntime.InferenceSession(str(folder / "encoder.onnx"), options)
    codes = {item: code for code, item in enumerate(np.load(folder / "ids.npy"))}

    def encode(lists: list[list[str]]) -> Float32s:
        newest = [[codes[item] for item in one[-most:]] for one in lists]
        longest = max(map(len, newest))
        rows = np.array([one + [-1] * (longest - len(one)) for one in newest], dtype=np.int64)
        return np.asarray(encoder.run(None, {"items": rows})[0])

    return encode


def by_run(model: Recommender) -> Encode:
    """Return what encodes lists of item ids by a loaded run."""
    return lambda lists: np.asarray(model.embed_users(lists))


def row(form: str, encode: Encode, items: Float32s, lists: list[list[str]], seen: list[Int32s]) -> dict[str, Any]:
    """Encode and rank: what it took, and the ten best unseen items of each user as ``ten``."""
    order = np.argsort([len(one) for one in lists], kind="stable")
    parts = [order[start : start + AT_ONCE] for start in range(0, len(order), AT_ONCE)]
    encode(lists[:2])
    began = time.process_time()
    users = np.concatenate([encode([lists[n] for n in part]) for part in parts])[np.argsort(order)]
    rate, began = len(lists) / (time.process_time() - began), time.process_time()
    for one in lists[:ALONE]:
        encode([one])
    alone = (time.process_time() - began) * 1000 / len(lists[:ALONE])
    scores = users @ items[:, :-1].T + items[:, -1]
    for n, codes in enumerate(seen):
        scores[n, codes] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :10]
    return {"form": form, "histories_per_cpu_second": round(rate, 1), "alone_ms": round(alone, 2), "ten": best}


def measured(run: Path, split: llmrec.Split, folder: Path) -> list[dict[str, Any]]:
    """Measure a run's forms: by PyTorch, exported, and with matrices of 8 bits."""
    model, histories = llmrec.load(run).for_scores(), split.test.histories
    lists = [list(histories.items(n)) for n in range(len(histories))]
    most, forms = encoder_of(model, run).max_items, {"PyTorch": by_run(model)}
    for form, int8 in (("ONNX", False), ("ONNX, 8 bits", True)):
        forms[form] = by_onnx(export_onnx(run, folder / f"{run.name}-{form}", int8=int8), most)
    items, seen = np.load(folder / f"{run.name}-ONNX" / "items.npy"), [model.catalog.codes(one) for one in lists]
    rows = [row(form, encode, items, lists, seen) for form, encode in forms.items()]
    wanted = dict(split.test.answers.select("user_id", "item_id").iter_rows())
    answers = model.catalog.codes([wanted[user] for user in histories.user_ids])[:, None]
    tens = [one.pop("ten") for one in rows]
    for one, ten in zip(rows, tens, strict=True):
        ndcg = bootstrap((ten == answers) @ (1 / np.log2(np.arange(2, 12)))).model_dump()
        same = np.mean([np.isin(a, b).mean() for a, b in zip(ten, tens[0], strict=True)])
        one |= {"run": model.recipe.name, "ndcg@10": ndcg, "same_ten": round(float(same), 4)}
        print(json.dumps(one), flush=True)
    return rows


def main() -> None:
    """Measure and write the result."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    args = parser.parse_args()
    split = llmrec.Split.leave_last_out(open_data(args.data))
    with tempfile.TemporaryDirectory() as temporary:
        rows = [one for run in args.runs for one in measured(run, split, Path(temporary))]
    settings = {"data": Path(args.data).name, "split": "leave-last-out"}
    write_result(args.out / "onnx_speed.json", {"Histories encoded": rows}, settings=settings)


if __name__ == "__main__":
    main()
