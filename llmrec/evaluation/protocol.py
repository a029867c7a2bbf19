"""Evaluation protocols: queries, candidates, metrics and tests, fixed in a file before anybody sees a number."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from llmrec.arrays import Float64s
from llmrec.data.splits.named import NAMED_SPLITS, strategy_of
from llmrec.errors import DataError, RecipeError
from llmrec.evaluation.significance import Interval, bootstrap
from llmrec.resources.shipped import folder


class EvaluationProtocol(BaseModel):
    """What is ranked (``split``, ``k``, ``candidates``) and how lists are judged. Frozen; no other fields.

    ``split``: the strategy of the splits it applies to, or ``any``. ``metrics``: names of registered metrics;
    verdicts go by the first. ``exclude_seen``: whether items of a history may not be recommended; ``auto``
    decides by how often the training data repeats items, alike for every model. ``candidates``: ``all`` ranks
    the catalog, ``new`` the items that were never trained on, and a number n one answer among n - 1 sampled
    items, see ``build_queries``; ``rows`` then bounds how many pairs of user and answer are ranked, by default
    all. ``question``: the task in plain words, for the report.

    >>> protocol = EvaluationProtocol.load("leave-last-out")
    >>> protocol.k, protocol.columns
    (10, ['ndcg@10', 'recall@10', 'mrr@10'])
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    split: str
    question: str
    k: Annotated[int, Field(gt=0)] = 10
    metrics: Annotated[tuple[str, ...], Field(min_length=1)] = ("ndcg", "recall", "mrr")
    exclude_seen: Literal["auto"] | bool = "auto"
    candidates: Literal["all", "new"] | Annotated[int, Field(ge=2)] = "all"
    # Fewer say little, as which others were drawn is chance as well.
    rows: Annotated[int, Field(ge=2000)] | None = None
    bootstrap_samples: Annotated[int, Field(ge=100)] = 2000
    permutations: Annotated[int, Field(ge=99)] = 9999
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _check_rows(self) -> Self:
        if self.rows is not None and not self.sampled:
            raise ValueError("rows is for sampled candidates; without them every user is ranked for")
        return self

    @classmethod
    def for_split(cls, name: str) -> EvaluationProtocol:
        """Load the protocol called as a split's strategy; a strategy without one is judged as all are by default.

        Raises DataError for a split that no strategy made.
        """
        strategy = strategy_of(name)
        if strategy in NAMED_SPLITS and strategy not in names():
            held_out = NAMED_SPLITS[strategy].held_out
            question = f"Held out: {held_out}. A model saw what came before, and ranked every item of the catalog."
            return cls(name=strategy, split=strategy, question=question)
        if strategy not in names():
            raise DataError(
                f"no protocol is made for '{name}' splits; there are {', '.join(names())}; pass one of your own: "
                f"EvaluationProtocol(name=..., split='{name}', question=...)"
            )
        return cls.load(strategy)

    @classmethod
    def load(cls, name: str) -> EvaluationProtocol:
        """Load a shipped protocol. Raises RecipeError naming the file and the field."""
        path = folder("eval/protocols") / f"{name}.yaml"
        if name not in names():
            raise RecipeError(f"no protocol '{name}'; there are {', '.join(names())}")
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except yaml.YAMLError as error:
            raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise RecipeError(f"{path}: {field}: {first['msg']} (got {first['input']!r})") from error

    def applies_to(self, split: str) -> bool:
        """Whether models may be judged so on a split of this name."""
        return self.split in ("any", split, strategy_of(split))

    def interval(self, values: Float64s) -> Interval:
        """Return the mean over users of ``values`` [n_users] with its interval by bootstrap."""
        return bootstrap(values, samples=self.bootstrap_samples, level=self.level, seed=self.seed)

    @property
    def sampled(self) -> bool:
        """Whether a few candidates are sampled instead of ranking all items."""
        return isinstance(self.candidates, int)

    @property
    def columns(self) -> list[str]:
        """Metric columns in order, e.g. ``ndcg@10``; verdicts go by the first."""
        return [f"{metric}@{self.k}" for metric in self.metrics]


def names() -> list[str]:
    """Return the names of the shipped protocols."""
    return sorted(path.stem for path in folder("eval/protocols").glob("*.yaml"))
