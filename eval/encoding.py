"""Encoding speed: a catalog's texts by our encoder and by sentence-transformers, same model, pooling, precision.

python eval/encoding.py [--items N] [--rounds N]. Rounds alternate; the ratio is of the medians. Writes
eval/results/encoding.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from llmrec.data import Catalog, fetch
from llmrec.llm.backbone import encoder
from llmrec.llm.encode import encode_lines
from llmrec.llm.serialize import Serializer
from llmrec.llm.weights import find_base, load_causal_lm
from llmrec.prompting.lines import item_lines
from llmrec.prompting.prompt import Prompt
from llmrec.runtime import machine, versions

BASE = "smollm2-135m"


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure both in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=2400)
    asked = parser.parse_args()
    catalog = Catalog(fetch("ml-100k").catalog.table.sample(asked.items, seed=0))
    lines = item_lines(catalog, Prompt.load("item", "en"))
    model, tokenizer = load_causal_lm(BASE, dtype="float32")
    serializer = Serializer.build(tokenizer, lines, prefix="", encoding="text")
    words = Transformer(find_base(BASE).location, model_kwargs={"dtype": torch.float32})
    words.tokenizer.pad_token = words.tokenizer.pad_token or words.tokenizer.eos_token
    peer = SentenceTransformer(modules=[words, Pooling(words.get_embedding_dimension(), "mean")], device="cpu")
    sides: dict[str, Callable[[], object]] = {
        "llmrec": lambda: encode_lines(
            encoder(model), model.get_input_embeddings(), serializer, batch_tokens=asked.batch_tokens
        ),
        "sentence-transformers": lambda: peer.encode(lines, batch_size=32, show_progress_bar=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for work in sides.values():
        work()  # once to warm up
    for _ in range(asked.rounds):
        for name, work in sides.items():
            seconds[name].append(timed(work))
    tokens = int(serializer.offsets[-1])
    speed = {name: tokens / float(np.median(values)) for name, values in seconds.items()}
    ratio = speed["llmrec"] / speed["sentence-transformers"]
    facts = {
        "items": asked.items,
        "tokens": tokens,
        "tokens_per_second": speed,
        "ratio": ratio,
        "seconds": seconds,
    }
    text = json.dumps({**facts, "machine": machine(), "versions": versions()}, indent=2)
    Path("eval/results/encoding.json").write_text(text + "\n", encoding="utf-8")
    print(f"{ratio:.2f} times sentence-transformers: {speed}")


if __name__ == "__main__":
    main()
