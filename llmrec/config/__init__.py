"""Recipes and their sections: every choice that makes a model, in one checked value."""

from llmrec.config.baseline_sections import (
    ALSConfig,
    CountingConfig,
    LinearConfig,
    SequenceConfig,
    StackConfig,
    TextConfig,
)
from llmrec.config.fields import RecipeField, fields_of
from llmrec.config.recipe import Option, Recipe, names, purpose_of
from llmrec.config.sections import (
    AdapterConfig,
    BackboneConfig,
    BoundaryStates,
    EventField,
    HeadConfig,
    HistoryConfig,
    ResponsesConfig,
    Section,
    TrainConfig,
)

__all__ = [
    "ALSConfig",
    "AdapterConfig",
    "BackboneConfig",
    "BoundaryStates",
    "CountingConfig",
    "EventField",
    "HeadConfig",
    "HistoryConfig",
    "LinearConfig",
    "Option",
    "Recipe",
    "RecipeField",
    "ResponsesConfig",
    "Section",
    "SequenceConfig",
    "StackConfig",
    "TextConfig",
    "TrainConfig",
    "fields_of",
    "names",
    "purpose_of",
]
