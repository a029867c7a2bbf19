"""Counted features: by hand, from strictly before, and of an item from other users."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from llmrec import Dataset
from llmrec.data.responses import TaskSet, response_queries
from llmrec.data.responses.count_features import FOLDS, SHRINK, CountFeatures, edges_of
from llmrec.errors import DataError

DAY = 86400


def shop(n_users: int = 8, length: int = 9, *, seed: int = 0) -> Dataset:
    """Baskets of three, views and purchases by turns, some prices unknown."""
    draw, rows = np.random.default_rng(seed), []
    for user in range(n_users):
        items = np.concatenate([draw.permutation(4)[:3] for _ in range(length // 3)])
        for place in range(length):
            kind = "buy" if place % 2 else "pv"
            price = float(draw.integers(1, 5)) if draw.random() < 0.8 else None
            rows.append((f"u{user}", str(items[place]), DAY * (place // 3 + user), kind, price))
    names = ["user_id", "item_id", "timestamp", "behavior", "price"]
    catalog = {"item_id": list("0123"), "title": [f"Film {n}" for n in range(4)]}
    return Dataset.from_tables(pl.DataFrame(rows, schema=names, orient="row"), items=catalog, name="shop")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return shop()


@pytest.fixture(scope="module")
def count_features(data: Dataset) -> CountFeatures:
    return CountFeatures.fit(data, TaskSet.fit(data, ["behavior"]))


def mean_of_others(data: Dataset, item: str, column: str) -> float:
    """Mean over the users of other folds than the first user's, towards the mean over all."""
    users = data.histories.user_ids
    folds = dict(zip(users, (pl.Series(users).hash(seed=0) % FOLDS).to_list(), strict=True))
    others = [user for user in users if folds[user] != folds[users[0]]]
    rest = data.events.filter(pl.col("user_id").is_in(others))
    more, events = data.events.height / rest.height, rest.filter(pl.col("item_id") == item)[column].drop_nulls()
    usual = float(data.events[column].mean())  # type: ignore[arg-type]
    return (more * events.sum() + SHRINK * usual) / (more * len(events) + SHRINK)


def test_a_row_by_hand(data: Dataset, count_features: CountFeatures) -> None:
    """The last event of the first user: its basket is not among what is known."""
    assert count_features.names == ("is buy", "is pv", "price", "gap")
    found = count_features.of_events(data.histories, data.catalog)
    assert found.shape == (72, count_features.size)
    own = data.histories.take([0]).events
    n_visible, item = own[:6], own["item_id"][8]
    assert np.isnan(found[0, 1:14]).all()  # nobody knows a user's first event
    assert (found[0, 14 : count_features.n_user] == 0).all()
    row = found[8]
    assert row[0] == pytest.approx(np.log1p(6))
    assert row[1:4] == pytest.approx([0.5, 0.5, n_visible["price"].mean()])
    gaps = [0, 0, DAY, 0, 0]
    assert row[4] == pytest.approx(np.log1p(gaps).mean())
    assert row[9:11].tolist() == [1, 0]  # the sixth event is a purchase
    assert row[13] == 1  # days from the first event to the last known
    # Prices a user has met lie above or below those that others pay for the same: five zeros are added.
    usual = [mean_of_others(data, other, "price") for other in n_visible["item_id"]]
    distances = (n_visible["price"] - pl.Series(usual)).drop_nulls()
    assert row[count_features.n_user - 6] == pytest.approx(distances.sum() / (len(distances) + SHRINK))
    at = count_features.n_user + 1
    assert row[at + 2] == pytest.approx(mean_of_others(data, item, "price"))
    assert row[at + 4 + 2] == pytest.approx(row[at + 2] + row[count_features.n_user - 6])
    met = n_visible.filter(pl.col("item_id") == item)
    pair = row[count_features.n_user + 1 + 2 * len(count_features.names) :]
    assert pair[0] == pytest.approx(np.log1p(met.height))
    if met.height:
        assert pair[1] == (met["behavior"][-1] == "buy")


def test_what_is_counted_for_a_prediction_is_what_was_taught(data: Dataset, count_features: CountFeatures) -> None:
    """One pass over the log gives what each moment's history alone gives."""
    taught = count_features.of_events(data.histories, data.catalog, own=True)
    questions = response_queries(data.histories, np.ones(72, dtype=bool), TaskSet.fit(data, ["behavior"]))
    place = {name: row for row, name in enumerate(questions.histories.user_ids)}
    rows = np.array([place[name] for name in questions.targets["user_id"]])
    codes = data.catalog.codes(questions.targets["item_id"]).astype(np.int64)
    np.testing.assert_allclose(count_features.of_pairs(questions.histories, rows, codes, data.catalog), taught)


def test_what_is_known_of_an_item_is_of_other_users(data: Dataset, count_features: CountFeatures) -> None:
    """Out of fold: changing a user's own answers changes nothing in the item's part of their rows."""
    at = slice(count_features.n_user, count_features.n_user + 1 + len(count_features.names))
    other = data.events.with_columns(
        price=pl.when(pl.col("user_id") == "u0").then(1000.0).otherwise(pl.col("price"))
    )
    changed = data.with_events(other)
    again = CountFeatures.fit(changed, TaskSet.fit(changed, ["behavior"]))
    mine = data.histories.lengths()[0]
    plain, moved = (c.of_events(d.histories, d.catalog) for c, d in ((count_features, data), (again, changed)))
    shrunk = np.abs(count_features.usual - again.usual)[3] * SHRINK  # the usual price is everyone's
    assert np.abs(plain[:mine, at] - moved[:mine, at]).max() <= shrunk + 1e-9
    assert np.abs(plain[mine:, at] - moved[mine:, at]).max() > 50


def test_training_counts_as_many_as_a_prediction_does() -> None:
    """A fold is left out, and the others stand for it: else every item would be rarer in training."""
    data = shop(200)
    count_features = CountFeatures.fit(data, TaskSet.fit(data, ["behavior"]))
    asked_of, at = (data.histories, data.catalog), count_features.n_user
    others, all_users = (np.expm1(count_features.of_events(*asked_of, own=own)[:, at]) for own in (False, True))
    assert others.mean() == pytest.approx(all_users.mean(), rel=0.02)
    with pytest.raises(DataError, match="fit anew"):
        count_features.grown(5).of_events(data.histories, data.catalog)


def test_a_log_that_lacks_a_column_leaves_it_unknown(data: Dataset, count_features: CountFeatures) -> None:
    bare = data.histories.take([0])
    bare = type(bare)(bare.user_ids, bare.events.select("item_id"), bare.offsets)
    found = count_features.of_pairs(bare, np.zeros(2, dtype=np.int64), np.array([0, 1]), data.catalog)
    assert found.shape == (2, count_features.size)
    assert np.isnan(found[:, 1:14]).all()
    empty = type(bare)(("x",), bare.events.clear(), np.array([0, 0]))
    cold = count_features.grown(5).of_pairs(empty, np.zeros(1, dtype=np.int64), np.array([4]), data.catalog)
    assert cold[0, [0, count_features.n_user]].tolist() == [0, 0]  # no event of the user, none of the item


def test_edges_keep_few_values_apart_and_share_many_out_evenly() -> None:
    draw = np.random.default_rng(0)
    features = np.stack([draw.integers(0, 2, 1000), draw.random(1000), np.full(1000, np.nan)], axis=1)
    edges = edges_of(features, 4)
    assert edges[0].tolist() == [0, 1, 1, 1, 1]
    assert np.histogram(features[:, 1], edges[1])[0].tolist() == pytest.approx([250] * 4, abs=1)
    assert edges[2].tolist() == [0] * 5
