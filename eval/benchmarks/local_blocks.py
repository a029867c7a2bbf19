"""Item-local lower blocks: how fast they train, and what one more event costs a session.

python eval/benchmarks/local_blocks.py [--users 100] [--layers 4] [--base BASE]. Histories of 51 events of
MovieLens 100K, titles only, the same blocks, LoRA, precision and batch tokens; each form trains one epoch. An
event is timed against a pass over all of its history with every line's states forgotten, and with them remembered.
Writes local_blocks.json.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from eval.benchmarks.throughput import first_events
from eval.common import arguments, open_data, write_result
from llmrec import Dataset, Histories, Recipe
from llmrec.models import LLMRecommender

WHOLE = "text, every block reads all"
FORMS = {
    WHOLE: ["history.encoding=text"],
    "text, 1 local block": ["history.encoding=text", "history.local_blocks=1"],
    "text, 2 local blocks": ["history.encoding=text", "history.local_blocks=2"],
    "hybrid, 2 local blocks": ["history.encoding=hybrid", "history.local_blocks=2"],
    "text, 2 local blocks without an adapter": [
        "history.encoding=text", "history.local_blocks=2", "lora.last_layers=2"
    ],
    "soft": ["history.encoding=soft"],
}  # fmt: skip
SHARED = (
    "backbone.dtype=float32",
    "history.max_tokens=2048",
    "history.item_prompt=title",
    "head.item_prompt=item",
    "train.title_loss=0",
    "train.epochs=1",
)
TIMES = 20


@dataclass(frozen=True)
class Sizes:
    """What all forms share."""

    base: str
    layers: int
    items: int = 51
    batch_tokens: int = 2400

    def recipe(self, *changes: str) -> Recipe:
        """Return the recipe of a form."""
        sizes = {
            "backbone.base": self.base,
            "backbone.layers": self.layers,
            "history.max_items": self.items,
            "train.batch_tokens": self.batch_tokens,
        }
        shared = [*(f"{field}={value}" for field, value in sizes.items()), *SHARED]
        return Recipe.load("smollm2-135m-lora", set=[*shared, *changes])


def trained(data: Dataset, recipe: Recipe) -> tuple[LLMRecommender, dict[str, float]]:
    """Train an epoch. Every event is a target once."""
    model = LLMRecommender(recipe).fit(data)
    row, events = model.train_log[0], data.events.height
    memory = model.metadata["cost"]["peak_memory_gib"]
    return model, {
        "events": events, "positions": row["tokens"], "seconds": row["seconds"],
        "events_per_second": events / row["seconds"], "peak_memory_gib": memory,
    }  # fmt: skip


def session_cost(model: LLMRecommender, history: list[str]) -> dict[str, float]:
    """Time appending the last event, and passes over the whole history, in milliseconds."""
    local = model.encoder.network.local
    session = model.session(history[:-1])
    session.append(history[-1])
    difference = float(np.abs(session.state - model.embed_users(Histories.of([history]))[0]).max())

    def timed(*, forget: bool) -> float:
        spent = []
        for _ in range(TIMES):
            if local is not None and forget:
                local.forget()
            began = time.perf_counter()
            model.embed_users(Histories.of([history]))
            spent.append(time.perf_counter() - began)
        return 1000 * float(np.median(spent))

    appended = []
    for _ in range(TIMES):
        session = model.session(history[:-1])
        began = time.perf_counter()
        session.append(history[-1])
        appended.append(time.perf_counter() - began)
    append = 1000 * float(np.median(appended))
    whole, remembered = timed(forget=True), timed(forget=False)
    return {
        "append_ms": append, "full_pass_ms": whole, "share_of_full": append / whole,
        "lines_remembered_ms": remembered, "largest_difference": difference,
    }  # fmt: skip


def main() -> None:
    """Train and time all forms, write."""
    parser = arguments(__doc__)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--base", default="smollm2-135m")
    args = parser.parse_args()
    sizes = Sizes(args.base, args.layers)
    data = first_events(open_data("ml-100k"), args.users, [sizes.items])
    history = data.histories[:1].events["item_id"].to_list()[-50:]
    training, sessions, speeds = [], [], dict[str, float]()
    for form, changes in FORMS.items():
        model, speed = trained(data, sizes.recipe(*changes))
        training.append({"form": form, **speed})
        speeds[form] = speed["events_per_second"]
        sessions.append({"form": form, **session_cost(model, history)})
        print(training[-1], sessions[-1], flush=True)
    ratios = [{"form": form, "times": speed / speeds[WHOLE]} for form, speed in speeds.items() if form != WHOLE]
    print(*ratios, sep="\n")
    sections = {
        "Training": training, f"How many times as fast as {WHOLE}": ratios,
        "One more event after 49, and the whole history": sessions,
    }  # fmt: skip
    settings = {"base": args.base, "blocks": args.layers, "threads": torch.get_num_threads()}
    write_result(args.out / "local_blocks.json", sections, settings=settings)


if __name__ == "__main__":
    main()
