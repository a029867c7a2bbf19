"""Repeat bias against a plain loop over the history."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import torch

from llmrec import Dataset, Recipe, Split
from llmrec.models import from_recipe
from llmrec.models.fit_network import ndcg_on
from llmrec.training.repeat_bias import AGES, COUNTS, GAIN, RepeatBias


@torch.no_grad()
def test_values_are_those_of_a_loop() -> None:
    torch.manual_seed(0)
    repeat_bias = trained(n_items=7, dim=4)
    inputs = torch.tensor([[3, 5, 3, 3, 0, 5], [1, 1, 6, -1, -1, -1]])
    rows, read = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 3, 6, 2, 3])
    users = torch.randn(5, 4)

    codes, values = repeat_bias(users, inputs, rows, read)
    biases = torch.zeros(5, 7).scatter_add(1, codes, values)

    for n in range(5):
        history = inputs[rows[n]][: read[n]].tolist()
        for item in range(7):
            assert math.isclose(float(biases[n, item]), looped(repeat_bias, users[n], history, item), abs_tol=1e-5)
    assert biases[1].count_nonzero() == 2


@torch.no_grad()
def test_later_items_have_no_influence() -> None:
    repeat_bias = trained(n_items=5, dim=4)
    users, rows, read = torch.randn(1, 4), torch.tensor([0]), torch.tensor([2])
    one = repeat_bias(users, torch.tensor([[1, 2, 1, 4]]), rows, read)
    other = repeat_bias(users, torch.tensor([[1, 2, 3, 3]]), rows, read)
    scored = [torch.zeros(1, 5).scatter_add(1, codes, values) for codes, values in (one, other)]
    assert torch.equal(*scored)
    assert scored[0].count_nonzero() == 2


def test_an_empty_batch_of_histories_gets_nothing() -> None:
    codes, values = trained(n_items=5, dim=4)(
        torch.randn(2, 4), torch.zeros((2, 0), dtype=torch.long), torch.arange(2), torch.zeros(2, dtype=torch.long)
    )
    assert codes.shape == values.shape == (2, 0)


def test_it_starts_at_zero() -> None:
    repeat_bias = RepeatBias(5, 4)
    values = repeat_bias(torch.randn(1, 4), torch.tensor([[1, 2]]), torch.tensor([0]), torch.tensor([2]))[1]
    assert not values.any()


def trained(*, n_items: int, dim: int) -> RepeatBias:
    repeat_bias = RepeatBias(n_items, dim)
    for weight in repeat_bias.parameters():
        torch.nn.init.normal_(weight)
    return repeat_bias


def looped(repeat_bias: RepeatBias, user: torch.Tensor, history: list[int], item: int) -> float:
    if item not in history:
        return 0.0
    age = len(history) - max(n for n, one in enumerate(history) if one == item)
    of_user = repeat_bias.of_user.weight @ (user / user.norm() * 2.0) + GAIN * repeat_bias.of_user.bias
    age_bin = min(int(math.log2(age)), AGES - 1)
    count_bin = min(int(math.log2(history.count(item))), COUNTS - 1)
    return float(of_user[age_bin] + of_user[AGES + count_bin] + GAIN * repeat_bias.of_item.weight[item, 0])


def test_a_network_learns_repeats() -> None:
    """Each user buys three of sixty items, again and again: no order of items says which three."""
    draw = np.random.default_rng(0)
    bought = [draw.choice(draw.choice(60, 3, replace=False), 12).tolist() for _ in range(120)]
    events = [(f"u{n}", str(item), time) for n, items in enumerate(bought) for time, item in enumerate(items)]
    table = pl.DataFrame(events, schema=["user_id", "item_id", "timestamp"], orient="row")
    split = Split.leave_last_out(Dataset.from_tables(table, name="three items a user"))
    values = {"model": "gru", "sequence": {"dim": 16}, "train": {"epochs": 6, "learning_rate": 1e-2}}
    ndcg = {}
    for repeat_bias in (False, True):
        model = from_recipe(Recipe.of({**values, "history": {"repeat_bias": repeat_bias}})).fit(split.train)
        ndcg[repeat_bias] = ndcg_on(model, split.test)
    assert ndcg[True] > 0.65  # whichever of the three, in any order: 0.71
    assert ndcg[False] < 0.45
