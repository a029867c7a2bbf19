"""What it saves to read the words before a history once a batch: training steps, and histories encoded.

python eval/benchmarks/shared_prefix.py [--data DIR] [--users SHARE] [--window N] [--steps N] [--rounds N]. The LLM
over item vectors, batches as in a training, by one thread; seconds of CPU, rounds alternate, medians. Writes
shared_prefix-DATA.json.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import torch

from eval.common import Row, arguments, open_data, write_result
from llmrec import Dataset, Recipe, Split
from llmrec.data import Sequences
from llmrec.models import LLMRecommender
from llmrec.models.llm import shared_prefix
from llmrec.training.batching import Batch, pack

RECIPE = "smollm2-135m-soft"
BATCH_TOKENS = 2400
# By what is read: the share of positions that must be saved for the prefix to be read once.
LEAST_SAVED = {"every row whole": np.inf, "the prefix once": shared_prefix.LEAST_SAVED}


def batches_of(model: LLMRecommender, sequences: Sequences, window: int, n: int) -> list[dict[str, torch.Tensor]]:
    """Lay out the first batches of an epoch in which each history has one window, its newest."""
    lengths = sequences.lengths()
    users = np.flatnonzero(lengths > 1)
    stops = lengths[users] - 1
    windows = np.stack([users, np.maximum(stops - window, 0), stops], axis=1)
    sizes = windows[:, 2] - windows[:, 1] + len(model.encoder.serializer.prefix)
    groups = pack(sizes, BATCH_TOKENS, np.random.default_rng(0))[:n]
    return [model.encoder.collate(sequences, Batch(0, windows[group])) for group in groups]


def trained(model: LLMRecommender, batches: list[dict[str, torch.Tensor]]) -> float:
    """Compute loss and gradients of some batches, and return the mean loss."""
    total = 0.0
    for batch in batches:
        torch.manual_seed(0)  # the same dropout either way
        loss = model.encoder.network(**batch)
        loss.backward()
        total += loss.item()
    model.encoder.network.zero_grad()
    return total / len(batches)


def encoding_seconds(model: LLMRecommender, train: Dataset, rounds: int) -> dict[str, float]:
    """Seconds of CPU that it takes to encode all histories, by reading."""
    seconds: dict[str, list[float]] = {reading: [] for reading in LEAST_SAVED}
    for _ in range(rounds):
        for reading, shared_prefix.LEAST_SAVED in LEAST_SAVED.items():
            began = time.process_time()
            model.embed_users(train.histories)
            seconds[reading].append(time.process_time() - began)
    return {reading: statistics.median(each) for reading, each in seconds.items()}


def training_seconds(
    model: LLMRecommender, batches: list[dict[str, torch.Tensor]], rounds: int
) -> dict[str, tuple[float, float]]:
    """Seconds of CPU that a training step takes, without the optimizer's, and the mean loss, by reading."""
    network: Any = model.encoder.network
    network.model.base_model.unmerge_adapter()
    network.train()
    for name, weight in network.named_parameters():
        weight.requires_grad_("lora_" in name or not name.startswith("model."))
    seconds: dict[str, list[float]] = {reading: [] for reading in LEAST_SAVED}
    losses: dict[str, float] = {}
    for _ in range(rounds):
        for reading, shared_prefix.LEAST_SAVED in LEAST_SAVED.items():
            began = time.process_time()
            losses[reading] = trained(model, batches)
            seconds[reading].append((time.process_time() - began) / len(batches))
    return {reading: (statistics.median(each), losses[reading]) for reading, each in seconds.items()}


def main() -> None:
    """Fit for an epoch, then measure both readings in turn."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("--users", type=float, default=1.0)
    parser.add_argument("--window", type=int, default=20)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = open_data(args.data, users=args.users)
    train = Split.leave_last_out(data).train
    changes = ["train.epochs=1", f"train.batch_tokens={BATCH_TOKENS}", f"history.max_items={args.window}"]
    model = LLMRecommender(Recipe.load(RECIPE, set=changes)).fit(train)
    batches = batches_of(model, Sequences.encode(train.histories, train.catalog), args.window, args.steps)
    encoding = encoding_seconds(model, train, args.rounds)
    training = training_seconds(model, batches, args.rounds)
    (whole, loss), (once, same) = training.values()
    assert abs(loss - same) < 1e-4, "both must compute the same"
    rows: list[Row] = [
        {
            "read": reading,
            "loss": training[reading][1],
            "cpu_seconds_a_step": training[reading][0],
            "histories_encoded_a_cpu_second": train.n_users / encoding[reading],
        }
        for reading in LEAST_SAVED
    ]
    before, after = encoding.values()
    times: list[Row] = [{"training steps": whole / once, "encoding": before / after}]
    settings = {
        "data": data.name,
        "items": len(train.catalog),
        "events_read_of_a_history": float(train.histories.lengths().clip(max=args.window).mean()),
        "prefix_tokens": len(model.encoder.serializer.prefix),
        "batch_tokens": BATCH_TOKENS,
        "threads": 1,
    }
    sections = {"What is read": rows, "The prefix once, times as fast": times}
    write_result(args.out / f"shared_prefix-{data.name}.json", sections, settings=settings)


if __name__ == "__main__":
    main()
