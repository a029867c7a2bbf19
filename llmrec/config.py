"""Recipes: every choice that makes a model, checked, frozen, and written beside what it made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from llmrec.errors import RecipeError
from llmrec.resources.shipped import folder
from llmrec.runtime import Dtype

Encoding = Literal["text", "soft", "hybrid"]
EventField = Literal["behavior", "rating", "price", "quantity", "gap"]
# The models that predict more of an event than its item.
RESPONDING = ("llm", "gru-events", "lstm-events", "gru-text-events")
# Those that read history.repeat_bias: every one that is trained and causal.
REPEATING = (*RESPONDING, "gru", "lstm", "sasrec", "gru-text", "lstm-text")
Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of a recipe: unknown fields are refused, values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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

    encoding: Encoding = "text"
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
    dropout: Share = 0.0  # on the item slots that the LLM reads and on the states it is read at
    soft_token_scale: Annotated[float, Field(gt=0)] = 10.0  # size of an item slot, in token-embedding sizes
    cold_bias: Share = 0.5  # an item never trained on gets this quantile of the known items' biases
    warm_start: str | None = None  # a run whose item vectors (of this dim) the id residuals begin at
    item_encoder: Literal["frozen", "finetuned"] = "frozen"  # tuned: the items' text encodings are trained, too
    refresh_every: Positive = 100  # tuned: batches between two encodings of the whole catalog


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
    """The models that count: markov, recent, item-knn; ``half_life`` is text's too."""

    order: Annotated[int, Field(ge=1, le=3)] = 1  # markov: the longest context, in items
    recent_share: Annotated[float, Field(gt=0, le=1)] = 0.1  # recent: the newest part of the events that counts
    neighbors: Positive = 200  # item-knn: how many each item keeps
    shrink: Annotated[float, Field(ge=0)] = 10.0  # item-knn: added to the cosine's norm
    half_life: Annotated[float, Field(gt=0)] = 10.0  # after so many newer events an event counts half


class ALSConfig(Section):
    """Matrix factorization by ``implicit``."""

    factors: Positive = 64
    regularization: Annotated[float, Field(ge=0)] = 0.05
    alpha: Annotated[float, Field(ge=1)] = 10.0
    iterations: Positive = 15


class TextConfig(Section):
    """Item texts as vectors, for text, gru-text and lstm-text.

    ``encoder_type``: ``sentence`` for a sentence-transformers model (``minilm-l6``, a folder or a hub id), ``causal``
    for an LLM whose last states are averaged (``smollm2-135m``, a folder or a hub id). ``prompt`` writes an item.
    """

    encoder: str = "minilm-l6"
    encoder_type: Literal["sentence", "causal"] = "sentence"
    prompt: str = "item"
    language: Literal["en", "zh"] = "en"


class TrainConfig(Section):
    """Optimization. ``learning_rate`` is the adapter's or the whole network's; heads have their own."""

    epochs: Positive = 10
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    head_learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup: Share = 0.05
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    batch_tokens: Positive = 2400
    accumulation: Positive = 1
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    patience: Positive = 3  # validations without a better one before it stops
    valid_users: Positive = 1000  # a fixed random sample of at most so many users is validated on
    # What an event is guessed from: all events before it, those strictly earlier, or each in turn. The events of a
    # basket share a moment, and are then guessed from what was there before all of them. (A title reads on.)
    targets: Literal["event", "strictly_before", "both"] = "event"
    item_loss: Annotated[float, Field(ge=0)] = 1.0  # weight of the softmax over items
    title_loss: Annotated[float, Field(ge=0)] = 0.0  # weight of the language-model loss on title tokens
    negatives: Positive | None = None  # sampled softmax with so many; None: exact up to 50,000 items
    pack: bool = False  # lay the histories of a batch end to end instead of padding them
    max_minutes: Annotated[float, Field(gt=0)] | None = None  # validate and stop after this long
    # What float32 matrices are multiplied in, None: as PyTorch is set; high: TF32 on a GPU, medium: bfloat16, on a
    # CPU that has it, too.
    float32_matmul_precision: Literal["highest", "high", "medium"] | None = None


class Recipe(Section):
    """All of a model's choices. Which sections matter depends on ``model``."""

    name: str = "unnamed"
    model: str = "llm"
    seed: int = 0
    backbone: BackboneConfig = BackboneConfig()
    lora: AdapterConfig = AdapterConfig()
    history: HistoryConfig = HistoryConfig()
    head: HeadConfig = HeadConfig()
    sequence: SequenceConfig = SequenceConfig()
    counting: CountingConfig = CountingConfig()
    als: ALSConfig = ALSConfig()
    text: TextConfig = TextConfig()
    tasks: list[str] = []  # by name, see llmrec.data.responses
    responses: ResponsesConfig = ResponsesConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def _goes_together(self) -> Recipe:
        if self.responses.rank_by != "relevance" and "purchase" not in self.tasks:
            raise ValueError(f"responses.rank_by={self.responses.rank_by} needs purchase among the tasks")
        if self.tasks and self.model not in RESPONDING:
            raise ValueError(f"model={self.model} has no tasks; those that have are {', '.join(RESPONDING)}")
        if self.model == "bert4rec" and self.train.targets != "event":
            raise ValueError("bert4rec reads what stands behind an item, too: train.targets must be event")
        if self.history.repeat_bias and self.model not in REPEATING:
            raise ValueError(
                f"model={self.model} has no history.repeat_bias; those that have are {', '.join(REPEATING)}"
            )
        if self.model != "llm":
            return self
        if self.history.events and self.train.title_loss:
            raise ValueError("history.events and train.title_loss do not go together yet; set one of them to none")
        if not (self.train.item_loss or self.train.title_loss):
            raise ValueError("train.item_loss and train.title_loss are both 0: nothing to learn")
        if self.train.title_loss and self.history.encoding == "soft":
            raise ValueError(
                f"train.title_loss={self.train.title_loss}, but history.encoding=soft writes no titles to learn; "
                "choose text or hybrid, or set train.title_loss=0"
            )
        if self.head.warm_start is not None and not self.head.id_residual:
            raise ValueError("head.warm_start needs head.id_residual=true")
        return self

    @classmethod
    def load(cls, name: str | Path, *, set: list[str] | None = None) -> Recipe:
        """Load a shipped recipe by name or any by path; ``set`` holds overrides such as "train.epochs=3".

        Raises RecipeError naming the file and the field.
        """
        path = _find(name)
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(values, dict):
            raise RecipeError(f"{path} holds no mapping of fields; see finetune/README.md")
        return cls.of(_override(values, set or []), source=str(path))

    @classmethod
    def of(cls, values: dict[str, Any], *, source: str = "recipe") -> Recipe:
        """Check a mapping. Raises RecipeError."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            if not field:
                raise RecipeError(f"{source}: {first['msg'].removeprefix('Value error, ')}") from error
            problem = "no such field" if first["type"] == "extra_forbidden" else first["msg"]
            raise RecipeError(f"{source}: {field}: {problem} (got {first['input']!r})") from error

    def with_values(self, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe with other values, e.g. ``{"train.epochs": 3}``. Raises RecipeError."""
        changes = [f"{field}={json.dumps(value)}" for field, value in values.items()]
        return Recipe.of(_override(self.model_dump(mode="json"), changes), source=self.name)

    def to_yaml(self) -> str:
        """Write every field, defaults too, so that the run can be repeated when defaults have changed."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def names() -> list[str]:
    """Return the names of the shipped recipes."""
    return sorted(path.stem for path in folder("finetune").glob("*.yaml"))


def _find(name: str | Path) -> Path:
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise RecipeError(f"there is no recipe file {path}")
        return path
    shipped = folder("finetune") / f"{name}.yaml"
    if not shipped.is_file():
        raise RecipeError(f"no recipe '{name}'; there are {', '.join(names())}, or give a .yaml file")
    return shipped


def _override(values: dict[str, Any], assignments: list[str]) -> dict[str, Any]:
    """Merge ``key.sub=value`` assignments, values read as YAML."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for assignment in assignments:
        if "=" not in assignment:
            raise RecipeError(f"--set {assignment}: write it as field=value, e.g. train.epochs=3")
    try:
        merged = OmegaConf.merge(OmegaConf.create(values), OmegaConf.from_dotlist(assignments))
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise RecipeError(f"--set {' '.join(assignments)}: {str(error).splitlines()[0]}") from error
    # Unresolved: with resolve=True a secret named in ${oc.env:...} would land in the saved recipe.
    container = OmegaConf.to_container(merged, resolve=False)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
