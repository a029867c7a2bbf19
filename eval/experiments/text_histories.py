"""Histories as titles, as vectors and as both, at the same minutes; and what the language model's knowledge adds.

python eval/experiments/text_histories.py [--data DIR] [--users SHARE] [--forms FORM ...] [--minutes 10 30 60]
[--epochs N ...] [--seeds N] [--controls CONTROL ...] [--controlled FORM ...] [--cold] [--base BASE] [--name NAME].
Every form has the same blocks, window, adapter and rates; its epochs are those that fit the minutes, by a dry run,
so that its learning rate ends where its time does, or with --epochs so many, whatever else the machine does. Each
is judged on histories in order and shuffled, with --cold on a tenth of the items kept out of training, too.
Controls, which train as many epochs as their form and are compared with it user by user: `random-weights` (the
base's blocks and embeddings drawn anew), `random-words` (titles of drawn words, and no genres) and
`shuffled-titles` (items have each other's texts). Runs lie in runs/text_histories/, where an interrupted one is
continued and a finished one is not trained again. Writes NAME.json (text_histories-DATA) after every run.
"""

from __future__ import annotations

import math
import shutil
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from eval.common import arguments, open_data, write_result
from eval.experiments.accuracy import shuffled
from llmrec import Dataset, Recipe, Split, fit
from llmrec.arrays import Float64s
from llmrec.data import Catalog, Fold
from llmrec.evaluation import bootstrap, paired_p_value
from llmrec.llm.bases import find_base
from llmrec.metrics import per_user
from llmrec.models import Recommender
from llmrec.models.dry_run import dry_run

RUNS = Path("runs/text_histories")
# Lines of titles; the texts that item vectors encode are the same for all forms.
LEAN = ("history.item_prompt=title", "head.item_prompt=item")
FORMS = {
    "soft": ("history.encoding=soft", "head.item_prompt=item"),
    "text": ("history.encoding=text", *LEAN),
    "text-local": ("history.encoding=text", "history.local_blocks=2", *LEAN),
    "text-local-mean": ("history.encoding=text", "history.local_blocks=2", "history.boundary_states=mean", *LEAN),
    # No block that reads lines is trained: each item's line is read once for the whole training.
    "text-frozen": (
        "history.encoding=text",
        "history.local_blocks=2",
        "history.boundary_states=mean",
        "lora.last_layers=2",
        *LEAN,
    ),
    "hybrid": ("history.encoding=hybrid", *LEAN),
    "newest-8": ("history.encoding=hybrid", "history.text_items=8", *LEAN),
    "newest-3": ("history.encoding=hybrid", "history.text_items=3", *LEAN),
    "hybrid-local": ("history.encoding=hybrid", "history.local_blocks=2", *LEAN),
    "hybrid-local-both": (
        "history.encoding=hybrid",
        "history.local_blocks=2",
        "history.boundary_states=both",
        *LEAN,
    ),
}
CONTROLS = ("random-weights", "random-words", "shuffled-titles")
SHARED = (
    "backbone.layers=4",
    "backbone.dtype=float32",
    "history.max_items=50",
    "history.max_tokens=1024",
    "head.dropout=0.2",
    "train.batch_tokens=2400",
    "train.title_loss=0",
    "train.patience=100",
    "train.valid_users=300",
)


@dataclass(frozen=True)
class Trial:
    """One training: a form, its minutes or epochs, its seed and control, and whether cold items are wanted."""

    form: str
    minutes: float | None
    seed: int
    control: str | None = None
    cold: bool = False
    epochs: int | None = None

    @property
    def name(self) -> str:
        """The folder of its run."""
        parts = [
            self.form,
            f"{self.epochs}epochs" if self.minutes is None else f"{self.minutes:g}min",
            f"seed{self.seed}",
            self.control,
            "cold" if self.cold else None,
        ]
        return "-".join(part for part in parts if part)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a trial: its row of the result, and the NDCG@10 of each user."""

    row: dict[str, Any]
    ndcg: Float64s


def trials(args: Namespace) -> Iterator[Trial]:
    """List what is trained, shortest first; controls at one seed and the shortest length."""
    lengths = [(None, n) for n in sorted(args.epochs)] or [(minutes, None) for minutes in sorted(args.minutes)]
    for minutes, epochs in lengths:
        for seed in range(args.seeds):
            yield from (Trial(form, minutes, seed, epochs=epochs) for form in args.forms)
        yield from (Trial(form, minutes, 0, cold=True, epochs=epochs) for form in args.forms if args.cold)
    minutes, epochs = lengths[0]
    for cold in (False, True)[: 1 + args.cold]:
        for form in args.controlled or args.forms:
            yield from (Trial(form, minutes, 0, control, cold, epochs) for control in args.controls)


def controlled(data: Dataset, control: str | None) -> Dataset:
    """Change the texts of a catalog as a control says: what is in no text cannot be read from it."""
    table, draw = data.catalog.table, np.random.default_rng(0)
    texts = [name for name in table.columns if name != "item_id"]
    if control == "shuffled-titles":
        order = draw.permutation(table.height)
        table = table.with_columns(*(table[name].gather(order) for name in texts))
    elif control == "random-words":
        titles = [title.split() for title in table["title"].to_list()]
        words = np.array(sorted({word for title in titles for word in title}))
        drawn = [" ".join(draw.choice(words, max(len(title), 1))) for title in titles]
        table = table.select("item_id").with_columns(title=pl.Series(drawn))
    else:
        return data
    return replace(data, catalog=Catalog(table), name=f"{data.name}-{control}")


def random_base(base: str, layers: int, folder: Path) -> Path:
    """Write a base of the same architecture and tokenizer with weights drawn anew, cut to ``layers`` blocks."""
    if not (folder / "config.json").is_file():
        location = find_base(base).location
        config = AutoConfig.from_pretrained(location, trust_remote_code=False)
        config.num_hidden_layers = min(layers, config.num_hidden_layers)
        if getattr(config, "layer_types", None):
            config.layer_types = config.layer_types[: config.num_hidden_layers]
        torch.manual_seed(0)
        shutil.rmtree(folder, ignore_errors=True)
        AutoTokenizer.from_pretrained(location, trust_remote_code=False).save_pretrained(folder)
        AutoModelForCausalLM.from_config(config, trust_remote_code=False).float().save_pretrained(folder)
    return folder


def recipe_of(trial: Trial, base: str, changes: list[str]) -> Recipe:
    """Return a trial's recipe but for its epochs."""
    shared = [f"backbone.base={base}", f"name={trial.name}", f"seed={trial.seed}", *SHARED]
    return Recipe.load("smollm2-135m-soft", set=[*shared, *FORMS[trial.form], *changes])


def timed_recipe(recipe: Recipe, split: Split, trial: Trial, folder: Path) -> Recipe:
    """Set a trial's epochs, or as many as fit its minutes by a dry run, at least one, which is cut.

    A control has its form's.
    """
    if trial.epochs is not None:
        return recipe.with_values({"train.epochs": trial.epochs})
    assert trial.minutes is not None
    if trial.control:
        plain = Recipe.load(folder / f"{replace(trial, control=None).name}.yaml")
        return recipe.with_values({"train.epochs": plain.train.epochs})
    epochs = max(math.floor(60 * trial.minutes / dry_run(recipe, split).epoch_seconds), 1)
    return recipe.with_values({"train.epochs": epochs, "train.max_minutes": trial.minutes})


def run_trial(trial: Trial, data: Dataset, folder: Path, base: str, changes: list[str]) -> Outcome:
    """Train a trial, or load its run, and judge it."""
    data = controlled(data, trial.control)
    split = Split.cold_items(data) if trial.cold else Split.leave_last_out(data)
    written = folder / f"{trial.name}.yaml"
    if not written.is_file():  # a run is continued by the epochs that were measured when it began
        folder.mkdir(parents=True, exist_ok=True)
        text = timed_recipe(recipe_of(trial, base, changes), split, trial, folder).to_yaml()
        written.write_text(text, encoding="utf-8")
    model = fit(Recipe.load(written), data, split, folder / trial.name, resume=True)
    length = {} if trial.minutes is None else {"minutes": trial.minutes}
    facts = {"form": trial.form, "control": trial.control or "none", **length, "seed": trial.seed}
    outcome = outcome_of(model, split)
    return replace(outcome, row=facts | outcome.row)


def outcome_of(model: Recommender, split: Split) -> Outcome:
    """Return a model's accuracy in order and shuffled, and what its training took."""
    test, cost, log = split.test, model.metadata["cost"], model.train_log
    ndcg, recall = accuracy(model, test)
    events = split.train.events.height * len(log)
    row = {
        "ndcg@10": bootstrap(ndcg).model_dump(),
        "recall@10": float(recall.mean()),
        "shuffled_ndcg@10": float(accuracy(model, replace(test, histories=shuffled(test.histories, 0)))[0].mean()),
        "valid_ndcg@10": max((row["valid_ndcg@10"] for row in log if "valid_ndcg@10" in row), default=None),
        "epochs": len(log),
        "tokens_per_second": cost["tokens_per_second"],
        "events_per_second": events / sum(row["seconds"] for row in log),
        "train_seconds": cost["train_seconds"],
        "peak_memory_gib": cost["peak_memory_gib"],
    }
    return Outcome(row, ndcg)


def against(outcome: Outcome, form: Outcome) -> dict[str, Any]:
    """Compare a control with its form, user by user: what it lacks is what was taken away."""
    difference = bootstrap(outcome.ndcg - form.ndcg).model_dump()
    return {"ndcg@10_minus_form": difference, "p_value": paired_p_value(outcome.ndcg, form.ndcg)}


def accuracy(model: Recommender, fold: Fold) -> tuple[Float64s, Float64s]:
    """Return NDCG@10 and Recall@10 of each user."""
    users = list(fold.histories.user_ids)
    table = per_user(model.recommend(fold.histories, 10), fold.answers, users=users, k=10)
    return table["ndcg@10"].to_numpy(), table["recall@10"].to_numpy()


def main() -> None:
    """Train and judge each trial; write after each."""
    args = parsed()
    data = open_data(args.data, users=args.users)
    name = args.name or f"text_histories-{data.name}"
    folder = RUNS / (args.name or data.name)
    outcomes, sections = dict[Trial, Outcome](), dict[str, list[dict[str, Any]]]()
    for trial in trials(args):
        base = args.base
        if trial.control == "random-weights":
            base = str(random_base(base, 4, RUNS / "random-base"))
        outcomes[trial] = outcome = run_trial(trial, data, folder, base, args.set)
        form = outcomes.get(replace(trial, control=None)) if trial.control else None
        row = outcome.row if form is None else outcome.row | against(outcome, form)
        sections.setdefault("cold items" if trial.cold else "the last event", []).append(row)
        print(row, flush=True)
        settings = {"base": args.base, **({"set": ", ".join(args.set)} if args.set else {})}
        write_result(args.out / f"{name}.json", sections, settings=settings)


def parsed() -> Namespace:
    """Read the command line."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("--users", type=float, default=1.0, help="a share of them")
    parser.add_argument("--forms", nargs="+", choices=list(FORMS), default=list(FORMS))
    parser.add_argument("--minutes", nargs="+", type=float, default=[10.0, 30.0, 60.0])
    parser.add_argument("--epochs", nargs="+", type=int, default=[], help="instead of minutes")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--controls", nargs="*", choices=CONTROLS, default=[])
    parser.add_argument("--controlled", nargs="+", choices=list(FORMS), help="forms with controls (default: all)")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of every recipe")
    parser.add_argument("--name", help="of the result (text_histories-DATA)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
