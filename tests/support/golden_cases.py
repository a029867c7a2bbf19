"""Tiny models of every kind, each with the recipe and the data that its golden scores were made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmrec import Dataset, Recipe, Split
from llmrec.arrays import Float32s
from llmrec.data import toy_films
from llmrec.models import from_recipe

_DAY = 86_400
_RESPONSES = {
    "tasks": ["behavior", "purchase", "rating", "action", "gap", "value"],
    "history.events": ["behavior", "rating", "price", "gap"],
}
_LLM = {
    "model": "llm",
    "backbone": {"dtype": "float32"},
    "lora": {"r": 8, "alpha": 16},
    "history": {"max_items": 8, "max_tokens": 400},
    "head": {"dim": 32, "item_dropout": 0.1},
    "train": {
        "epochs": 2,
        "learning_rate": 5e-3,
        "head_learning_rate": 1e-2,
        "batch_tokens": 1200,
        "schedule": "constant",
        "patience": 100,
    },
}
_NETWORK = {
    "sequence": {"dim": 24, "dropout": 0.1, "max_items": 10},
    "train": {"epochs": 2, "learning_rate": 2e-2, "batch_tokens": 120, "patience": 100},
}


def _llm(encoding: str, **changes: Any) -> dict[str, Any]:
    return {**_LLM, "history.encoding": encoding, **changes}


def _network(model: str, **changes: Any) -> dict[str, Any]:
    return {"model": model, **_NETWORK, **changes}


# By case: on toy films, and on shop events with behaviors, ratings, prices and baskets.
_ON_FILMS: dict[str, dict[str, Any]] = {
    "llm-soft": _llm("soft"),
    "llm-text": _llm("text", **{"train.title_loss": 0.3}),
    "llm-hybrid": _llm("hybrid", **{"train.title_loss": 0.3}),
    "llm-finetuned-items": _llm("soft", **{"head.item_encoder": "finetuned"}),
    "llm-sampled-softmax": _llm("soft", **{"train.negatives": 6}),
    **{name: {"model": name} for name in ("popularity", "recent", "repeat-last", "markov", "item-knn", "als")},
    **{name: _network(name) for name in ("gru", "lstm", "sasrec", "bert4rec", "gru-text")},
    "text": {"model": "text"},
}
_ON_SHOP: dict[str, dict[str, Any]] = {
    "llm-events": _llm("text", **_RESPONSES, **{"responses.rating": "ordinal", "responses.count_features": True}),
    "llm-soft-events": _llm("soft", **_RESPONSES, **{"history.repeat_bias": True, "train.targets": "both"}),
    "llm-strictly-before": _llm("soft", **{"train.targets": "strictly_before"}),
    "gru-repeat-bias": _network("gru", **{"history.repeat_bias": True, "train.targets": "both"}),
    "sasrec-strictly-before": _network("sasrec", **{"train.targets": "strictly_before"}),
    **{
        name: _network(name, **_RESPONSES, **{"responses.count_features": True})
        for name in ("gru-events", "lstm-events")
    },
    "gru-text-events": _network("gru-text-events", tasks=["behavior"], **{"history.events": ["behavior"]}),
}
CASES = {**_ON_FILMS, **_ON_SHOP}


def scores_of(case: str, base: Path) -> Float32s:
    """Fit a case on one part of its data and score the histories of its test part, [n, n_items].

    ``base`` is the tiny base model that language models train and text encoders read with.
    """
    split = Split.leave_last_out(toy_films(n_items=12, n_users=30) if case in _ON_FILMS else shop_events())
    model = from_recipe(recipe_of(case, base)).fit(split.train, valid=split.valid)
    return model.score(split.test.histories)


def recipe_of(case: str, base: Path) -> Recipe:
    """Return the recipe of a case."""
    return recipe_from(case, CASES[case], base)


def recipe_from(name: str, fields: Mapping[str, Any], base: Path) -> Recipe:
    """Return a recipe whose LLM or text encoder is ``base``; dotted keys name single fields."""
    values: dict[str, Any] = {"name": name, "seed": 3}
    named = dict(fields)
    if named["model"] == "llm":
        named["backbone.base"] = str(base)
    elif "text" in named["model"]:
        named |= {"text.encoder": str(base), "text.encoder_type": "causal"}
    for key, value in named.items():
        section, _, field = key.partition(".")
        values[section] = {**values.get(section, {}), field: value} if field else value
    return Recipe.of(values)


def shop_events(n_users: int = 20, n_events: int = 8, *, seed: int = 0) -> Dataset:
    """Make shop events, two at a time: views and purchases in turn, at random items."""
    draw, rows = np.random.default_rng(seed), []
    for user in range(n_users):
        first = int(draw.integers(2))
        for n in range(n_events):
            item = int(draw.integers(12))
            rows.append(
                {
                    "user_id": f"u{user}",
                    "item_id": str(item),
                    "timestamp": _DAY * (user + n // 2 * 3),
                    "behavior": "buy" if (n // 2 + first) % 2 else "pv",
                    "rating": 2.0 if item % 2 else 4.0,
                    "price": 1.0 + item,
                    "quantity": 1.0 + n % 2,
                }
            )
    items = {"item_id": [str(n) for n in range(12)], "title": [f"Film {n:02d}" for n in range(12)]}
    return Dataset.from_tables(pl.DataFrame(rows), items=items, name="shop", time_format="seconds")
