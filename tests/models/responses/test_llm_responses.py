"""Response heads on the LLM: one pass trains every position, and no event of a basket leaks the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from llmrec import Dataset, Histories, Recipe, load
from llmrec.data.responses import ResponseQueries, TaskSet
from llmrec.errors import DataError, RecipeError
from llmrec.models import Fusion, LLMRecommender, from_recipe
from llmrec.models.responses.labels import batch_labels
from llmrec.training.batching import Batch
from llmrec.training.response_heads import TargetStates

DAY = 86400
TASKS = "tasks=[behavior,purchase,rating,action,gap,value]"
EVENTS = "history.events=[behavior,rating,price,gap]"


def shop(n_users: int = 20, length: int = 8, *, seed: int = 0) -> Dataset:
    """A shop where views and purchases alternate, odd items are rated 2 and even ones 4, in baskets of up to 2."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        first = int(draw.integers(2))
        for position in range(length):
            item = int(draw.integers(12))
            bought = (position // 2 + first) % 2 == 1
            rows.append(
                {
                    "user_id": f"u{user}", "item_id": str(item), "timestamp": DAY * (user + position // 2 * 3),
                    "behavior": "buy" if bought else "pv", "rating": 2.0 if item % 2 else 4.0,
                    "price": 1.0 + item, "quantity": 1.0 + position % 2,
                }
            )  # fmt: skip
    items = {"item_id": [str(n) for n in range(12)], "title": [f"Film {n:02d}" for n in range(12)]}
    return Dataset.from_tables(pl.DataFrame(rows), items=items, name="shop", time_format="seconds")


@pytest.fixture(scope="module", params=("text", "soft", "hybrid"))
def model(request: pytest.FixtureRequest, tiny_recipe: Callable[..., Recipe]) -> LLMRecommender:
    recipe = tiny_recipe(
        request.param, "train.epochs=1", TASKS, EVENTS, "responses.rating=ordinal", "history.max_tokens=400"
    )
    return LLMRecommender(recipe).fit(shop())


def test_the_loss_of_one_pass_is_that_of_one_history_at_a_time(model: LLMRecommender) -> None:
    """The loss by hand: every event's target under the prediction from strictly earlier events."""
    data = shop(3)
    sequences, targets = model.sequences_of(data.histories), model.fields.targets(data)
    assert targets is not None
    assert model.count_features is not None
    features = model.count_features.of_events(
        data.histories, model.catalog, out_of_fold=False
    )  # as in a prediction
    targets = replace(targets, features=features)
    heads, network = model._heads(), model.encoder.network
    assert heads is not None
    batch = Batch(0, np.array([[user, 0, 7] for user in range(3)]))
    tensors, labels = model.encoder.collate(sequences, batch), batch_labels(targets, sequences, batch)
    with torch.no_grad():
        raw = network.items()
        hidden = network.hidden(tensors["tokens"], tensors["placeholders"], raw, tensors.get("bins"))
        rows, positions = torch.nonzero(tensors["targets"] >= 0, as_tuple=True)
        target_states = TargetStates(hidden, tensors["states"], (rows, positions))
        loss = float(heads.loss(target_states, raw[tensors["targets"][rows, positions]], labels))
    queries = ResponseQueries.of(data.histories, np.ones(data.events.height, dtype=bool), model.tasks)
    by_hand = 0.0
    bounded, unbounded = heads.tasks, {"low": -np.inf, "high": np.inf}
    # Predictions are clamped to the range of training, outputs in the loss are not.
    heads.tasks = bounded.model_copy(
        update={"specs": tuple(spec.model_copy(update=unbounded) for spec in bounded.specs)}
    )
    predictions = one_by_one(model, queries)
    heads.tasks = bounded
    for spec in model.tasks.specs:
        values = queries.targets[spec.name].to_numpy()
        known = ~np.isnan(values)
        if spec.kind == "number":
            each = ((predictions[spec.name] - values) / spec.scale) ** 2
        else:
            each = -np.log(predictions[spec.name][np.arange(len(values)), spec.level_indices(values)])
        by_hand += each[known].mean() / len(model.tasks.specs)
    assert loss == pytest.approx(by_hand, abs=2e-3)


def one_by_one(model: LLMRecommender, queries: ResponseQueries) -> dict[str, np.ndarray]:
    """Predictions on the scale of the targets, from one history at a time."""
    parts = []
    for user, item in queries.targets.select("user_id", "item_id").iter_rows():
        history = queries.histories.of_user(user)
        states, code = model._states(model.sequences_of(history)), model.catalog.code(item)
        parts.append(model._predict(history, states, np.zeros(1, dtype=np.int64), np.array([code])))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_event_fields_change_the_scores(model: LLMRecommender) -> None:
    histories = shop(1).histories
    other = histories.events.with_columns(behavior=pl.lit("buy"))
    changed = Histories(histories.user_ids, other, histories.offsets)
    assert np.abs(model.score(changed) - model.score(histories)).max() > 1e-5
    bare = Histories.of({"u": list(histories.items(0))})  # ids alone: all event fields are unknown
    assert np.isfinite(model.score(bare)).all()


def test_the_events_of_a_basket_are_not_visible_to_each_other() -> None:
    data = shop(2)
    tasks = TaskSet.fit(data, ["behavior", "gap"])
    second = np.arange(data.events.height) % 2 == 1  # of each basket
    queries = ResponseQueries.of(data.histories, second, tasks)
    assert queries.histories.lengths().tolist() == [0, 2, 4, 6] * 2
    assert queries.targets["gap"].to_list()[1] == 5  # three days: from 3 days to under a week
    assert np.isnan(queries.targets["gap"][0])


def test_a_target_without_its_context_in_the_window_has_no_loss(model: LLMRecommender) -> None:
    data = shop(1)
    sequences, targets = model.sequences_of(data.histories), model.fields.targets(data)
    assert targets is not None
    labels = batch_labels(targets, sequences, Batch(0, np.array([[0, 3, 7]])))
    # Target t is event 3 + t; events 4 and 5 are one basket, before which the window has event 3 alone.
    assert labels["context_positions"].tolist() == [[-1, 1, 1, 3, 3]]
    assert batch_labels(targets, sequences, Batch(0, np.array([[0, 0, 3]])))["context_positions"].tolist() == [
        [0, 0, 2, 2]
    ]


def test_the_columns_of_the_table(model: LLMRecommender) -> None:
    histories = shop(2).histories
    table = model.predict_response(histories, ["1", "2", "3"])
    assert table.height == 6
    assert table.select("behavior_buy", "behavior_pv").sum_horizontal().to_numpy() == pytest.approx(1, abs=1e-5)
    assert table["purchase"].is_between(0, 1).all()
    assert table["rating"].is_between(2, 4).all()
    assert table.select(pl.col("^gap_.*$")).sum_horizontal().to_numpy() == pytest.approx(1, abs=1e-5)
    assert (table["value"] >= 0).all()
    by_user = model.predict_response(histories, {"u1": ["3"]})
    assert by_user.select("user_id", "item_id").rows() == [("u1", "3")]
    np.testing.assert_allclose(
        by_user["purchase"],
        table.filter(pl.col("user_id") == "u1", pl.col("item_id") == "3")["purchase"],
        atol=1e-5,
    )
    for wrong in (["no such item"], "12"):
        with pytest.raises(DataError):
            model.predict_response(histories, wrong)


def test_a_saved_run_predicts_the_same(model: LLMRecommender, tmp_path: Path) -> None:
    histories = shop(3).histories
    model.save(tmp_path / "run")
    again = load(tmp_path / "run")
    assert isinstance(again, LLMRecommender)
    assert again.predict_response(histories, ["0", "5"]).equals(model.predict_response(histories, ["0", "5"]))
    np.testing.assert_array_equal(again.score(again.histories), model.score(model.histories))


def test_new_items_have_responses_too(tiny_recipe: Callable[..., Recipe]) -> None:
    model = LLMRecommender(tiny_recipe("soft", "train.epochs=1", TASKS, EVENTS)).fit(shop())
    histories = shop(2).histories
    before = model.predict_response(histories, ["1"])
    model.add_items({"item_id": ["new"], "title": ["Film 99"]})
    table = model.predict_response(histories, ["1", "new"])
    known = table.filter(pl.col("item_id") == "1").drop("user_id", "item_id").to_numpy()
    np.testing.assert_allclose(known, before.drop("user_id", "item_id").to_numpy(), rtol=1e-3, atol=1e-3)
    assert table.filter(pl.col("item_id") == "new").drop("user_id", "item_id").to_numpy().min() >= 0


def test_a_session_reads_events_as_a_full_pass_does(model: LLMRecommender) -> None:
    histories = shop(1).histories
    rows = histories.events.select("item_id", "behavior", "rating", "price", "timestamp").to_dicts()
    session = model.session(rows[:3])
    for row in rows[3:]:
        session.append(row)
    np.testing.assert_allclose(session.state, model.embed_users(histories)[0], atol=1e-4)
    bare = model.session(list(histories.items(0)))
    assert np.abs(bare.state - session.state).max() > 1e-4


def test_a_fusion_reads_events_too(model: LLMRecommender) -> None:
    histories = shop(2).histories
    other = Histories(histories.user_ids, histories.events.with_columns(behavior=pl.lit("buy")), histories.offsets)
    fusion = Fusion(model, model, weight=0.5)
    assert np.abs(fusion.score(other) - fusion.score(histories)).max() > 1e-5


def test_it_simulates_events(model: LLMRecommender) -> None:
    events = model.simulate(shop(1).histories, 3, seed=1)
    assert events["step"].to_list() == [1, 2, 3]
    assert set(events["behavior"]) <= {"buy", "pv"}
    assert events["timestamp"].is_sorted()
    assert (events["gap"] > 0).all()
    assert events.equals(model.simulate(shop(1).histories, 3, seed=1))
    with pytest.raises(DataError):
        model.simulate(shop(2).histories, 3)


def test_heads_learn_the_rules_of_the_shop(tiny_recipe: Callable[..., Recipe]) -> None:
    """Behavior follows from the last event's, the rating from the item."""
    recipe = tiny_recipe(
        "soft", "tasks=[action,rating]", "history.events=[behavior]", "train.epochs=12", "responses.weight=1.0"
    )
    model, fresh = LLMRecommender(recipe).fit(shop(80)), shop(30, seed=7)
    queries = ResponseQueries.of(fresh.histories, np.arange(fresh.events.height) % 8 >= 2, model.tasks)
    pairs = dict(queries.targets.group_by("user_id").agg("item_id").iter_rows())
    table = queries.targets.join(model.predict_response(queries.histories, pairs), on=["user_id", "item_id"])
    right = (table["action_pv"] > 0.5).cast(pl.Float64) == table["action"]
    assert right.mean() > 0.9  # type: ignore[operator]
    assert (table["rating"] - table["rating_right"]).abs().mean() < 0.3  # type: ignore[operator]


def test_purchases_can_lead_the_ranking(tiny_recipe: Callable[..., Recipe]) -> None:
    changes = ("tasks=[purchase]", "train.epochs=1", "history.events=[behavior]")
    plain = LLMRecommender(tiny_recipe("soft", *changes)).fit(shop())
    histories = shop(2).histories
    relevance = plain.score(histories).astype(np.float64)
    probabilities = plain.predict_response(histories, plain.catalog.ids)["purchase"].to_numpy().reshape(2, -1)
    by_hand = relevance - np.log(np.exp(relevance).sum(1, keepdims=True)) + np.log(probabilities)
    prices = 1.0 + np.array([int(item) for item in plain.catalog.ids])
    for rank_by, more in (("purchase", 0), ("value", np.log(prices))):
        model = LLMRecommender(tiny_recipe("soft", *changes, f"responses.rank_by={rank_by}")).fit(shop())
        np.testing.assert_allclose(model.score(histories), by_hand + more, atol=1e-4)
        best = model.recommend(histories, 3, exclude_seen=False)["item_id"].to_list()
        codes = np.argsort(-(by_hand + more), axis=1)[:, :3].reshape(-1)
        assert best == [model.catalog.ids[code] for code in codes]


def test_weights_move_the_loss(tiny_recipe: Callable[..., Recipe]) -> None:
    """With views at weight 0 only the purchases' items are trained."""
    recipe = tiny_recipe("soft", "train.epochs=1", "responses.behavior_weights={pv: 0.0, buy: 2.0}")
    model, data = LLMRecommender(recipe).fit(shop()), shop(2)
    sequences, targets = model.sequences_of(data.histories), model.fields.targets(data)
    assert targets is not None
    batch = Batch(0, np.array([[user, 0, 7] for user in range(2)]))
    tensors = model.encoder.collate(sequences, batch)
    with torch.no_grad():
        loss = float(model.encoder.network(**tensors, labels=batch_labels(targets, sequences, batch)))
    each = []
    for user, items in enumerate(data.histories):
        for position, item in enumerate(items):
            if data.histories.take([user]).events["behavior"][position] == "buy":
                scores = model.score(Histories.of([items[:position]]))[0].astype(np.float64)
                each.append(np.log(np.exp(scores).sum()) - scores[model.catalog.code(item)])
    assert loss == pytest.approx(np.mean(each), abs=1e-4)


def test_a_model_without_tasks_has_no_heads(tiny_recipe: Callable[..., Recipe]) -> None:
    model = LLMRecommender(tiny_recipe("soft", "train.epochs=1")).fit(shop())
    names = [name for name, _ in model.encoder.network.named_parameters()]
    assert not [name for name in names if name.startswith(("responses", "events"))]
    with pytest.raises(DataError, match="without tasks"):
        model.predict_response(shop(1).histories, ["1"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["responses.rank_by=purchase"], "needs purchase"),
        (["history.events=[behavior]", "train.title_loss=1", "history.encoding=text"], "do not go together"),
    ],
)
def test_contradictory_recipes_are_refused(
    changes: list[str], says: str, tiny_recipe: Callable[..., Recipe]
) -> None:
    with pytest.raises(RecipeError, match=says):
        from_recipe(tiny_recipe("soft", *changes))


def test_an_unknown_task_is_refused_by_name(tiny_recipe: Callable[..., Recipe]) -> None:
    with pytest.raises(RecipeError, match=r"no task 'mood'; there are behavior, action, .*value"):
        from_recipe(tiny_recipe("soft", "tasks=[mood]"))


@pytest.mark.parametrize(
    ("changes", "drop", "says"),
    [
        (["tasks=[rating]"], "rating", "no column 'rating'"),
        (["tasks=[behavior]"], "behavior", "no column 'behavior'"),
        (["tasks=[value]"], "price", "no column 'price'"),
        (["history.events=[quantity]"], "quantity", "no column 'quantity'"),
        (["tasks=[behavior]", "responses.behavior_weights={sell: 2}"], None, "'sell'"),
        (["tasks=[purchase]", "responses.positive=[sell]"], None, "'sell'"),
    ],
)
def test_data_without_targets_are_refused(
    changes: list[str], drop: str | None, says: str, tiny_recipe: Callable[..., Recipe]
) -> None:
    data = shop(4)
    bare = data.with_events(data.events.drop(drop)) if drop else data
    with pytest.raises(DataError, match=says):
        LLMRecommender(tiny_recipe("soft", "train.epochs=1", *changes)).fit(bare)
