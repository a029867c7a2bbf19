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

from eval.common import arguments, open_data, write_result
from llmrec import Recipe, Split
from llmrec.data import Sequences
from llmrec.models import LLMRecommender
from llmrec.models.llm import shared_prefix
from llmrec.training.batching import Batch, pack

RECIPE = "smollm2-135m-soft"
BATCH_TOKENS = 2400
# Of positions that must be saved for the prefix to be read once.
WAYS = {"every row whole": np.inf, "the prefix once": shared_prefix.LEAST_SAVED}


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


def main() -> None:
    """Fit for an epoch, then measure both ways in turn."""
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
    network: Any = model.encoder.network
    encoding: dict[str, list[float]] = {way: [] for way in WAYS}
    steps: dict[str, list[float]] = {way: [] for way in WAYS}
    batches = batches_of(model, Sequences.encode(train.histories, train.catalog), args.window, args.steps)
    losses: dict[str, float] = {}
    for _ in range(args.rounds):
        for way, shared_prefix.LEAST_SAVED in WAYS.items():
            began = time.process_time()
            model.embed_users(train.histories)
            encoding[way].append(time.process_time() - began)
    network.model.base_model.unmerge_adapter()
    network.train()
    for name, weight in network.named_parameters():
        weight.requires_grad_("lora_" in name or not name.startswith("model."))
    for _ in range(args.rounds):
        for way, shared_prefix.LEAST_SAVED in WAYS.items():
            began = time.process_time()
            losses[way] = trained(model, batches)
            steps[way].append(time.process_time() - began)
    rows = [
        {
            "read": way,
            "loss": losses[way],
            "cpu_seconds_a_step": statistics.median(steps[way]) / args.steps,
            "histories_encoded_a_cpu_second": train.n_users / statistics.median(encoding[way]),
        }
        for way in WAYS
    ]
    first, last = rows[0], rows[-1]
    for row in rows:
        row["steps_times_as_fast"] = first["cpu_seconds_a_step"] / row["cpu_seconds_a_step"]
        row["encoding_times_as_fast"] = (
            row["histories_encoded_a_cpu_second"] / first["histories_encoded_a_cpu_second"]
        )
    assert abs(first["loss"] - last["loss"]) < 1e-4, "both must compute the same"
    events = float(train.histories.lengths().clip(max=args.window).mean())
    settings = {"data": data.name, "items": len(train.catalog), "events_read_of_a_history": events}
    settings |= {"prefix_tokens": len(model.encoder.serializer.prefix), "batch_tokens": BATCH_TOKENS, "threads": 1}
    write_result(args.out / f"shared_prefix-{data.name}.json", {"What is read": rows}, settings=settings)


if __name__ == "__main__":
    main()
