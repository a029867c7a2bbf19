"""Every recommender, behind one interface, by class or by the ``kind`` a recipe or a run names."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from llmrec import artifact
from llmrec.config import Recipe
from llmrec.errors import ArtifactError, RecipeError
from llmrec.models.base import Recommender

if TYPE_CHECKING:
    from llmrec.models.baselines.als import ALSRecommender
    from llmrec.models.baselines.item_knn import ItemKNNRecommender
    from llmrec.models.baselines.markov import MarkovRecommender
    from llmrec.models.baselines.popularity import PopularityRecommender, RecentRecommender, RepeatLastRecommender
    from llmrec.models.baselines.text import TextRecommender
    from llmrec.models.fusion import Fusion
    from llmrec.models.llm.generative import GenerativeRanking
    from llmrec.models.llm.recommender import LLMRecommender
    from llmrec.models.sequential.bert4rec import BERT4RecRecommender
    from llmrec.models.sequential.event_rnn import (
        GRUEventRecommender,
        GRUTextEventRecommender,
        LSTMEventRecommender,
    )
    from llmrec.models.sequential.rnn import GRURecommender, LSTMRecommender
    from llmrec.models.sequential.sasrec import SASRecRecommender
    from llmrec.models.sequential.text_rnn import GRUTextRecommender, LSTMTextRecommender
    from llmrec.models.zero_shot import PromptRanking

__all__ = [
    "ALSRecommender",
    "BERT4RecRecommender",
    "Fusion",
    "GRUEventRecommender",
    "GRURecommender",
    "GRUTextEventRecommender",
    "GRUTextRecommender",
    "GenerativeRanking",
    "ItemKNNRecommender",
    "LLMRecommender",
    "LSTMEventRecommender",
    "LSTMRecommender",
    "LSTMTextRecommender",
    "MarkovRecommender",
    "PopularityRecommender",
    "PromptRanking",
    "RecentRecommender",
    "Recommender",
    "RepeatLastRecommender",
    "SASRecRecommender",
    "TextRecommender",
    "from_recipe",
    "load",
]

KINDS = {
    "popularity": ("llmrec.models.baselines.popularity", "PopularityRecommender"),
    "recent": ("llmrec.models.baselines.popularity", "RecentRecommender"),
    "repeat-last": ("llmrec.models.baselines.popularity", "RepeatLastRecommender"),
    "markov": ("llmrec.models.baselines.markov", "MarkovRecommender"),
    "item-knn": ("llmrec.models.baselines.item_knn", "ItemKNNRecommender"),
    "als": ("llmrec.models.baselines.als", "ALSRecommender"),
    "text": ("llmrec.models.baselines.text", "TextRecommender"),
    "gru": ("llmrec.models.sequential.rnn", "GRURecommender"),
    "lstm": ("llmrec.models.sequential.rnn", "LSTMRecommender"),
    "sasrec": ("llmrec.models.sequential.sasrec", "SASRecRecommender"),
    "bert4rec": ("llmrec.models.sequential.bert4rec", "BERT4RecRecommender"),
    "gru-text": ("llmrec.models.sequential.text_rnn", "GRUTextRecommender"),
    "lstm-text": ("llmrec.models.sequential.text_rnn", "LSTMTextRecommender"),
    "gru-events": ("llmrec.models.sequential.event_rnn", "GRUEventRecommender"),
    "lstm-events": ("llmrec.models.sequential.event_rnn", "LSTMEventRecommender"),
    "gru-text-events": ("llmrec.models.sequential.event_rnn", "GRUTextEventRecommender"),
    "llm": ("llmrec.models.llm.recommender", "LLMRecommender"),
}

# Made of fitted models, or of nothing that is trained: no recipe or run names them.
WITHOUT_RECIPE = {
    "generative": ("llmrec.models.llm.generative", "GenerativeRanking"),
    "fusion": ("llmrec.models.fusion", "Fusion"),
    "prompt": ("llmrec.models.zero_shot", "PromptRanking"),
}


def from_recipe(recipe: Recipe) -> Recommender:
    """Make the unfitted recommender that a recipe describes. Raises RecipeError for an unknown model."""
    if recipe.model not in KINDS:
        raise RecipeError(f"{recipe.name}: no model '{recipe.model}'; there are {', '.join(KINDS)}")
    return _class_of(recipe.model)(recipe)


def load(folder: str | Path) -> Recommender:
    """Read a run directory of any kind. Raises ArtifactError if it is not a complete, undamaged run."""
    kind = artifact.read(Path(folder), verify=False).kind
    if kind not in KINDS:
        raise ArtifactError(f"{folder} holds a '{kind}' model, which this version does not know")
    return _class_of(kind).load(folder)


def _class_of(kind: str) -> type[Recommender]:
    module, name = KINDS[kind]
    found: type[Recommender] = getattr(importlib.import_module(module), name)
    return found


def __getattr__(name: str) -> object:
    for module, class_name in (*KINDS.values(), *WITHOUT_RECIPE.values()):
        if name == class_name:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'llmrec.models' has no attribute '{name}'")
