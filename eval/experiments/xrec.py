"""Learn a style on xrec's triples and compare with the same model as it is: ROUGE-L, BLEU, MiniLM similarity.

python eval/experiments/xrec.py FOLDER [--train 250] [--test 200] [--style runs/style]
FOLDER holds amazon.jsonl.gz and yelp.jsonl.gz. The 200 rows of each whose hash is lowest are never trained on.
A finished style is loaded. Writes xrec.json.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import polars as pl

from eval.common import arguments, write_result
from llmrec import Recipe, artifact
from llmrec.evaluation import bootstrap
from llmrec.evaluation.reasons.text_metrics import bleu, rouge_l, similarity, unique_ratio
from llmrec.reasons import StyleWriter, fit_style

HELD_OUT = 200
NAMES = {"user_summary": "profile", "item_summary": "item"}
METRICS = {"rouge_l": rouge_l, "bleu": bleu, "minilm": similarity}


def read(path: Path) -> pl.DataFrame:
    """Return the triples in the order of their row's hash: the first ``HELD_OUT`` are for the test."""
    table = pl.read_ndjson(path).rename(NAMES)
    keys = [hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest() for row in table.to_dicts()]
    return table.with_columns(key=pl.Series(keys), domain=pl.lit(path.name.split(".")[0])).sort("key")


def compare(writer: StyleWriter, table: pl.DataFrame) -> dict[str, object]:
    """Write for every row and compare with its reference."""
    began = time.perf_counter()
    written, references = writer.write(table), table["explanation"].to_list()
    seconds = time.perf_counter() - began
    tokens = sum(len(ids) for ids in writer.chat.loaded[1](written)["input_ids"])
    return {
        **{name: bootstrap(metric(written, references)).model_dump() for name, metric in METRICS.items()},
        "unique_ratio": unique_ratio(written),
        "words": float(np.mean([len(text.split()) for text in written])),
        "tokens_per_second": tokens / seconds,
    }


def main() -> None:
    """Split, train once on both domains, compare both writers on both."""
    parser = arguments(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=250, help="training triples of each domain")
    parser.add_argument("--test", type=int, default=HELD_OUT, help="held-out triples of each domain")
    parser.add_argument("--style", type=Path, default=Path("runs/style"))
    args = parser.parse_args()
    tables = {name: read(args.folder / f"{name}.jsonl.gz") for name in ("amazon", "yelp")}
    examples = pl.concat(table[HELD_OUT : HELD_OUT + args.train] for table in tables.values())
    recipe = Recipe.load("style/explain")
    tuned = (
        StyleWriter.load(args.style)
        if args.style.exists()
        else fit_style(examples, recipe, args.style, progress=True)
    )
    writers = {"zero_shot": StyleWriter(recipe.backbone.base), "tuned": tuned}
    rows = [
        {"domain": domain, "writer": name, **compare(writer, table[: args.test])}
        for domain, table in tables.items()
        for name, writer in writers.items()
    ]
    style = dict(artifact.read(args.style).metadata)
    training = {**style.pop("triples"), **style.pop("cost")}
    write_result(
        args.out / "xrec.json",
        {"Against the references": rows, "Training the style": [training]},
        settings={"test_triples_of_each_domain": args.test},
        details={"recipe": recipe.model_dump(mode="json"), "style": style},
    )


if __name__ == "__main__":
    main()
