"""The results of an evaluation, as frozen values that turn into JSON and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from llmrec.evaluation.protocol import EvaluationProtocol
from llmrec.evaluation.significance import Interval

FoldName = Literal["test", "valid"]


class Value(BaseModel):
    """A frozen value that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _finite(value: Any) -> Any:
    """JSON has no NaN: what is not a number is absent."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _one_line(value: Any) -> Any:
    """A title's metadata, given as a text, a list or a mapping, as one text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    parts = value.values() if isinstance(value, Mapping) else value
    return " · ".join(str(part) for part in parts if part is not None and str(part))


def _titled(value: Any) -> Any:
    return {"title": value} if isinstance(value, str) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
Meta = Annotated[str, BeforeValidator(_one_line)]


class Cost(Value):
    """A model's cost: of training as it recorded it, of recommending as measured here. None: not known.

    ``dtype``: what an LLM computed in here, ``trained_dtype`` in training; both may differ by machine.
    """

    train_seconds: Number = None
    tokens_per_second: Number = None
    peak_memory_gib: Number = None
    device: str | None = None
    dtype: str | None = None
    trained_dtype: str | None = None
    recommend_seconds: Number = None
    latency_p50_ms: Number = None
    latency_p95_ms: Number = None


class PromptExample(Value):
    """One history exactly as the LLM is given it. ``encoding``: text, soft or hybrid, ``meaning`` in words.

    ``upper_tokens``: how many of its ``tokens`` the blocks above those that read lines by themselves read.
    """

    text: str
    tokens: int
    encoding: str
    meaning: str | None = None
    upper_tokens: int | None = None


class Beyond(Value):
    """Recommendations beyond accuracy; ``beyond_accuracy.py`` says how each number is measured."""

    coverage: float
    novelty: Interval | None = None
    diversity: Interval | None = None
    popularity: Interval | None = None
    popularity_lift: Number = None
    miscalibration: Interval | None = None


class Slice(Value):
    """One metric on a slice of the queries: ``by`` says what divides them, ``name`` which slice this is."""

    by: str
    name: str
    users: int
    metric: str
    interval: Interval


class Spread(Value):
    """One metric over several seeds: mean, standard deviation, smallest and largest."""

    mean: float
    deviation: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.deviation:.3f}"


class Seeds(Value):
    """The rows that are runs of one recipe with different seeds.

    ``metrics``: their spread over seeds. ``over_users``: the interval over users of each user's mean over seeds.
    """

    recipe: str
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    metrics: dict[str, Spread]
    over_users: dict[str, Interval] = {}


class Result(Value):
    """One model's numbers: each metric's mean over users with its interval, cost, learning curve."""

    model: str
    kind: str
    users: int
    items: int
    metrics: dict[str, Interval]
    beyond: Beyond | None = None
    slices: tuple[Slice, ...] = ()
    cost: Cost = Cost()
    learning: tuple[dict[str, Annotated[float | int | str | bool | None, BeforeValidator(_finite)]], ...] = ()
    prompt: PromptExample | None = None


class Comparison(Value):
    """The first model beside another on one metric. ``difference`` is first minus other, over users.

    ``ratio`` is None where the other model's mean is zero. ``p_adjusted`` is Holm's correction for all models
    that the first one is compared with; ``comparisons`` says how many those are.
    """

    metric: str
    model: str
    against: str
    difference: Interval
    ratio: float | None
    p_value: float
    intervals_overlap: bool
    p_adjusted: float | None = None
    comparisons: int = 1


class PositiveAnswers(Value):
    """Which events were positive targets, and the answers of the fold with that and without.

    ``rule``: ``default``, ``all`` or a condition. ``events``: of the log; ``negatives``: by reason, how many of
    them are no positive targets, or with ``all`` would be none by default. ``answers``: held-out events that are
    answers; ``answers_if_all``: were every event one, ``negatives_if_all`` of them no positive targets; None where
    the rule changes nothing, and of the validation fold. ``negatives_by_default``: answers that would be none by
    default. ``ratings``: how the log's are read, empty where it has none and in reports of before it was recorded.
    """

    rule: str
    events: int
    negatives: dict[str, int]
    note: str = ""
    answers: int
    answers_if_all: int | None = None
    negatives_if_all: int | None = None
    negatives_by_default: int = 0
    ratings: dict[str, float] = Field(default_factory=dict)


class EvaluationContext(Value):
    """The data, split, protocol and users of an evaluation: enough to say whether two reports may be compared.

    ``items``: how many the catalog holds. ``choices``: how many candidates were ranked for each user, None for
    all items.
    """

    data: str
    fingerprint: str
    people: int
    items: int
    events: int
    split: str
    split_hash: str
    fold: str
    users: int
    answers: int
    single_answer: bool
    exclude_seen: bool
    protocol: EvaluationProtocol
    date: str | None = None
    choices: int | None = None
    positive: PositiveAnswers | None = None  # not in reports of before it was settled

    @property
    def ranked(self) -> int:
        """How many items were put in order for each question."""
        return self.items if self.choices is None else self.choices

    @property
    def among(self) -> str:
        """Say among what the answers were looked for, in a few words."""
        if self.protocol.sampled:
            return f"{self.ranked} sampled candidates"
        return f"{self.ranked:,} {'new ' if self.protocol.candidates == 'new' else ''}items"


class _Shown(BaseModel):
    """Part of a card. Fields beyond these are kept, in report.json."""

    model_config = ConfigDict(frozen=True, extra="allow")


class ShownItem(_Shown):
    """An item as a reader sees it. A bare text is its title."""

    title: str
    meta: Meta = ""


class ShownEvidence(_Shown):
    """A history item and how much of the recommendation's score hangs on it."""

    title: str
    contribution: Number = None


class Recommended(_Shown):
    """A recommended item, the sentence that goes with it, what it rests on, and who worded it."""

    rank: int
    title: str
    meta: Meta = ""
    reason: str = ""
    evidence: tuple[ShownEvidence, ...] = ()
    backend: str = ""


class Card(_Shown):
    """One user: history newest first, recommendations with reasons, and what really came next.

    ``answer_rank`` is the answer's rank among all items; None where the model did not rank it.
    """

    user_id: str
    history: tuple[Annotated[ShownItem, BeforeValidator(_titled)], ...]
    recommendations: tuple[Recommended, ...]
    answer: str | None = None
    answer_rank: int | None = None


class ReasonCounts(Value):
    """How many reasons the LLM worded, how many of these the template replaced, how many never went to it."""

    written_by_llm: int = 0
    replaced_by_template: int = 0
    written_by_template: int = 0


class ReportData(Value):
    """All that a report holds: results in the order the models were named, comparisons, provenance, users."""

    format: Literal[1] = 1
    results: tuple[Result, ...]
    compared: tuple[Comparison, ...]
    seeds: tuple[Seeds, ...] = ()
    seeds_compared: tuple[Comparison, ...] = ()
    context: EvaluationContext
    versions: dict[str, str]
    machine: dict[str, str | int]
    notes: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    reasons: ReasonCounts | None = None
