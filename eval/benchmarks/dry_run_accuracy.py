"""Compare what `llmrec fit --dry-run` says of time and memory with what the fit then takes.

python eval/benchmarks/dry_run_accuracy.py [RECIPE ...] [--users SHARE] [--set FIELD=VALUE] [--processor-time].
Dry run and fit have a process each, one after the other. By the clock, a machine that also does other work says
little of time; --processor-time takes seconds of the processor for both, with OMP_NUM_THREADS=1. Writes
dry_run_accuracy.json.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import llmrec
from eval.common import arguments, open_data, write_result
from llmrec.models.dry_run import dry_run

RECIPES = ("quickstart", "smollm2-135m-soft", "gru")


def expected(recipe: str, changes: list[str], split: llmrec.Split) -> dict[str, float]:
    """Return what the dry run says."""
    said = dry_run(llmrec.Recipe.load(recipe, set=changes), split)
    assert said.measurement is not None
    return {
        "epoch_tokens": said.measurement.tokens,
        "epoch_seconds": said.epoch_seconds,
        "seconds": said.total_seconds,
        "peak_memory_gib": said.peak_gib,
    }


def taken(recipe: str, changes: list[str], split: llmrec.Split) -> dict[str, float]:
    """Fit, and return what it took."""
    model = llmrec.models.from_recipe(llmrec.Recipe.load(recipe, set=changes))
    model.fit(split.train, valid=split.valid)
    cost = model.metadata["cost"]
    return {
        "seconds": cost["train_seconds"],
        "peak_memory_gib": cost["peak_memory_gib"],
        "epochs": model.train_log[-1]["epoch"],
        "epoch_tokens": model.train_log[0]["tokens"],
    }


def compared(said: dict[str, float], took: dict[str, float]) -> dict[str, float]:
    """Put both beside each other. An error of 0.1 is 10 % too much; a fit that ended early says nothing."""
    row = {f"{name}_dry_run": round(value, 3) for name, value in said.items()}
    row |= {f"{name}_fit": value for name, value in took.items()}
    row["token_error"] = round(said["epoch_tokens"] / took["epoch_tokens"] - 1, 3)
    row["time_error"] = round(said["seconds"] / took["seconds"] - 1, 3)
    row["memory_error"] = round(said["peak_memory_gib"] / took["peak_memory_gib"] - 1, 3)
    return row


def split_of(name: str, users: float) -> llmrec.Split:
    """Open data and split it as the quickstart does."""
    return llmrec.Split.leave_last_out(open_data(name, users=users))


def measured(
    recipe: str, changes: list[str], data: str, *, users: float, processor_time: bool = False
) -> dict[str, Any]:
    """Dry-run and fit a recipe, in a process each."""
    results, start = [], _read_processor_time if processor_time else None
    for part in (expected, taken):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=start) as pool:
            results.append(pool.submit(_in_process, part, recipe, changes, data, users).result())
    row = {"recipe": recipe, **compared(*results)}
    print(json.dumps(row), flush=True)
    return row


def _read_processor_time() -> None:
    """Let this process take its own processor's seconds for the clock: other work does not change them."""
    time.monotonic = time.process_time


def _in_process(part: Any, recipe: str, changes: list[str], data: str, users: float) -> Any:
    return part(recipe, changes, split_of(data, users))


def main() -> None:
    """Measure and write the result."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("recipes", nargs="*", default=RECIPES, metavar="RECIPE")
    parser.add_argument("--users", type=float, default=1.0, help="a share of the users (1)")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="for every recipe")
    parser.add_argument("--processor-time", action="store_true", help="seconds of the processor, not of the clock")
    args = parser.parse_args()
    users, processor_time = args.users, args.processor_time
    settings = {"data": args.data, "set": " ".join(args.set), "users": users, "processor_time": processor_time}
    rows = []
    for recipe in args.recipes:
        rows.append(measured(recipe, args.set, args.data, users=users, processor_time=processor_time))
        write_result(args.out / "dry_run_accuracy.json", {"Dry run and fit": rows}, settings=settings)


if __name__ == "__main__":
    main()
