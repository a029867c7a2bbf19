"""Recipes and their sections: every choice that makes a model, in one checked value."""

from llmrec.config.recipe import Option, Recipe, names
from llmrec.config.sections import (
    AdapterConfig,
    ALSConfig,
    BackboneConfig,
    CountingConfig,
    EventField,
    HeadConfig,
    HistoryConfig,
    LinearConfig,
    ResponsesConfig,
    Section,
    SequenceConfig,
    StackConfig,
    TextConfig,
    TrainConfig,
)

__all__ = [
    "ALSConfig",
    "AdapterConfig",
    "BackboneConfig",
    "CountingConfig",
    "EventField",
    "HeadConfig",
    "HistoryConfig",
    "LinearConfig",
    "Option",
    "Recipe",
    "ResponsesConfig",
    "Section",
    "SequenceConfig",
    "StackConfig",
    "TextConfig",
    "TrainConfig",
    "names",
]
