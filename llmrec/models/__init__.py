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
    from llmrec.models.fusion import Fusion
    from llmrec.models.generative import GenerativeRanking
    from llmrec.models.llm import LLMRecommender
    from llmrec.models.markov import MarkovRecommender
    from llmrec.models.popularity import PopularityRecommender
    from llmrec.models.prompted import PromptRanking
    from llmrec.models.sequential import GRURecommender, LSTMRecommender, SASRecRecommender

__all__ = [
    "Fusion",
    "GRURecommender",
    "GenerativeRanking",
    "LLMRecommender",
    "LSTMRecommender",
    "MarkovRecommender",
    "PopularityRecommender",
    "PromptRanking",
    "Recommender",
    "SASRecRecommender",
    "from_recipe",
    "load",
]

KINDS = {
    "popularity": ("llmrec.models.popularity", "PopularityRecommender"),
    "markov": ("llmrec.models.markov", "MarkovRecommender"),
    "gru": ("llmrec.models.sequential", "GRURecommender"),
    "lstm": ("llmrec.models.sequential", "LSTMRecommender"),
    "sasrec": ("llmrec.models.sequential", "SASRecRecommender"),
    "llm": ("llmrec.models.llm", "LLMRecommender"),
}

# Made of fitted models, or of nothing that is trained: no recipe or run names them.
WITHOUT_RECIPE = {
    "generative": ("llmrec.models.generative", "GenerativeRanking"),
    "fusion": ("llmrec.models.fusion", "Fusion"),
    "prompt": ("llmrec.models.prompted", "PromptRanking"),
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
