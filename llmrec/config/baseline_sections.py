"""The sections of a recipe that only networks over ids, models that count, and stacks of models read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from llmrec.config.sections import Positive, Section, Share


class SequenceConfig(Section):
    """The network of the baselines.

    >>> SequenceConfig(dim=64).layers
    1
    """

    dim: Positive = 128
    """Width."""
    layers: Positive = 1
    """Depth."""
    heads: Positive = 2
    """Attention heads."""
    dropout: Share = 0.2
    """Of embeddings and layers."""
    max_items: Positive = 200
    """The newest so many events are read."""
    mask_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """bert4rec: how many events are masked in training."""
    id_residual: bool = False
    """Networks over texts: an item's vector is a projection of its text plus a learned vector of its id."""
    item_dropout: Share = 0.1
    """With id_residual, how often a whole item is without its own in a training step."""


class CountingConfig(Section):
    """The models that count.

    >>> CountingConfig(order=3).half_life
    10.0
    """

    order: Annotated[int, Field(ge=1, le=3)] = 1
    """The longest context, in items."""
    recent_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The newest part of the events that counts."""
    neighbors: Positive = 200
    """How many similar items each item keeps."""
    shrink: Annotated[float, Field(ge=0)] = 10.0
    """Added to the cosine's norm: what is seen rarely counts less."""
    half_life: Annotated[float, Field(gt=0)] = 10.0
    """After so many newer events an event counts half."""
    edge_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of an item's largest edge, beside a cosine of at most 1."""


class LinearConfig(Section):
    """Regressions between items in closed form.

    >>> LinearConfig().regularization
    100.0
    """

    regularization: Annotated[float, Field(gt=0)] = 100.0
    """Ridge penalty."""
    max_items: Positive = 20_000
    """The most frequent items that are regressed: memory grows with their square, 20,000 take 3 GiB."""


class ALSConfig(Section):
    """Matrix factorization by ``implicit``.

    >>> ALSConfig(factors=32).iterations
    15
    """

    factors: Positive = 64
    """Width."""
    regularization: Annotated[float, Field(ge=0)] = 0.05
    """Ridge penalty."""
    alpha: Annotated[float, Field(ge=1)] = 10.0
    """How much more an event counts than none."""
    iterations: Positive = 15
    """Rounds of alternating least squares."""


class TextConfig(Section):
    """Item texts as vectors, for models that read texts and train no LLM.

    >>> TextConfig().encoder
    'minilm-l6'
    """

    encoder: str = "minilm-l6"
    """What encodes them: minilm-l6, smollm2-135m, a folder or a hub id."""
    encoder_type: Literal["sentence", "causal"] = "sentence"
    """A sentence-transformers model, or an LLM whose last states are averaged."""
    prompt: str = "item"
    """The prompt that writes an item."""
    language: Literal["en", "zh"] = "en"
    """Of the prompt."""


class StackConfig(Section):
    """A stacked model.

    >>> StackConfig(members=["markov", "gru train.epochs=2"]).sizes
    'by_log'
    """

    members: list[str] = Field(default=[])
    """Recipes of its members, each with changes after its name, as in "item-knn seed=1"."""
    unordered_members: list[str] = Field(default=[])
    """Further members where nothing says in which order events came: a log without times."""
    sizes: Literal["by_log", "as_written"] = "by_log"
    """by_log: windows, widths and batches of networks follow the log; a change after a member's name holds."""
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    """by_log: a network's train.max_minutes grows with the log, by an hour a million events, to at most this."""
    valid_users: Positive = 3000
    """Weights are fitted on a fixed random sample of at most so many users."""

    @property
    def every_member(self) -> list[str]:
        """Return the members of any log: ``members`` and ``unordered_members``."""
        return [*self.members, *self.unordered_members]
