"""Validation during training, on a fixed sample, and the precision of matrix products."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from llmrec import Recipe, Split
from llmrec.data import Fold, toy_films
from llmrec.models import fit_network, from_recipe
from llmrec.models.fit_network import ndcg_on, sample_of
from llmrec.runtime import matmul_precision


def test_items_never_trained_on_are_validated_among_themselves() -> None:
    """Popularity ranks them last: among all items it would rank none of them in the first ten."""
    data = toy_films(n_items=60, n_users=60)
    split = Split.cold_items(data, share=0.1)
    model = from_recipe(Recipe(model="popularity")).fit(split.train)
    assert set(model.recommend(split.valid.histories)["item_id"]).isdisjoint(split.valid.answers["item_id"])
    assert ndcg_on(model, split.valid) > 0.2


def test_validation_is_on_a_fixed_sample(toy_split: Split) -> None:
    one, two = (sample_of(toy_split.valid, 7, seed=1) for _ in range(2))
    assert one.histories.user_ids == two.histories.user_ids
    assert len(one.histories) == one.answers.height == 7
    assert sample_of(toy_split.valid, 30, seed=1) is toy_split.valid
    users = set(one.histories.user_ids)
    assert set(one.answers["user_id"]) == users
    assert isinstance(one, Fold)


def test_the_precision_of_matrix_products_is_restored_after_training(
    toy_split: Split, gru_with: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def ndcg(*_: object) -> float:
        seen.append(torch.get_float32_matmul_precision())
        return 0.5

    monkeypatch.setattr(fit_network, "ndcg_on", ndcg)
    from_recipe(gru_with(epochs=1, float32_matmul_precision="medium")).fit(toy_split.train, valid=toy_split.valid)
    assert seen == ["medium"]
    with matmul_precision("high"):
        from_recipe(gru_with(epochs=1)).fit(toy_split.train, valid=toy_split.valid)
    assert seen == ["medium", "high"]  # a recipe that names no precision keeps the one that is set
    with pytest.raises(RuntimeError), matmul_precision("high"):
        raise RuntimeError
    assert torch.get_float32_matmul_precision() == "highest"
