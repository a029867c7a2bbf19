"""Count features: by hand, from strictly before, and of an item out of fold."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from llmrec import Dataset
from llmrec.data.ids import id_hashes
from llmrec.data.responses import ResponseQueries, TaskSet
from llmrec.data.responses.count_features import FOLDS, SHRINK, CountFeatures, edges_of
from llmrec.errors import DataError

DAY = 86400


def shop(n_users: int = 8, length: int = 9, *, seed: int = 0) -> Dataset:
    """Baskets of three, views and purchases by turns, some prices unknown."""
    draw, rows = np.random.default_rng(seed), []
    for user in range(n_users):
        items = np.concatenate([draw.permutation(4)[:3] for _ in range(length // 3)])
        for position in range(length):
            kind = "buy" if position % 2 else "pv"
            price = float(draw.integers(1, 5)) if draw.random() < 0.8 else None
            rows.append((f"u{user}", str(items[position]), DAY * (position // 3 + user), kind, price))
    names = ["user_id", "item_id", "timestamp", "behavior", "price"]
    catalog = {"item_id": list("0123"), "title": [f"Film {n}" for n in range(4)]}
    return Dataset.from_tables(
        pl.DataFrame(rows, schema=names, orient="row"), items=catalog, name="shop", time_format="seconds"
    )


@pytest.fixture(scope="module")
def data() -> Dataset:
    return shop()


@pytest.fixture(scope="module")
def count_features(data: Dataset) -> CountFeatures:
    return CountFeatures.fit(data, TaskSet.fit(data, ["behavior"]))


def out_of_fold_mean(data: Dataset, item: str, column: str) -> float:
    """Mean over the users of other folds than the first user's, shrunk towards the mean over all."""
    users = data.histories.user_ids
    folds = dict(zip(users, (id_hashes(users) % FOLDS).tolist(), strict=True))
    others = [user for user in users if folds[user] != folds[users[0]]]
    rest = data.events.filter(pl.col("user_id").is_in(others))
    more, events = data.events.height / rest.height, rest.filter(pl.col("item_id") == item)[column].drop_nulls()
    prior = float(data.events[column].mean())  # type: ignore[arg-type]
    return (more * float(events.sum()) + SHRINK * prior) / (more * len(events) + SHRINK)


def test_a_row_by_hand(data: Dataset, count_features: CountFeatures) -> None:
    """The last event of the first user: the other events of its basket are not counted."""
    assert count_features.names == ("is buy", "is pv", "price", "gap")
    features = count_features.of_events(data.histories, data.catalog)
    assert features.shape == (72, count_features.size)
    events = data.histories.take([0]).events
    visible, item = events[:6], events["item_id"][8]
    assert np.isnan(features[0, 1:14]).all()  # nothing is known before a user's first event
    assert (features[0, 14 : count_features.n_user] == 0).all()
    row = features[8]
    assert row[0] == pytest.approx(np.log1p(6))
    assert row[1:4] == pytest.approx([0.5, 0.5, visible["price"].mean()])
    gaps = [0, 0, DAY, 0, 0]
    assert row[4] == pytest.approx(np.log1p(gaps).mean())
    assert row[9:11].tolist() == [1, 0]  # the sixth event is a purchase
    assert row[13] == 1  # days from the first event to the last known
    # The user's bias: prices seen, less the items' means, shrunk towards 0.
    means = [out_of_fold_mean(data, other, "price") for other in visible["item_id"]]
    residuals = (visible["price"] - pl.Series(means)).drop_nulls()
    assert row[count_features.n_user - 6] == pytest.approx(float(residuals.sum()) / (len(residuals) + SHRINK))
    at = count_features.n_user + 1
    assert row[at + 2] == pytest.approx(out_of_fold_mean(data, item, "price"))
    assert row[at + 4 + 2] == pytest.approx(row[at + 2] + row[count_features.n_user - 6])
    seen = visible.filter(pl.col("item_id") == item)
    pair = row[count_features.n_user + 1 + 2 * len(count_features.names) :]
    assert pair[0] == pytest.approx(np.log1p(seen.height))
    if seen.height:
        assert pair[1] == (seen["behavior"][-1] == "buy")


def test_features_of_a_prediction_are_those_of_training(data: Dataset, count_features: CountFeatures) -> None:
    """One pass over the log gives what the history before each timestamp gives by itself."""
    trained = count_features.of_events(data.histories, data.catalog, out_of_fold=False)
    queries = ResponseQueries.of(data.histories, np.ones(72, dtype=bool), TaskSet.fit(data, ["behavior"]))
    row_of = {name: row for row, name in enumerate(queries.histories.user_ids)}
    rows = np.array([row_of[name] for name in queries.targets["user_id"]])
    codes = data.catalog.codes(queries.targets["item_id"]).astype(np.int64)
    np.testing.assert_allclose(count_features.of_pairs(queries.histories, rows, codes, data.catalog), trained)


def test_an_item_s_features_are_out_of_fold(data: Dataset, count_features: CountFeatures) -> None:
    """Changing a user's targets changes nothing in the item's part of their rows, save through the prior."""
    at = slice(count_features.n_user, count_features.n_user + 1 + len(count_features.names))
    other = data.events.with_columns(
        price=pl.when(pl.col("user_id") == "u0").then(1000.0).otherwise(pl.col("price"))
    )
    changed = data.with_events(other)
    again = CountFeatures.fit(changed, TaskSet.fit(changed, ["behavior"]))
    mine = data.histories.lengths()[0]
    plain, moved = (c.of_events(d.histories, d.catalog) for c, d in ((count_features, data), (again, changed)))
    shrunk = np.abs(count_features.means - again.means)[3] * SHRINK  # the prior mean is over all users
    assert np.abs(plain[:mine, at] - moved[:mine, at]).max() <= shrunk + 1e-9
    assert np.abs(plain[mine:, at] - moved[mine:, at]).max() > 50


def test_out_of_fold_counts_are_scaled_to_all_folds() -> None:
    """Else every item would be rarer in training than in a prediction."""
    data = shop(200)
    count_features = CountFeatures.fit(data, TaskSet.fit(data, ["behavior"]))
    log, at = (data.histories, data.catalog), count_features.n_user
    others, all_users = (np.expm1(count_features.of_events(*log, out_of_fold=out)[:, at]) for out in (True, False))
    assert others.mean() == pytest.approx(all_users.mean(), rel=0.02)
    with pytest.raises(DataError, match="fit anew"):
        count_features.extended(5).of_events(data.histories, data.catalog)


def test_a_log_that_lacks_a_column_leaves_it_unknown(data: Dataset, count_features: CountFeatures) -> None:
    bare = data.histories.take([0])
    bare = type(bare)(bare.user_ids, bare.events.select("item_id"), bare.offsets)
    features = count_features.of_pairs(bare, np.zeros(2, dtype=np.int64), np.array([0, 1]), data.catalog)
    assert features.shape == (2, count_features.size)
    assert np.isnan(features[:, 1:14]).all()
    empty = type(bare)(("x",), bare.events.clear(), np.array([0, 0]))
    cold = count_features.extended(5).of_pairs(empty, np.zeros(1, dtype=np.int64), np.array([4]), data.catalog)
    assert cold[0, [0, count_features.n_user]].tolist() == [0, 0]  # no event of the user, none of the item


def test_edges_are_few_values_or_quantiles() -> None:
    draw = np.random.default_rng(0)
    features = np.stack([draw.integers(0, 2, 1000), draw.random(1000), np.full(1000, np.nan)], axis=1)
    edges = edges_of(features, 4)
    assert edges[0].tolist() == [0, 1, 1, 1, 1]
    assert np.histogram(features[:, 1], edges[1])[0].tolist() == pytest.approx([250] * 4, abs=1)
    assert edges[2].tolist() == [0] * 5
