"""The sections of a recipe that every kind of model may have, and those of an LLM: fields, ranges, defaults."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from llmrec.runtime import Dtype

EventField = Literal["behavior", "rating", "price", "quantity", "gap"]
BoundaryStates = Literal["last", "mean", "both"]
Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of a recipe: unknown fields are refused, values do not change.

    Only fields that are set are dumped, so that a recipe does not name sections which its model does not read. The
    text below a field is what ``llmrec recipes NAME`` says of it.

    >>> BackboneConfig(layers=2).model_dump()
    {'layers': 2}
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_serializer(mode="wrap")
    def _fields_set(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if name in self.model_fields_set}


class BackboneConfig(Section):
    """Which causal LLM, and how much of it.

    >>> BackboneConfig(layers=2).base
    'smollm2-135m'
    """

    base: str = "smollm2-135m"
    """The LLM: a known name, a local path or a hub id."""
    layers: Positive | None = None
    """Only the first so many blocks; null: all of them."""
    dtype: Dtype = "auto"
    """What it computes in."""
    quantize: Literal["none", "4bit"] = "none"
    """4bit: QLoRA (Dettmers et al. 2023), by bitsandbytes."""
    gradient_checkpointing: bool = False
    """Compute activations twice instead of holding them: less memory, slower."""


class AdapterConfig(Section):
    """The LoRA adapter (Hu et al. 2021).

    >>> AdapterConfig(r=8).alpha
    32
    """

    r: Positive = 16
    """Rank."""
    alpha: Positive = 32
    """The adapter is scaled by alpha / r."""
    dropout: Share = 0.0
    """Dropout of its input; on a CPU it more than doubles a step."""
    targets: str | list[str] = "all-linear"
    """Which linear layers are adapted."""
    last_layers: Positive | None = None
    """Adapt only the last so many blocks, which is cheaper to train; null: all."""
    rslora: bool = False
    """Scale by alpha / sqrt(r) (Kalajdzievski 2023)."""
    dora: bool = False
    """Learn magnitude and direction separately (DoRA, Liu et al. 2024)."""


class HistoryConfig(Section):
    """How a history is written for the LLM.

    >>> HistoryConfig(encoding="soft").max_items
    50
    """

    encoding: str = "text"
    """text, soft (one vector an item) or hybrid (both)."""
    max_items: Positive = 50
    """The newest so many events are read."""
    max_tokens: Positive = 1024
    """The newest that fit into so many tokens are read."""
    prompt: str = "history"
    """The prompt around a history, by name, see prompts/."""
    item_prompt: str = "item"
    """The prompt of an item's line in a history; title writes less than item."""
    text_items: Positive | None = None
    """With hybrid: only so many of the newest items are written in words, all are vectors; null: every item."""
    local_blocks: Annotated[int, Field(ge=0)] = 0
    """In the first so many blocks an item's line reads itself alone, once for all histories that hold it; blocks
    above read one state of each line. 0: every block reads the whole text."""
    boundary_states: BoundaryStates = "last"
    """Which state of a line goes up, with local_blocks: of its last token, the mean over its words, or both."""
    events: list[EventField] = []
    """What is read of an event besides its item."""
    event_prompt: str = "event"
    """The prompt of an event."""
    repeat_bias: bool = False
    """What a history holds already gets a learned part of the score: for shops."""
    language: Literal["en", "zh"] = "en"
    """Of the prompts."""


class HeadConfig(Section):
    """The scorer ``s(u, i) = tau * cos(W u, v_i) + b_i``.

    >>> HeadConfig(dim=64).id_residual
    True
    """

    dim: Positive = 256
    """Width of user and item vectors."""
    temperature: Annotated[float, Field(gt=0)] = 16.0
    """The initial tau; it is learned."""
    item_dropout: Share = 0.1
    """How often a whole item loses its id residual in a training step."""
    id_residual: bool = True
    """Item vectors are a projection of the text plus a learned vector for each id."""
    dropout: Share = 0.0
    """Of item vectors as the LLM reads them, and of the states at item boundaries."""
    soft_token_scale: Annotated[float, Field(gt=0)] = 10.0
    """Size of a soft token, in sizes of token embeddings."""
    cold_bias: Share = 0.5
    """An item never trained on gets this quantile of the known items' biases."""
    item_prompt: str | None = None
    """The prompt of the text that an item's vector encodes; null: history.item_prompt."""
    item_encoder: Literal["frozen", "finetuned"] = "frozen"
    """finetuned: the items' text encodings are trained."""
    refresh_every: Positive = 100
    """finetuned: batches between two encodings of the catalog."""


class ResponsesConfig(Section):
    """How responses are predicted: what an event has besides its item. The recipe's ``tasks`` name them.

    >>> ResponsesConfig(weight=1.0).rank_by
    'relevance'
    """

    weight: Annotated[float, Field(ge=0)] = 0.3
    """Of their loss, a mean over tasks, beside the next item's."""
    dim: Positive = 128
    """Hidden units of the heads."""
    dropout: Share = 0.1
    """Of the heads."""
    count_features: bool = True
    """The heads also read shrunken means of user, item and pair."""
    rating: Literal["regression", "ordinal"] = "regression"
    """Ratings as numbers, or as ordered levels."""
    early_stopping_metric: Literal["next_item", "responses", "both"] = "both"
    """The best epoch has the highest NDCG@10 of the next item, skill of the heads (1 - loss / loss of the prior, a
    mean over tasks), or sum of the two."""
    positive: list[str] = []
    """Behaviors that count as a purchase; by default those with such a name."""
    behavior_weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Weight of events in both losses, by behavior: a purchase more than a view, say."""
    rank_by: Literal["relevance", "purchase", "value"] = "relevance"
    """What recommendations are ranked by."""


class TrainConfig(Section):
    """Optimization.

    >>> TrainConfig(epochs=3).patience
    3
    """

    epochs: Positive = 10
    """How often the data is passed; with schedule open_ended only a bound."""
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    """The adapter's, or the whole network's."""
    head_learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Of an LLM's heads."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Of AdamW."""
    warmup: Share = 0.05
    """Share of the steps in which the rate rises."""
    schedule: Literal["constant", "cosine", "linear", "open_ended"] = "cosine"
    """How the rate goes; open_ended: constant, with averaged weights, until nothing improves."""
    batch_tokens: Positive = 2400
    """Tokens, or events, in a batch."""
    accumulation: Positive = 1
    """Batches in a step."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Longer gradients are cut to this length."""
    patience: Positive = 3
    """Training stops after so many validations without a better one."""
    valid_users: Positive = 1000
    """Validated on a fixed random sample of at most so many users."""
    targets: Literal["event", "strictly_before", "both"] = "event"
    """The context of a target: all events before it, those with a strictly earlier timestamp, or one prediction
    from each. Events of a basket share a timestamp: with strictly_before all of a basket is predicted from what
    came before it. (Title tokens always have all text before them as context.)"""
    item_loss: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the softmax over items."""
    title_loss: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the language-model loss on title tokens."""
    negatives: Positive | None = None
    """Sampled softmax with so many negatives; null: exact up to 50,000 items."""
    pack: bool = False
    """Lay the histories of a batch end to end instead of padding them."""
    shard_items: bool | None = None
    """Each of several processes holds a share of the items' vectors and logits; null: from 100,000 items on."""
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    """Validate and stop after this long."""
    follow_steps: Annotated[int, Field(ge=0)] = 0
    """Where an LLM's training starts from a run: in so many steps first its user states become the run's."""
    replay: Annotated[float, Field(ge=0)] | None = 4.0
    """Where training goes on from a run: so many targets that it had are trained on again beside each new one;
    null: all of them. An open-ended training, but an LLM's, goes on with all, unless this is set otherwise."""
    shrink: Share = 1.0
    """Where training goes on from a run: weights, of an LLM those of its head, begin at so much of the run's and,
    for the rest, of new ones (Ash & Adams 2020). An open-ended training, but an
    LLM's, goes on with 0.4, unless this is set otherwise."""
    float32_matmul_precision: Literal["highest", "high", "medium"] | None = None
    """What float32 matrices are multiplied in, null: as PyTorch is set; high: TF32 on a GPU, medium: bfloat16,
    also on a CPU that has it."""
