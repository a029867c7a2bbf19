"""What was sent back is recommended by no model: not counted, masked as a label, read as a history."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from llmrec import Dataset, Histories, Recipe, Split, evaluate
from llmrec.data import Sequences
from llmrec.errors import DataError
from llmrec.models import Recommender, from_recipe, load
from llmrec.models.fit_network import training_sequences
from llmrec.models.sequential.bert4rec import masked
from llmrec.models.zero_shot import PromptRanking
from llmrec.training.batching import IGNORE, Batch

COUNTING = ("popularity", "recent", "repeat-last", "markov", "item-knn", "als", "text", "text-graph")
TRAINED = (
    "gru",  # LSTMs differ in their cell alone
    "sasrec",
    "esasrec",
    "bert4rec",
    "gru-text",
    "gru-events",
    "gru-text-events",
)
FILMS = 8
BACK = "back"  # the item that everybody sends back, again and again


def sent_back(*, length: int = 5, n_users: int = 24, films: int = FILMS) -> Dataset:
    """Films in a fixed cyclic order, and after each of them the same item is sent back: half of all events."""
    rows = []
    for user in range(n_users):
        for step in range(length):
            time = 1_600_000_000 + 3600 * step
            rows.append((f"u{user}", str((user + step) % films), time, "purchase"))
            rows.append((f"u{user}", BACK, time + 60, "return"))
    items = pl.DataFrame({"item_id": [*map(str, range(films)), BACK]}).with_columns(
        ("Film " + pl.col("item_id")).alias("title")
    )
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "behavior"], orient="row")
    return Dataset.from_tables(events, items=items, name="sent back")


@pytest.fixture(scope="module")
def recipe_of(tiny_base: Path, tiny_recipe: Callable[..., Recipe]) -> Callable[[str], Recipe]:
    def make(kind: str) -> Recipe:
        if kind == "llm":
            return tiny_recipe("soft", "train.epochs=30", "train.batch_tokens=150", "history.max_items=10")
        if kind == "llm-titles":
            return tiny_recipe("text", "train.epochs=1", "history.max_items=10", "train.title_loss=1.0")
        values: dict[str, object] = {"model": kind}
        if kind in TRAINED:
            values |= {
                "sequence": {"dim": 16, "dropout": 0.0, "max_items": 10},
                "train": {"epochs": 12, "learning_rate": 4e-2, "batch_tokens": 120},
            }
        if kind == "item-knn":
            values |= {"counting": {"shrink": 0.0}}
        if "text" in kind:
            values |= {"text": {"encoder": str(tiny_base), "encoder_type": "causal"}}
        return Recipe.of(values)

    return make


def queries(data: Dataset) -> Histories:
    """Histories that end with a film, and such that end with what was sent back."""
    events = data.histories.take(np.arange(4))
    whole = [events.take([n]).events for n in range(len(events))]
    parts = [*(one[:3] for one in whole), *(one[:4] for one in whole)]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    return Histories(tuple(f"q{n}" for n in range(len(parts))), pl.concat(parts), offsets)


def first(model: Recommender, data: Dataset) -> list[str]:
    """The best item for each of the queries but the films that it holds."""
    asked = queries(data)
    scores = model.score(asked)
    for row, items in enumerate(asked):
        scores[row, model.catalog.codes([item for item in items if item != BACK])] = -np.inf
    return [model.catalog.ids[code] for code in scores.argmax(axis=1)]


@pytest.fixture(scope="module")
def fitted(recipe_of: Callable[[str], Recipe]) -> Callable[[str], Recommender]:
    """Fit each kind once on films that are sent back."""
    return functools.cache(lambda kind: from_recipe(recipe_of(kind)).fit(sent_back()))


@pytest.mark.parametrize("kind", [*COUNTING, *TRAINED, "llm"])
def test_no_model_recommends_what_is_only_sent_back(
    kind: str, recipe_of: Callable[[str], Recipe], fitted: Callable[[str], Recommender], tmp_path: Path
) -> None:
    # Who counts what was chosen together would find four films alike, and the item that all have above them.
    small = kind in {"item-knn", "als"}
    data = sent_back(films=4, length=2) if small else sent_back()
    model = from_recipe(recipe_of(kind)).fit(data) if small else fitted(kind)
    assert BACK not in first(model, data)
    model.save(tmp_path / "run")
    assert first(load(tmp_path / "run"), data) == first(model, data)
    assert load(tmp_path / "run").metadata["positive"]["negatives"] == {"behavior return": data.events.height // 2}


@pytest.mark.parametrize(
    "kind",
    [
        *(kind for kind in COUNTING if "-" not in kind),
        "gru",  # networks over texts and events learn as the plain ones do
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("sasrec", "esasrec", "bert4rec", "llm")),
    ],
)
def test_as_a_positive_target_it_is_recommended(kind: str, recipe_of: Callable[[str], Recipe]) -> None:
    """The test above can fail."""
    every = (sent_back(films=4, length=2) if kind == "als" else sent_back()).with_positive("all")
    assert BACK in first(from_recipe(recipe_of(kind)).fit(every), every)


@pytest.mark.parametrize("kind", [*COUNTING, "gru", "sasrec", "bert4rec", "gru-events", "llm"])
def test_counting_models_leave_it_out_of_histories_and_others_read_it(
    kind: str, fitted: Callable[[str], Recommender]
) -> None:
    data, model = sent_back(), fitted(kind)
    asked = queries(data)
    without = asked.events["positive_target"].to_numpy()
    owners = np.repeat(np.arange(len(asked)), asked.lengths())[without]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(asked)))])
    bought = Histories(asked.user_ids, asked.events.filter(without), offsets)
    same = np.array_equal(model.score(asked), model.score(bought))
    assert same == (kind in COUNTING)


@pytest.mark.parametrize("kind", ["gru", "sasrec", "gru-events", "llm"])
@pytest.mark.parametrize("targets", ["event", "strictly_before", "both"])
def test_the_loss_is_that_of_positive_targets_alone(
    kind: str, targets: str, recipe_of: Callable[[str], Recipe]
) -> None:
    """By hand: cross-entropy under the scores after all that stands before each positive target."""
    data = sent_back(length=3, n_users=3)
    recipe = recipe_of(kind).with_values({"train.targets": targets, "train.epochs": 1})
    model = from_recipe(recipe).fit(data)
    sequences = training_sequences(model, data)
    batch = Batch(0, np.array([[user, 0, length - 1] for user, length in enumerate(sequences.lengths())]))
    collate = model.encoder.collate if kind == "llm" else model._collate  # type: ignore[attr-defined]
    network = model.encoder.network if kind == "llm" else model.network  # type: ignore[attr-defined]
    with torch.no_grad():
        loss = float(network(**collate(sequences, batch)))
    each, candidates = [], np.ones(len(model.catalog), dtype=bool)
    if kind == "llm":  # its softmax is over the items that training has
        candidates = model.state.counts > 0  # type: ignore[attr-defined]
        assert candidates[model.catalog.code(BACK)], "what was sent back is pushed away"
    for user in range(len(data.histories)):
        events = data.histories.take([user]).events
        for position in np.flatnonzero(events["positive_target"].to_numpy()):
            scores = model.score(Histories.of([events[:position]["item_id"].to_list()]))[0].astype(np.float64)
            target = model.catalog.code(events["item_id"][int(position)])
            each.append(np.log(np.exp(scores[candidates]).sum()) - scores[target])
    assert len(each) == 9
    assert loss == pytest.approx(np.mean(each), abs=1e-4)


def test_titles_of_what_was_sent_back_are_read_but_not_written(recipe_of: Callable[[str], Recipe]) -> None:
    data = sent_back(length=3, n_users=2)
    model = from_recipe(recipe_of("llm-titles")).fit(data)
    sequences = training_sequences(model, data)
    batch = Batch(0, np.array([[user, 0, length - 1] for user, length in enumerate(sequences.lengths())]))
    tensors = model.encoder.collate(sequences, batch)  # type: ignore[attr-defined]
    tokens, labels = tensors["tokens"], tensors["title_labels"]
    tokenizer = model.encoder.tokenizer  # type: ignore[attr-defined]
    for row in range(2):
        present = tokens[row] >= 0
        learned = tokenizer.decode(tokens[row][present & labels[row]])
        masked_text = tokenizer.decode(tokens[row][present & ~labels[row]])
        assert learned.count("Film") == 3
        assert BACK not in learned
        assert masked_text.count(f"Film {BACK}") == 3
    whole = dict(tensors)
    del whole["title_labels"]
    network = model.encoder.network  # type: ignore[attr-defined]
    with torch.no_grad():
        assert float(network(**tensors)) != pytest.approx(float(network(**whole)))
    every = training_sequences(model, data.with_positive("all"))
    assert "title_labels" not in model.encoder.collate(every, batch)  # type: ignore[attr-defined]


def test_no_such_event_is_masked_by_bert4rec() -> None:
    codes, positive = (
        np.array([0, 9, 1, 9, 9, 9], dtype=np.int32),
        np.array([True, False, True, False, False, False]),
    )
    sequences = Sequences(codes, np.array([0, 4, 6]), positive=positive)
    windows = np.array([[0, 0, 3], [0, 1, 3], [1, 0, 1]])
    hidden = np.zeros((3, 4), dtype=int)
    for seed in range(100):
        inputs, targets = masked(sequences, windows, mask=99, share=0.3, draw=np.random.default_rng(seed))
        hidden += inputs == 99
        assert set(targets[targets != IGNORE].tolist()) <= {0, 1}
    assert (hidden[0, :3:2] > 0).all()
    assert hidden[1].tolist() == [0, 100, 0, 0], "the only positive target of its window"
    assert not hidden[2].any()


@pytest.mark.parametrize("kind", ["gru", "bert4rec", "llm", "llm-titles", "markov", "als", "item-knn"])
def test_a_user_who_only_sends_things_back_changes_no_target(
    kind: str, recipe_of: Callable[[str], Recipe]
) -> None:
    data = sent_back(length=3)
    only = pl.DataFrame(
        {"user_id": "v", "item_id": [BACK, "3", BACK], "timestamp": [1_600_000_000 + n for n in range(3)]}
    ).with_columns(pl.lit("return").alias("behavior"))
    rows = pl.concat([data.events.select(only.columns), only])
    more = Dataset.from_tables(rows, items=data.catalog.table)
    split = Split.leave_last_out(more)
    assert "v" in split.train.ids[0].names.to_list()
    assert "v" not in split.test.histories.user_ids
    recipe = (
        recipe_of(kind)
        if kind in COUNTING
        else recipe_of(kind).with_values({"train.batch_tokens": 12, "train.epochs": 1})
    )
    model = from_recipe(recipe).fit(split.train, valid=split.valid)  # some batch has no target at all
    report = evaluate({kind: model}, split)
    assert np.isfinite(report.results[0].metrics["ndcg@10"].mean)
    assert np.isfinite(model.score(more.histories)).all()


def test_training_data_without_a_positive_target_is_refused() -> None:
    data = sent_back(length=2, n_users=2)
    returns = data.with_events(data.events.filter(~pl.col("positive_target")))
    with pytest.raises(DataError, match="no event is a positive target, so there is nothing to learn from"):
        from_recipe(Recipe(model="popularity")).fit(returns)


def test_a_prompt_names_no_item_that_was_sent_back(tiny_base: Path) -> None:
    data = sent_back()
    model = PromptRanking(str(tiny_base), mode="letter", candidates=3).fit(data)
    seen: list[tuple[str, ...]] = []
    scores = model._scorer.scores

    def watched(questions: list[object]) -> object:
        seen.extend(question.history for question in questions)  # type: ignore[attr-defined]
        return scores(questions)  # type: ignore[arg-type]

    model._scorer.scores = watched  # type: ignore[assignment, method-assign]
    model.recommend(queries(data), 3)
    assert seen
    assert all(f"Film {BACK}" not in titles for titles in seen)


def test_validation_asks_for_positive_targets() -> None:
    split = Split.leave_last_out(sent_back())
    assert BACK not in split.valid.answers["item_id"].to_list()
    assert BACK not in split.test.answers["item_id"].to_list()
    assert BACK in split.test.histories.events["item_id"].to_list()
    assert BACK in split.held_out["item_id"].to_list()
