"""What ranking by generated titles costs a user: from where titles part to the next such place, and every token.

python eval/benchmarks/title_generation.py [--data DIR] [--users SHARE] [--sample N] [--whole N] [--set KEY=VALUE]
A model of texts is trained for an epoch on the newest ten events of a share of the users: what it costs to ask
does not depend on what it learned. It ranks by its vectors, by beams and exactly for --sample users; `every token`
scores the whole titles by teacher forcing, for --whole of them. Milliseconds are of the processor, so that other
work on the machine matters little. Writes title_generation.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from eval.common import arguments, open_data, write_result
from eval.experiments.generative import SHARED, newest
from llmrec import Histories, Recipe, Split
from llmrec.data import Sequences
from llmrec.models import GenerativeRanking, LLMRecommender
from llmrec.models.llm.title_generation import TitleGenerator


def every_token(generator: TitleGenerator, sequences: Sequences) -> None:
    """Score all titles after each sequence, every token of each over the whole vocabulary."""
    titles = generator.encoder.serializer.item_tokens
    with torch.inference_mode():
        for _, state in generator._read(sequences, budget=0):
            generator.decoder.log_likelihoods(state, titles, budget=generator._budget)


def row_of(
    name: str, rank: Callable[[Histories], object], histories: Histories, tokens: int | None
) -> dict[str, Any]:
    """Rank for users; return a row of the result. ``tokens``: of titles that are read for each of them."""
    began = time.process_time()
    rank(histories)
    spent = 1000 * (time.process_time() - began) / len(histories)
    print(name, spent, flush=True)
    return {"ranked_by": name, "users": len(histories), "title_tokens": tokens, "processor_ms": spent}


def main() -> None:
    """Train a little, rank in each way, write."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("--users", type=float, default=0.02, help="a share of them")
    parser.add_argument("--sample", type=int, default=10)
    parser.add_argument("--whole", type=int, default=2, help="users whose titles are scored whole")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    split = Split.leave_last_out(newest(open_data(args.data, users=args.users), 10))
    changes = [*SHARED, "train.epochs=1", "train.title_loss=0.1", *args.set]
    model = LLMRecommender(Recipe.load("smollm2-135m-lora", set=changes)).fit(split.train)
    generator, histories = TitleGenerator(model.encoder), split.test.histories[: args.sample]
    trie, titles = generator.trie, generator.encoder.serializer.item_tokens
    exact, beam = (GenerativeRanking(model, beams=beams) for beams in (None, 20))
    rankings: dict[str, Callable[[Histories], object]] = {
        "its vectors": lambda some: model.recommend(some, 10),
        "titles, 20 beams": lambda some: beam.recommend(some, 10),
        "titles, exactly": lambda some: exact.recommend(some, 10),
        "every token": lambda some: every_token(generator, Sequences.encode(some, model.catalog)),
    }
    tokens = {"titles, exactly": int(trie.depths[trie.forks].sum()), "every token": len(titles.tokens)}
    for rank in list(rankings.values())[:3]:
        rank(histories[:1])  # what is made at the first question is no part of a user's
    users = dict.fromkeys(rankings, histories) | {"every token": histories[: args.whole]}
    rows = [row_of(name, rank, users[name], tokens.get(name)) for name, rank in rankings.items()]
    history = float(np.mean(model.encoder.windows(Sequences.encode(histories, model.catalog)).n_positions))
    settings = {"history's positions": history, "recipe": ", ".join(changes)}
    write_result(args.out / "title_generation.json", {"A user's list": rows}, settings=settings)


if __name__ == "__main__":
    main()
