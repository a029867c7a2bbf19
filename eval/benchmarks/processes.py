"""Train recipes in one process and in several: are losses and recommendations the same, and how fast is it?

python eval/benchmarks/processes.py [gru sasrec ...] [--processes 2] [--set RECIPE:FIELD=VALUE] [--config fsdp].
Without dropout, whose draws differ, both are one training. Each is started anew, as a configuration in
`finetune/accelerate/` has it: on GPUs where there are some, else on CPUs, of which every process takes
OMP_NUM_THREADS. Writes processes.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llmrec
from eval.common import ROOT, arguments, run_measured, write_result
from llmrec.models import Recommender

NO_DROPOUT = {"sequence.dropout": 0, "head.dropout": 0, "head.item_dropout": 0, "lora.dropout": 0}


def command(
    recipe: str, data: str, out: Path, *, processes: int, changes: Sequence[str], config: str = "ddp"
) -> list[str]:
    """Return the command line that trains a recipe in so many processes, launched by a shipped configuration."""
    file = ROOT / "finetune/accelerate" / f"{config}.yaml"
    launch = ["-m", "accelerate.commands.launch", "--config_file", str(file)]
    # Port 0: a free one, whatever else is launched on this machine.
    start = [] if processes == 1 else [*launch, "--num_processes", str(processes), "--main_process_port", "0"]
    sets = [word for change in changes for word in ("--set", change)]
    return [sys.executable, *start, str(ROOT / "finetune/train.py"), recipe, data, str(out), *sets]


def without_dropout(recipe: str, changes: Sequence[str]) -> list[str]:
    """Return changes that leave dropout out, of the kinds that the recipe's model has."""
    complete = llmrec.models.registry.complete_recipe(llmrec.Recipe.load(recipe, set=list(changes)))
    values = complete.model_dump(exclude_unset=True)
    read = [name for name in NO_DROPOUT if name.split(".")[1] in values.get(name.split(".")[0], {})]
    return [*changes, *(f"{name}={NO_DROPOUT[name]}" for name in read)]


def same_tens(one: Recommender, other: Recommender) -> float:
    """Return for which share of the users two models recommend the same ten items, in any order."""
    tens = [model.recommend(one.histories, 10).group_by("user_id").agg("item_id") for model in (one, other)]
    items = [{user: set(ids) for user, ids in ten.iter_rows()} for ten in tens]
    return sum(items[0][user] == items[1][user] for user in items[0]) / len(items[0])


def row(
    recipe: str, data: str, folder: Path, *, processes: int, changes: Sequence[str], config: str = "ddp"
) -> dict[str, Any]:
    """Train in one process and in several, and compare."""
    changes, models = without_dropout(recipe, changes), []
    for size in (1, processes):
        out = folder / f"{Path(recipe).stem}-{size}"
        words = command(recipe, data, out, processes=size, changes=changes, config=config)
        done = run_measured(words, cwd=ROOT)
        if done.failure:
            raise SystemExit(done.failure)
        models.append(llmrec.load(out))
    one, several = models
    losses = [[epoch["loss"] for epoch in model.train_log] for model in models]
    assert len(losses[0]) == len(losses[1])
    return {
        "recipe": one.recipe.name,
        "processes": processes,
        "epochs": len(losses[0]),
        "largest_loss_difference": round(max(abs(a - b) for a, b in zip(*losses, strict=True)), 6),
        "same_top_ten": round(same_tens(one, several), 4),
        "tokens_per_second_in_one": one.metadata["cost"]["tokens_per_second"],
        "tokens_per_second": several.metadata["cost"]["tokens_per_second"],
    }


def main() -> None:
    """Measure and write the result."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("recipes", nargs="*", default=["gru", "sasrec"], help="gru and sasrec")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--config", choices=["ddp", "fsdp"], default="ddp", help="of finetune/accelerate (ddp)")
    parser.add_argument("--set", action="append", default=[], metavar="RECIPE:FIELD=VALUE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        rows = []
        for recipe in args.recipes:
            folder = Path(temporary)
            changes = [change.removeprefix(f"{recipe}:") for change in args.set if change.startswith(f"{recipe}:")]
            how = {"processes": args.processes, "config": args.config}
            rows.append(row(recipe, args.data, folder, changes=changes, **how))
            print(json.dumps(rows[-1]), flush=True)
    settings = {"data": Path(args.data).name, "split": "leave-last-out", "changes": " ".join(args.set)}
    settings |= {} if args.config == "ddp" else {"config": args.config}
    write_result(args.out / "processes.json", {"One training in several processes": rows}, settings=settings)


if __name__ == "__main__":
    main()
