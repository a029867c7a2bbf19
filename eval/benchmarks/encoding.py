"""Encoding speed: a catalog's texts by our encoder and by sentence-transformers, same model, pooling, precision.

python eval/benchmarks/encoding.py [--items N] [--rounds N]. Both tokenize and encode; sentence-transformers may
take 32 or
128 texts a batch, the faster counts. Rounds alternate; the ratio is of the least of each, since other work on a
machine can only add. Writes eval/results/encoding.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from llmrec.data import Catalog, fetch
from llmrec.llm.backbone import encoder
from llmrec.llm.encode import encode_item_texts
from llmrec.llm.serialize import Serializer
from llmrec.llm.weights import find_base, load_causal_lm
from llmrec.prompting.item_text import item_texts
from llmrec.prompting.prompt import Prompt
from llmrec.runtime import machine, versions

BASE = "smollm2-135m"
PEER = "sentence-transformers"


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure both in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-tokens", type=int, default=1200)
    asked = parser.parse_args()
    catalog = Catalog(fetch("ml-100k").catalog.table.sample(asked.items, seed=0))
    lines = item_texts(catalog, Prompt.load("item", "en"))
    model, tokenizer = load_causal_lm(BASE, dtype="float32")
    # By itself it writes every text as a chat where the tokenizer has a template: 2.6 times the tokens here.
    words = Transformer(
        find_base(BASE).location,
        model_kwargs={"dtype": torch.float32},
        module_output_name="token_embeddings",
        modality_config={"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    )
    words.tokenizer.pad_token = words.tokenizer.pad_token or words.tokenizer.eos_token
    peer = SentenceTransformer(modules=[words, Pooling(words.get_embedding_dimension(), "mean")], device="cpu")

    def ours() -> Serializer:
        made = Serializer.build(tokenizer, lines, prefix="", encoding="text")
        encode_item_texts(encoder(model), model.get_input_embeddings(), made, batch_tokens=asked.batch_tokens)
        return made

    sides: dict[str, Callable[[], object]] = {"llmrec": ours}
    for size in (32, 128):
        sides[f"{PEER}, {size} a batch"] = partial(peer.encode, lines, batch_size=size, show_progress_bar=False)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    tokens, theirs = int(ours().offsets[-1]), int(words.preprocess(lines)["attention_mask"].sum())
    assert theirs == tokens, "the two sides do not read the same tokens"
    for work in sides.values():
        work()  # once to warm up
    for _ in range(asked.rounds):
        for name, work in sides.items():
            seconds[name].append(timed(work))
    # The least of the rounds: whatever else a machine does can only add.
    speed = {name: tokens / min(values) for name, values in seconds.items()}
    ratio = speed["llmrec"] / max(value for name, value in speed.items() if name.startswith(PEER))
    metadata = {
        "items": asked.items,
        "tokens": tokens,
        "tokens_per_second": speed,
        "ratio": ratio,
        "seconds": seconds,
    }
    text = json.dumps({**metadata, "machine": machine(), "versions": versions()}, indent=2)
    Path("eval/results/encoding.json").write_text(text + "\n", encoding="utf-8")
    print(f"{ratio:.2f} times {PEER}: {speed}")


if __name__ == "__main__":
    main()
