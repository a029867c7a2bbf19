"""The bugs that would flatter a model, planted one by one: each must be caught by what guards against it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.splits import planted

from llmrec.arrays import Float32s
from llmrec.data import Catalog, Dataset, Fold, Histories, Sequences, Split, toy_films
from llmrec.errors import LeakError
from llmrec.evaluation import evaluate
from llmrec.models.base import Recommender
from llmrec.models.baselines.popularity import PopularityRecommender

Check = Callable[[], None]


class Indifferent(PopularityRecommender):
    """Finds everything equally good."""

    kind = "indifferent"

    def _score(self, sequences: Sequences) -> Float32s:
        return np.zeros((len(sequences), len(self.catalog)), dtype=np.float32)


class Repeater(PopularityRecommender):
    """Wants the newest item of the history again, which must not be offered."""

    kind = "repeater"

    def _score(self, sequences: Sequences) -> Float32s:
        scores = np.zeros((len(sequences), len(self.catalog)), dtype=np.float32)
        scores[sequences.users(), sequences.codes] = 1
        return scores


@pytest.fixture(scope="module")
def split() -> Split:
    return Split.leave_last_out(toy_films())


@pytest.fixture(scope="module")
def by_popularity() -> Dataset:
    """A log whose first ids are the popular ones, as in most catalogs: ties by id would look like knowledge."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(300):
        chosen = rng.choice(100, size=6, replace=False, p=(weights := 1 / np.arange(1, 101)) / weights.sum())
        rows += [(f"u{user}", f"{item:03}", step) for step, item in enumerate(chosen)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    ids = [f"{item:03}" for item in range(100)]
    return Dataset(events, Catalog(pl.DataFrame({"item_id": ids, "title": ids})), order_only=True)


def recall(model: Recommender, split: Split) -> float:
    found = evaluate({"model": model.fit(split.train)}, split).table["recall@10"][0]
    return float(found)


def only_the_unseen_are_offered(split: Split) -> None:
    recs = Repeater().fit(split.train).recommend(split.test.histories, 5)
    seen = pl.DataFrame(
        [
            (user, item)
            for user, items in zip(split.test.histories.user_ids, split.test.histories, strict=True)
            for item in items
        ],
        schema=["user_id", "item_id"],
        orient="row",
    )
    assert recs.join(seen, on=["user_id", "item_id"]).is_empty()


def indifference_finds_what_chance_finds(data: Dataset) -> None:
    split = Split.leave_last_out(data)
    # 10 of the 95 items that are left; the answers crowd on few items, so a fixed order is off by more than
    # a fresh draw for each person would be.
    assert recall(Indifferent(), split) < 0.25


def the_answer_reaches_nobody(split: Split) -> None:
    """Other answers to the same questions must change no recommendation, and no answer may be in a question."""
    model = PopularityRecommender().fit(split.train)
    told: list[list[str]] = []

    def listen(histories: Histories, *rest: Any, **named: Any) -> pl.DataFrame:
        told.extend(histories)
        return Recommender.recommend(model, histories, *rest, **named)

    model.recommend = listen  # type: ignore[method-assign]
    evaluate({"model": model}, split)
    answers = dict(split.held_out.select("user_id", "item_id").iter_rows())
    whole = split.data.histories
    full = dict(zip(whole.user_ids, whole, strict=True))
    asked = dict(zip(split.test.histories.user_ids, told, strict=False))
    for user, history in asked.items():
        assert [*history, answers[user]] == full[user]


def test_sound_code_passes(split: Split, by_popularity: Dataset) -> None:
    only_the_unseen_are_offered(split)
    indifference_finds_what_chance_finds(by_popularity)
    the_answer_reaches_nobody(split)


def test_unmasked_history_is_caught(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Recommender._ranked
    monkeypatch.setattr(
        Recommender,
        "_ranked",
        lambda self, histories, k, *, exclude_seen, rules: plain(self, histories, k, exclude_seen=False),
    )
    with pytest.raises(AssertionError):
        only_the_unseen_are_offered(split)


def test_ties_by_id_are_caught(by_popularity: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Catalog, "tie_order", property(lambda self: np.arange(len(self))))
    with pytest.raises(AssertionError):
        indifference_finds_what_chance_finds(by_popularity)


def test_an_answer_in_the_question_is_caught(split: Split) -> None:
    whole = Fold(split.data.histories, split.test.answers)  # as when the cut is made one event too late
    with pytest.raises(LeakError, match="repeated-last-item"):
        the_answer_reaches_nobody(planted(split, test=whole))


def test_an_answer_in_train_is_caught(split: Split) -> None:
    with pytest.raises(LeakError, match="test-in-train"):
        recall(PopularityRecommender(), planted(split, train=split.data))


def test_a_network_that_sees_its_target_is_caught() -> None:
    """Change the newest item read: no state before it may move. An attention that looks ahead fails here."""
    import torch

    from llmrec.models.sequential.networks import AttentionNetwork, RecurrentNetwork, SequenceNetwork

    def nothing_looks_ahead(network: SequenceNetwork) -> None:
        network.eval()
        one, other = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 2, 5]])
        with torch.no_grad():
            assert torch.allclose(network.states(one)[:, :3], network.states(other)[:, :3], atol=1e-6)

    class LooksAhead(AttentionNetwork):
        def read(self, embedded: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = self.blocks(embedded + self.positions[: embedded.shape[1]])
            return states

    torch.manual_seed(0)
    shape = {"dim": 8, "layers": 1, "dropout": 0.0}
    nothing_looks_ahead(RecurrentNetwork("gru", 9, **shape))  # type: ignore[arg-type]
    nothing_looks_ahead(AttentionNetwork(9, heads=2, max_items=5, **shape))  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        nothing_looks_ahead(LooksAhead(9, heads=2, max_items=5, **shape))  # type: ignore[arg-type]
