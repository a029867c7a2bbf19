"""Ranking by titles that the LLM writes, by prompt and by vectors, and what each costs a user.

python eval/experiments/generative.py [--data DIR] [--users SHARE] [--newest N] [--sample N] [--prompted N]
[--beams N ...] [--title-loss W ...] [--epochs N] [--set KEY=VALUE ...] [--name NAME]. `text` is trained once with
each weight of the title loss, on the newest N events of each user. Each run ranks by its vectors; one with a title
loss also generates titles by beams and exactly, and is fused with its vectors, the weight chosen on the validation
answers of the same users. An untuned SmolLM2-135M is prompted with twenty popular items, and with the twenty that
the last run retrieves. All are asked for the last item of the same users, --prompted of them by prompt. Runs lie
in runs/generative/, where an interrupted training is continued and no ranking is made twice. Writes NAME.json
(generative-DATA) after every ranking.
"""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl

from eval.common import arguments, open_data, write_result
from llmrec import Dataset, Histories, Recipe, Split, fit
from llmrec.arrays import Float64s
from llmrec.data import Fold
from llmrec.evaluation import bootstrap, paired_p_value
from llmrec.metrics import per_user
from llmrec.models import Fusion, GenerativeRanking, LLMRecommender, PromptRanking
from llmrec.resources.cache import replace_file

RUNS = Path("runs/generative")
SHARED = (
    "backbone.layers=2",
    "backbone.dtype=float32",
    "history.max_items=20",
    "history.max_tokens=512",
    "history.item_prompt=title",
    "head.item_prompt=item",
    "train.batch_tokens=1200",
    "train.learning_rate=1e-3",
    "train.patience=100",
)
RETRIEVED = "its vectors"


class Recommends(Protocol):
    """Whatever lists ``k`` items for each history."""

    def recommend(self, histories: Histories, k: int) -> pl.DataFrame:
        """See ``Ranker.recommend``."""


@dataclass(frozen=True)
class Ranking:
    """One way to rank, of a run or of none; ``make`` makes it when it is its turn, for ``n_users``."""

    run: str
    name: str
    n_users: int
    make: Callable[[], Recommends]


@dataclass(frozen=True)
class PromptedNearest:
    """An untuned LLM prompted with the items that another model retrieves."""

    prompt: PromptRanking
    model: LLMRecommender
    n_candidates: int = 20

    def recommend(self, histories: Histories, k: int) -> pl.DataFrame:
        """See ``Ranker.recommend``."""
        lists = self.model.recommend(histories, self.n_candidates).group_by("user_id").agg("item_id")
        candidates = dict(zip(lists["user_id"].to_list(), lists["item_id"].to_list(), strict=True))
        return self.prompt.recommend(histories, k, candidates=candidates)


@dataclass(frozen=True)
class Outcome:
    """NDCG@10 and Recall@10 of each user asked, seconds of processor and clock in all; a fusion's weight."""

    ndcg: list[float]
    recall: list[float]
    processor_seconds: float
    seconds: float
    weight: float | None = None


def main() -> None:
    """Train, rank, judge; write after each ranking."""
    args = parsed()
    data = newest(open_data(args.data, users=args.users), args.newest)
    split, name = Split.leave_last_out(data), args.name or f"generative-{data.name}"
    models = ((weight, trained(weight, data, split, args, RUNS / name)) for weight in args.title_loss)
    test, valid = sample(split.test, args.sample), sample(split.valid, args.sample)
    rows = list[dict[str, Any]]()
    retrieved: dict[str, Outcome] = {}
    for ranking in rankings(models, split, valid, args):
        outcome = evaluated_once(ranking, test, RUNS / name)
        if ranking.name == RETRIEVED:
            retrieved[ranking.run] = outcome
        rows.append(row_of(ranking, outcome, retrieved.get(ranking.run)))
        print(rows[-1], flush=True)
        changes = ", ".join([*SHARED, *args.set])
        settings = {"newest events": args.newest, "epochs": args.epochs, "recipe": changes}
        write_result(args.out / f"{name}.json", {"The last item of the same users": rows}, settings=settings)


def newest(data: Dataset, n: int) -> Dataset:
    """Keep each user's newest ``n`` events."""
    return data.with_events(data.events.group_by("user_id", maintain_order=True).tail(n))


def trained(weight: float, data: Dataset, split: Split, args: Namespace, folder: Path) -> LLMRecommender:
    """Train `text` with a weight of the title loss, or load its run."""
    run = f"title-loss-{weight:g}"
    changes = [f"name={run}", *SHARED, f"train.epochs={args.epochs}", f"train.title_loss={weight}", *args.set]
    model = fit(Recipe.load("smollm2-135m-lora", set=changes), data, split, folder / run, resume=True)
    assert isinstance(model, LLMRecommender)
    return model


def sample(fold: Fold, n: int) -> Fold:
    """Draw ``n`` users of a fold, the same ones every time."""
    drawn = np.random.default_rng(0).permutation(len(fold.histories))[:n]
    histories = fold.histories.take(np.sort(drawn))
    users = pl.Series(list(histories.user_ids)).implode()
    return replace(fold, histories=histories, answers=fold.answers.filter(pl.col("user_id").is_in(users)))


def rankings(
    models: Iterator[tuple[float, LLMRecommender]], split: Split, valid: Fold, args: Namespace
) -> Iterator[Ranking]:
    """List the ways to rank; a model is trained when it is its turn."""
    for weight, model in models:
        run = f"title loss {weight:g}"
        yield Ranking(run, RETRIEVED, args.sample, model.prepare)
        if not weight:
            continue
        for beams in args.beams:
            yield Ranking(
                run, f"titles, {beams} beams", args.sample, partial(GenerativeRanking, model, beams=beams)
            )
        exact = GenerativeRanking(model, beams=None)
        yield Ranking(run, "titles, exactly", args.sample, exact.prepare)
        yield Ranking(run, "vectors and titles", args.sample, partial(Fusion.tuned, model, exact, valid))
    prompt = PromptRanking(mode="letter").fit(split.train)
    yield Ranking("no run", "prompt, 20 popular", args.prompted, prompt.prepare)
    yield Ranking(run, "prompt, its 20 nearest", args.prompted, partial(PromptedNearest, prompt, model))


def evaluated_once(ranking: Ranking, fold: Fold, folder: Path) -> Outcome:
    """Rank and judge, or read what came of it."""
    path = folder / f"{ranking.run}, {ranking.name}, {ranking.n_users}.json".replace(" ", "-")
    if not path.is_file():
        replace_file(path, json.dumps(vars(evaluate(ranking, sample(fold, ranking.n_users)))))
    return Outcome(**json.loads(path.read_text(encoding="utf-8")))


def evaluate(ranking: Ranking, fold: Fold) -> Outcome:
    """Rank for users and take the time, once one of them was answered and everything is loaded."""
    ranker = ranking.make()
    ranker.recommend(fold.histories[:1], 10)
    processor, clock = time.process_time(), time.perf_counter()
    recs = ranker.recommend(fold.histories, 10)
    processor, clock = time.process_time() - processor, time.perf_counter() - clock
    table = per_user(recs, fold.answers, users=list(fold.histories.user_ids), k=10)
    weight = ranker.weight if isinstance(ranker, Fusion) else None
    return Outcome(table["ndcg@10"].to_list(), table["recall@10"].to_list(), processor, clock, weight)


def row_of(ranking: Ranking, outcome: Outcome, retrieved: Outcome | None) -> dict[str, Any]:
    """Return a row of the result, with the difference from the same run's vectors, user by user."""
    ndcg, n = np.array(outcome.ndcg), len(outcome.ndcg)
    titles = "" if outcome.weight is None else f", {outcome.weight:.0%} titles"
    row = {
        "run": ranking.run,
        "ranked_by": ranking.name + titles,
        "users": n,
        "ndcg@10": bootstrap(ndcg).model_dump(),
        "recall@10": float(np.mean(outcome.recall)),
        "processor_ms": 1000 * outcome.processor_seconds / n,
        "ms": 1000 * outcome.seconds / n,
    }
    if retrieved is None or ranking.name == RETRIEVED or len(retrieved.ndcg) != n:
        return row
    return row | against(ndcg, np.array(retrieved.ndcg))


def against(ndcg: Float64s, retrieved: Float64s) -> dict[str, Any]:
    """Compare with the vectors of the same run, user by user."""
    difference = bootstrap(ndcg - retrieved).model_dump()
    return {"ndcg@10_minus_vectors": difference, "p_value": paired_p_value(ndcg, retrieved)}


def parsed() -> Namespace:
    """Read the command line."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("--users", type=float, default=1.0, help="a share of them")
    parser.add_argument("--newest", type=int, default=50, help="events of each user that are read at all")
    parser.add_argument("--sample", type=int, default=200, help="users that are asked")
    parser.add_argument("--prompted", type=int, default=50, help="of them, by prompt")
    parser.add_argument("--beams", type=int, nargs="*", default=[5, 20])
    parser.add_argument("--title-loss", type=float, nargs="+", default=[0.1, 0.0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of every recipe")
    parser.add_argument("--name", help="of the result (generative-DATA)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
