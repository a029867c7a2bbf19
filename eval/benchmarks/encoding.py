"""Encoding speed: a catalog's texts by our encoder and by sentence-transformers, same model, pooling, precision.

python eval/benchmarks/encoding.py [--items N] [--rounds N]. Both tokenize and encode; sentence-transformers may
take 32 or 128 texts a batch, the faster counts. Rounds alternate; the ratio is of the least of each, since other
work on a machine can only add. Writes encoding.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch

from eval.common import arguments, open_data, write_result
from llmrec.data import Catalog
from llmrec.llm.bases import find_base
from llmrec.llm.encode import encode_item_texts
from llmrec.llm.ragged import RaggedTokens
from llmrec.llm.serialize import tokenized_items
from llmrec.llm.weights import load_causal_lm
from llmrec.prompting.item_text import item_texts
from llmrec.prompting.prompt import Prompt

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer

BASE = "smollm2-135m"
PEER = "sentence-transformers"


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peer(base: str, *, dtype: torch.dtype, device: str) -> tuple[SentenceTransformer, Transformer]:
    """Build the same model in sentence-transformers, without its chat template: 2.6 times the tokens here."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    words = Transformer(
        find_base(base).location,
        model_kwargs={"dtype": dtype},
        module_output_name="token_embeddings",
        modality_config={"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    )
    words.tokenizer.pad_token = words.tokenizer.pad_token or words.tokenizer.eos_token
    pooling = Pooling(words.get_embedding_dimension(), "mean")
    return SentenceTransformer(modules=[words, pooling], device=device, trust_remote_code=False), words


def main() -> None:
    """Measure both in turn."""
    parser = arguments(__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-tokens", type=int, default=1200)
    args = parser.parse_args()
    catalog = Catalog(open_data("ml-100k").catalog.table.sample(args.items, seed=0))
    texts = item_texts(catalog, Prompt.load("item", "en"))
    model, tokenizer = load_causal_lm(BASE, dtype="float32")
    theirs, words = peer(BASE, dtype=torch.float32, device="cpu")

    def ours() -> RaggedTokens:
        lines = tokenized_items(tokenizer, texts)
        encode_item_texts(model, lines, batch_tokens=args.batch_tokens)
        return lines

    sides: dict[str, Callable[[], object]] = {"llmrec": ours}
    for size in (32, 128):
        sides[f"{PEER}, {size} a batch"] = partial(theirs.encode, texts, batch_size=size, show_progress_bar=False)
    tokens = int(ours().offsets[-1])
    peer_tokens = int(words.preprocess(texts)["attention_mask"].sum())
    assert peer_tokens == tokens, "the two sides do not read the same tokens"
    for work in sides.values():
        work()  # once to warm up
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(args.rounds):
        for name, work in sides.items():
            seconds[name].append(timed(work))
    speed = {name: tokens / min(values) for name, values in seconds.items()}
    fastest_peer = max(value for name, value in speed.items() if name.startswith(PEER))
    rows = [
        {
            "encoder": name,
            "tokens_per_second": speed[name],
            "times_the_faster_peer": speed[name] / fastest_peer if name == "llmrec" else None,
            "seconds_of_each_round": seconds[name],
        }
        for name in sides
    ]
    print(*rows, sep="\n")
    write_result(args.out / "encoding.json", {"Encoding": rows}, settings={"items": args.items, "tokens": tokens})


if __name__ == "__main__":
    main()
