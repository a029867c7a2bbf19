"""What lists by a stack cost beside lists by its LLM alone, in seconds of the processor and one thread.

python eval/benchmarks/stack_cost.py [--data ml-100k] [--users SHARE] [--ask 1024] [--rounds 5]
The members of `auto` in the sizes that it has for the log, made in runs/stack_cost/DATA where they are not there.
What a list costs does not depend on what was learned: the networks are not trained, and of texts random vectors
stand for the encodings. Rounds alternate between both, and ratios are of a round. Writes stack_cost-DATA.json.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import faiss
import numpy as np
import torch

from eval.common import Row, arguments, open_data, run_measured, write_result
from llmrec import Histories, Recipe, Split, fit, load
from llmrec.models import Recommender, StackedRecommender

CHUNK, ALONE = 512, 20
RIDGE_ITEMS = 4000  # more take minutes to solve for, and a list costs about the same
FIRST = """
import json, sys, time
import llmrec
model = llmrec.load(sys.argv[1]).for_scores()
model.recommend([model.catalog.ids[:5]], 10)
print(json.dumps({"cpu_seconds": time.process_time()}))
"""


@contextmanager
def untrained() -> Iterator[None]:
    """Train nothing and encode no text for the length of the block."""

    def vectors(texts: Any, width: int) -> Any:
        return np.random.default_rng(0).normal(size=(len(texts), width)).astype(np.float32)

    def train(network: torch.nn.Module, *_: Any, **__: Any) -> dict[str, Any]:
        network.eval()
        return {}

    def of_items(model: Any, texts: Any, **_: Any) -> Any:
        return vectors(texts, model.config.hidden_size)

    def of_catalog(catalog: Any, _: Any) -> Any:
        return vectors(catalog, 384), {"name": "random", "identity": "random"}

    with (
        patch("llmrec.training.trainer.train", train),
        patch("llmrec.llm.encode.encode_item_texts", of_items),
        patch("llmrec.models.baselines.text_graph.encode_catalog", of_catalog),
        patch("llmrec.models.sequential.over_texts.encode_catalog", of_catalog),
    ):
        yield


def made(split: Split, folder: Path) -> StackedRecommender:
    """Make the stack, or load it."""
    if not folder.exists():
        recipe = Recipe.load("auto")
        members = [
            f"linear linear.max_items={RIDGE_ITEMS}" if one == "linear" else one for one in recipe.stack.members
        ]
        changed = recipe.with_values({"stack.members": members, "stack.valid_users": 100})
        with untrained():
            fit(changed, split.data, split, folder)
    model = load(folder).for_scores().prepare()
    assert isinstance(model, StackedRecommender)
    return model


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return what a call took of the processor."""
    began = time.process_time()
    work()
    return time.process_time() - began


def compared(models: dict[str, Recommender], work: Callable[[Recommender], object], rounds: int) -> list[Row]:
    """Let each model do the work in turns, some rounds after one that does not count."""
    for model in models.values():
        work(model)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            seconds[name].append(cpu_seconds(partial(work, model)))
        print({name: round(values[-1], 3) for name, values in seconds.items()}, flush=True)
    first = next(iter(seconds.values()))
    return [
        {
            "model": name,
            "median_cpu_seconds": round(median(values), 4),
            "rounds": [round(value, 4) for value in values],
            "times_the_first": round(median(a / b for a, b in zip(values, first, strict=True)), 3),
        }
        for name, values in seconds.items()
    ]


def first_lists(folders: dict[str, Path]) -> list[Row]:
    """Load a run in a new process and make one list: what that takes in all."""
    rows: list[Row] = []
    for name, folder in folders.items():
        done = run_measured([sys.executable, "-c", FIRST, folder])
        rows.append({"model": name, **done.values(), "peak_memory_gib": round(done.peak_memory_gib, 3)})
    print(json.dumps(rows), flush=True)
    return rows


def by_member(stack: StackedRecommender, histories: Histories, rounds: int) -> list[Row]:
    """Let every member score by itself."""
    rows: list[Row] = []
    for member in stack.members:
        seconds = [cpu_seconds(partial(member.score, histories)) for _ in range(rounds)]
        rows.append({"member": member.recipe.name, "median_cpu_seconds": round(median(seconds), 4)})
    return rows


def main() -> None:
    """Make, measure, write."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("--users", type=float, default=1.0, help="a share of the users, the same ones every time")
    parser.add_argument("--ask", type=int, default=1024, help="so many users' lists in a round")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    data = open_data(args.data, users=args.users)
    split, folder = Split.leave_last_out(data), Path("runs/stack_cost") / data.name
    stack = made(split, folder)
    llm = next(member for member in stack.members if member.kind == "llm")
    models: dict[str, Recommender] = {"its LLM alone": llm, "the stack": stack}
    histories = split.test.histories[: args.ask]
    sections = {
        f"Lists of ten for {len(histories):,} users": compared(
            models, lambda model: model.recommend(histories), args.rounds
        ),
        f"Lists of ten for {ALONE} users, one by one": compared(
            models, lambda model: [model.recommend(histories[n : n + 1]) for n in range(ALONE)], args.rounds
        ),
        f"Scores of {min(CHUNK, len(histories))} users by each member": by_member(stack, histories[:CHUNK], 2),
        "A list of a new process": first_lists(
            {"its LLM alone": folder / "members" / "0-llm", "the stack": folder}
        ),
    }
    settings = {"data": data.name, "items": len(stack.catalog), "events_of_a_user": histories.lengths().mean()}
    write_result(args.out / f"stack_cost-{data.name}.json", sections, settings=settings)


if __name__ == "__main__":
    main()
