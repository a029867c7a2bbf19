"""Histories that begin alike are scored as if each were read whole, and what they share is read once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import polars as pl
import pytest

from llmrec import Dataset, Histories, Recipe, Split
from llmrec.data import Sequences
from llmrec.models import LLMRecommender, MarkovRecommender, StackedRecommender
from llmrec.models.llm import shared_beginnings as sharing
from llmrec.models.llm import shared_prefix
from llmrec.reasons import occlusion

MakeRecipe = Callable[..., Recipe]
ITEMS = [str(n) for n in (3, 7, 1, 9, 4, 0, 2, 8, 5, 6, 10)]


def variants(items: list[str]) -> Histories:
    """A history whole, without each of its items, and without each two that are neighbours; an empty one."""
    singles = [[*items[:n], *items[n + 1 :]] for n in range(len(items))]
    return Histories.of([items, *singles, *([*items[:n], *items[n + 2 :]] for n in range(len(items) - 1)), []])


def positions_read(model: LLMRecommender, monkeypatch: pytest.MonkeyPatch, score: Callable[[], object]) -> int:
    """Count the positions that the blocks read, padding included."""
    total, blocks = 0, model.encoder.network.blocks
    plain = blocks.forward

    @wraps(plain)  # what it takes is looked up
    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal total
        total += options["inputs_embeds"].shape[0] * options["inputs_embeds"].shape[1]
        return plain(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(blocks, "forward", counted)
        score()
    return total


# Of eleven items eight fit: leaving one out moves an older one in.
@pytest.mark.parametrize(
    "encoding", ["soft", *(pytest.param(other, marks=pytest.mark.slow) for other in ("text", "hybrid"))]
)
def test_variants_score_as_whole_passes_do(
    tiny_recipe: MakeRecipe, toy_split: Split, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LLMRecommender(tiny_recipe(encoding, "train.epochs=1")).fit(toy_split.train)
    for items in (ITEMS, ITEMS[:7]):
        histories = variants(items)
        np.testing.assert_allclose(model.score_variants(histories), model.score(histories), atol=1e-4)
    shared = positions_read(model, monkeypatch, lambda: model.score_variants(variants(ITEMS)))
    with monkeypatch.context() as patch:
        patch.setattr(shared_prefix, "LEAST_SAVED", np.inf)
        whole = positions_read(model, monkeypatch, lambda: model.score(variants(ITEMS)))
    assert shared < 0.75 * whole
    stack = StackedRecommender.of([model, MarkovRecommender().fit(toy_split.train)], toy_split)
    assert positions_read(model, monkeypatch, lambda: stack.score_variants(variants(ITEMS))) == shared
    np.testing.assert_allclose(
        stack.score_variants(variants(ITEMS)), stack.score(variants(ITEMS)), atol=1e-4, rtol=1e-4
    )


def test_evidence_is_that_of_whole_passes(
    tiny_recipe: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LLMRecommender(tiny_recipe("soft", "train.epochs=1", "history.repeat_bias=true")).fit(toy_split.train)
    histories = Histories.of({"ann": ITEMS, "ben": ITEMS[4:]})
    recs = model.recommend(histories, 3, exclude_seen=False)
    shared = occlusion(model, histories, recs)
    monkeypatch.setattr(sharing, "can_share", lambda encoder: False)
    for one, other in zip(shared, occlusion(model, histories, recs), strict=True):
        assert [cited.item_id for cited in one.cited] == [cited.item_id for cited in other.cited]
        falls, expected = ([cited.contribution for cited in evidence.cited] for evidence in (one, other))
        np.testing.assert_allclose(falls, expected, atol=1e-4)


def test_event_fields_are_part_of_what_is_alike(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    ratings = pl.Series("rating", np.arange(toy_split.data.events.height) % 5 + 1.0)
    data = Dataset.from_tables(
        toy_split.data.events.with_columns(ratings), items=toy_split.data.catalog.table, positive="all"
    )
    for encoding in ("text", "soft"):
        model = LLMRecommender(tiny_recipe(encoding, "train.epochs=1", "history.events=[rating]")).fit(data)
        rows = [
            {"user_id": f"{user}", "item_id": item, "rating": 1.0 + 4 * (n == user)}
            for user in range(6)
            for n, item in enumerate(ITEMS[:7])
        ]
        histories = Histories.from_events(pl.DataFrame(rows))
        scores = model.score(histories)
        np.testing.assert_allclose(model.score_variants(histories), scores, atol=2e-5, rtol=1e-5)
        assert np.abs(scores[5] - scores[4]).max() > 2e-4, "ratings count"


def test_the_trunk_is_what_most_others_begin_with() -> None:
    rows = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 7, 8], [1, 2, 3, 4], [9, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]]
    sequences = Sequences(np.concatenate(rows).astype(np.int32), np.cumsum([0, *map(len, rows)]))
    (group,) = sharing.shared_beginnings(sequences)
    assert (group.trunk, group.others.tolist(), group.n_shared.tolist()) == (0, [1, 4], [5, 5])
    assert sharing.shared_beginnings(sequences.take(np.array([0, 2, 3]))) == []


def test_what_depends_on_how_far_back_it_is_is_read_whole(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    newest = tiny_recipe("hybrid", "train.epochs=1", "history.text_items=2", "history.max_items=6")
    model = LLMRecommender(newest).fit(toy_split.train)
    np.testing.assert_array_equal(model.score_variants(variants(ITEMS)), model.score(variants(ITEMS)))
    model = LLMRecommender(tiny_recipe("soft", "train.epochs=1")).fit(toy_split.train)
    assert sharing.can_share(model.encoder)
    config: Any = model.encoder.network.blocks.config
    config.layer_types = ["full_attention", "sliding_attention"]
    assert not sharing.can_share(model.encoder)
    np.testing.assert_array_equal(model.score_variants(variants(ITEMS)), model.score(variants(ITEMS)))
