"""Every recommender, behind one interface, by class or by the ``kind`` a recipe or a run names."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from llmrec.models.base import Recommender
from llmrec.models.ranker import Ranker
from llmrec.models.registry import SHIPPED, from_recipe, load, register

if TYPE_CHECKING:
    from llmrec.models.baselines.als import ALSRecommender
    from llmrec.models.baselines.ease import EASERecommender
    from llmrec.models.baselines.item_knn import ItemKNNRecommender
    from llmrec.models.baselines.linear import LinearRecommender
    from llmrec.models.baselines.markov import MarkovRecommender
    from llmrec.models.baselines.popularity import PopularityRecommender, RecentRecommender, RepeatLastRecommender
    from llmrec.models.baselines.text import TextRecommender
    from llmrec.models.baselines.text_graph import TextGraphRecommender
    from llmrec.models.diversified import Diversified
    from llmrec.models.fusion import Fusion
    from llmrec.models.hub import from_pretrained, push_to_hub
    from llmrec.models.llm.generative import GenerativeRanking
    from llmrec.models.llm.recommender import LLMRecommender
    from llmrec.models.sequential.bert4rec import BERT4RecRecommender
    from llmrec.models.sequential.esasrec import ESASRecRecommender
    from llmrec.models.sequential.event_rnn import (
        GRUEventRecommender,
        GRUTextEventRecommender,
        LSTMEventRecommender,
    )
    from llmrec.models.sequential.rnn import GRURecommender, LSTMRecommender
    from llmrec.models.sequential.sasrec import SASRecRecommender
    from llmrec.models.sequential.text_rnn import GRUTextRecommender, LSTMTextRecommender
    from llmrec.models.stacking.recommender import StackedRecommender
    from llmrec.models.zero_shot import PromptRanking

__all__ = [
    "ALSRecommender",
    "BERT4RecRecommender",
    "Diversified",
    "EASERecommender",
    "ESASRecRecommender",
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
    "LinearRecommender",
    "MarkovRecommender",
    "PopularityRecommender",
    "PromptRanking",
    "Ranker",
    "RecentRecommender",
    "Recommender",
    "RepeatLastRecommender",
    "SASRecRecommender",
    "StackedRecommender",
    "TextGraphRecommender",
    "TextRecommender",
    "from_pretrained",
    "from_recipe",
    "load",
    "push_to_hub",
    "register",
]

# Made of fitted models, or of nothing that is trained: no recipe or run names them.
_RANKERS = (
    "llmrec.models.diversified:Diversified",
    "llmrec.models.fusion:Fusion",
    "llmrec.models.llm.generative:GenerativeRanking",
    "llmrec.models.zero_shot:PromptRanking",
)
_OF_HUBS = ("llmrec.models.hub:from_pretrained", "llmrec.models.hub:push_to_hub")


def __getattr__(name: str) -> object:
    for path in (*SHIPPED.values(), *_RANKERS, *_OF_HUBS):
        module, _, attribute = path.partition(":")
        if name == attribute:
            return getattr(importlib.import_module(module), name)
    alike = difflib.get_close_matches(name, __all__, n=1) or [one for one in __all__ if one.startswith(name)]
    meant = f"; did you mean {alike[0]}?" if alike else ""
    raise AttributeError(f"module 'llmrec.models' has no attribute '{name}'{meant}")


def __dir__() -> list[str]:
    return sorted(__all__)
