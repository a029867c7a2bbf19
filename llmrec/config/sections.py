"""The sections of a recipe: fields, their ranges and their defaults."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from llmrec.runtime import Dtype

EventField = Literal["behavior", "rating", "price", "quantity", "gap"]
Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of a recipe: unknown fields are refused, values do not change.

    Only fields that are set are dumped, so that a recipe does not name sections which its model does not read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_serializer(mode="wrap")
    def _fields_set(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if name in self.model_fields_set}


class BackboneConfig(Section):
    """Which causal LLM, and how much of it. ``base``: a known name, a local path or a hub id."""

    base: str = "smollm2-135m"
    layers: Positive | None = None  # keep only the first so many blocks; None: all of them
    dtype: Dtype = "auto"
    quantize: Literal["none", "4bit"] = "none"  # 4bit: QLoRA (Dettmers et al. 2023), by bitsandbytes
    gradient_checkpointing: bool = False


class AdapterConfig(Section):
    """The adapter (Hu et al. 2021). Dropout stays 0 on a CPU, where it more than doubles a step."""

    r: Positive = 16
    alpha: Positive = 32
    dropout: Share = 0.0
    targets: str | list[str] = "all-linear"
    last_layers: Positive | None = None  # adapt only the last so many blocks: cheaper to train; None: all
    rslora: bool = False  # scale by alpha / sqrt(r) (Kalajdzievski 2023)
    dora: bool = False  # learn magnitude and direction apart (Liu et al. 2024)


class HistoryConfig(Section):
    """How a history is written for the LLM: as text, as one vector an item, or both."""

    encoding: str = "text"  # by name, see llmrec.llm.encodings
    max_items: Positive = 50
    max_tokens: Positive = 1024
    prompt: str = "history"
    item_prompt: str = "item"
    events: list[EventField] = []  # what is read of an event besides its item
    event_prompt: str = "event"
    repeat_bias: bool = False  # what a history holds already gets a learned part of the score: for shops
    language: Literal["en", "zh"] = "en"


class HeadConfig(Section):
    """The scorer ``s(u, i) = tau * cos(W u, v_i) + b_i``."""

    dim: Positive = 256
    temperature: Annotated[float, Field(gt=0)] = 16.0  # the initial tau; it is learned
    item_dropout: Share = 0.1  # how often a whole item loses its id residual in a training step
    id_residual: bool = True
    dropout: Share = 0.0  # of item vectors as the LLM reads them, and of the states at item boundaries
    soft_token_scale: Annotated[float, Field(gt=0)] = 10.0  # size of a soft token, in token-embedding sizes
    cold_bias: Share = 0.5  # an item never trained on gets this quantile of the known items' biases
    warm_start: str | None = None  # a run whose item vectors (of this dim) the id residuals begin at
    item_encoder: Literal["frozen", "finetuned"] = "frozen"  # finetuned: the items' text encodings are trained
    refresh_every: Positive = 100  # finetuned: batches between two encodings of the catalog


class ResponsesConfig(Section):
    """How responses are predicted: what an event has besides its item. The recipe's ``tasks`` name them.

    ``behavior_weights`` weigh events in both losses, by behavior: a purchase more than a view, say.
    """

    weight: Annotated[float, Field(ge=0)] = 0.3  # of their loss, a mean over tasks, beside the next item's
    dim: Positive = 128  # hidden units of the heads
    dropout: Share = 0.1
    count_features: bool = True  # the heads also read shrunken means of user, item and pair
    rating: Literal["regression", "ordinal"] = "regression"
    # The best epoch has the highest NDCG@10 of the next item, skill of the heads (1 - loss / loss of the prior, a
    # mean over tasks), or sum of the two.
    early_stopping_metric: Literal["next_item", "responses", "both"] = "both"
    positive: list[str] = []  # behaviors that count as a purchase; by default those with such a name
    behavior_weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    rank_by: Literal["relevance", "purchase", "value"] = "relevance"


class SequenceConfig(Section):
    """The network of the baselines. ``heads`` is for attention only, ``mask_share`` for bert4rec."""

    dim: Positive = 128
    layers: Positive = 1
    heads: Positive = 2
    dropout: Share = 0.2
    max_items: Positive = 200
    mask_share: Annotated[float, Field(gt=0, lt=1)] = 0.2


class CountingConfig(Section):
    """The models that count: markov, recent, item-knn; others read ``neighbors`` and ``half_life``, too."""

    order: Annotated[int, Field(ge=1, le=3)] = 1  # markov: the longest context, in items
    recent_share: Annotated[float, Field(gt=0, le=1)] = 0.1  # recent: the newest part of the events that counts
    neighbors: Positive = 200  # how many each item keeps, of item-knn, linear, ease, text-graph
    shrink: Annotated[float, Field(ge=0)] = 10.0  # item-knn: added to the cosine's norm
    half_life: Annotated[float, Field(gt=0)] = 10.0  # after so many newer events an event counts half
    edge_weight: Annotated[float, Field(ge=0)] = 1.0  # text-graph: of the largest edge, to a cosine of 1


class LinearConfig(Section):
    """Regressions between items in closed form: linear, ease."""

    regularization: Annotated[float, Field(gt=0)] = 100.0
    max_items: Positive = 20_000  # the most frequent ones: memory grows with their square, 20,000 take 3 GiB


class ALSConfig(Section):
    """Matrix factorization by ``implicit``."""

    factors: Positive = 64
    regularization: Annotated[float, Field(ge=0)] = 0.05
    alpha: Annotated[float, Field(ge=1)] = 10.0
    iterations: Positive = 15


class TextConfig(Section):
    """Item texts as vectors, for models that read texts and train no LLM.

    ``encoder_type``: ``sentence`` for a sentence-transformers model (``minilm-l6``, a folder or a hub id),
    ``causal`` for an LLM whose last states are averaged (``smollm2-135m``, a folder or a hub id). ``prompt``
    writes an item.
    """

    encoder: str = "minilm-l6"
    encoder_type: Literal["sentence", "causal"] = "sentence"
    prompt: str = "item"
    language: Literal["en", "zh"] = "en"


class StackConfig(Section):
    """A stacked model: recipes of its members, each with changes after its name, as in "item-knn seed=1"."""

    members: list[str] = []
    # by_log: windows, widths and batches of networks follow the log; a change after a member's name holds
    sizes: Literal["by_log", "as_written"] = "by_log"
    valid_users: Positive = 3000  # weights are fitted on a fixed random sample of at most so many users


class TrainConfig(Section):
    """Optimization. ``learning_rate`` is the adapter's or the whole network's; heads have their own."""

    epochs: Positive = 10
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    head_learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup: Share = 0.05
    # open_ended: a constant rate and averaged weights, until nothing improves; ``epochs`` is only a bound then
    schedule: Literal["constant", "cosine", "linear", "open_ended"] = "cosine"
    batch_tokens: Positive = 2400
    accumulation: Positive = 1
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    patience: Positive = 3  # validations without a better one before it stops
    valid_users: Positive = 1000  # a fixed random sample of at most so many users is validated on
    # The context of a target: all events that stand before it, those with a strictly earlier timestamp, or one
    # prediction from each. Events of a basket share a timestamp: with strictly_before all of a basket is predicted
    # from what came before it. (Title tokens always have all text before them as context.)
    targets: Literal["event", "strictly_before", "both"] = "event"
    item_loss: Annotated[float, Field(ge=0)] = 1.0  # weight of the softmax over items
    title_loss: Annotated[float, Field(ge=0)] = 0.0  # weight of the language-model loss on title tokens
    negatives: Positive | None = None  # sampled softmax with so many; None: exact up to 50,000 items
    pack: bool = False  # lay the histories of a batch end to end instead of padding them
    max_minutes: Annotated[float, Field(gt=0)] | None = None  # validate and stop after this long
    # What float32 matrices are multiplied in, None: as PyTorch is set; high: TF32 on a GPU, medium: bfloat16, on a
    # CPU that has it, too.
    float32_matmul_precision: Literal["highest", "high", "medium"] | None = None
