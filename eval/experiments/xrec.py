"""Learn a style on xrec's triples and compare with the same model as it is: ROUGE-L, BLEU, MiniLM similarity.

python eval/experiments/xrec.py FOLDER [--train 250] [--test 200] [--style runs/style] [--out
eval/results/xrec.json]
FOLDER holds amazon.jsonl.gz and yelp.jsonl.gz. The 200 rows of each whose hash is lowest are never trained on.
A style that is there already is not learned again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import polars as pl

from llmrec import Recipe, artifact
from llmrec.evaluation.reasons.text_metrics import bleu, rouge_l, similarity, unique_ratio
from llmrec.evaluation.significance import bootstrap
from llmrec.reasons.style import StyleWriter, fit_style
from llmrec.runtime import machine, versions

HELD_BACK = 200
NAMES = {"user_summary": "profile", "item_summary": "item"}


def read(path: Path) -> pl.DataFrame:
    """Return the triples in the order of their row's hash: the first ``HELD_BACK`` are for judging."""
    table = pl.read_ndjson(path).rename(NAMES)
    keys = [hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest() for row in table.to_dicts()]
    return table.with_columns(key=pl.Series(keys), domain=pl.lit(path.name.split(".")[0])).sort("key")


def judge(writer: StyleWriter, table: pl.DataFrame) -> dict[str, object]:
    """Write for every row, compare with its reference, and keep three examples."""
    began = time.perf_counter()
    written, wanted = writer.write(table), table["explanation"].to_list()
    seconds = time.perf_counter() - began
    metrics = {"rouge_l": rouge_l, "bleu": bleu, "minilm": similarity}
    tokens = sum(len(ids) for ids in writer.chat.loaded[1](written)["input_ids"])
    return {
        **{name: bootstrap(metric(written, wanted)).model_dump() for name, metric in metrics.items()},
        "unique_ratio": unique_ratio(written),
        "words": float(np.mean([len(text.split()) for text in written])),
        "tokens_per_second": tokens / seconds,
    }


def main() -> None:
    """Split, train once on both domains, judge both writers on both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=250, help="training triples of each domain")
    parser.add_argument("--test", type=int, default=HELD_BACK, help="held-back triples of each domain")
    parser.add_argument("--style", type=Path, default=Path("runs/style"))
    parser.add_argument("--out", type=Path, default=Path("eval/results/xrec.json"))
    options = parser.parse_args()
    tables = [read(options.folder / f"{name}.jsonl.gz") for name in ("amazon", "yelp")]
    lessons = pl.concat(table[HELD_BACK : HELD_BACK + options.train] for table in tables)
    recipe = Recipe.load("style/explain")
    tuned = (
        StyleWriter.load(options.style)
        if options.style.exists()
        else fit_style(lessons, recipe, options.style, progress=True)
    )
    writers = {"zero_shot": StyleWriter(recipe.backbone.base), "tuned": tuned}
    judged = {
        str(table["domain"][0]): {name: judge(one, table[: options.test]) for name, one in writers.items()}
        for table in tables
    }
    result = {
        "recipe": recipe.model_dump(mode="json"),
        "style": artifact.read(options.style).metadata,
        "test_triples": options.test,
        "judged": judged,
        "machine": machine(),
        "versions": versions(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(judged, indent=1))


if __name__ == "__main__":
    main()
