"""Protocols: how models are asked and judged, fixed in a file before anybody sees a number."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from llmrec.data.splits.named import strategy_of
from llmrec.errors import DataError, RecipeError
from llmrec.metrics import Metric
from llmrec.resources.shipped import folder


class EvaluationProtocol(BaseModel):
    """What is asked (``split``, ``k``, ``candidates``) and how answers are judged. Frozen; no other fields.

    ``split``: the way of cutting it applies to, or ``any``. ``metrics``: the first is the one verdicts go by.
    ``exclude_seen``: whether items of a history may not be recommended; ``auto`` decides by how often the
    training data repeats items, the same way for every model. ``candidates``: ``all`` ranks the catalog,
    ``new`` the items that were never trained on, and a number n one answer among n - 1 others, see
    ``questions``; ``rows`` then bounds how many pairs of user and answer are asked for, by default all.
    ``question``: the task in plain words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    split: str
    question: str
    k: Annotated[int, Field(gt=0)] = 10
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)] = ("ndcg", "recall", "mrr")
    exclude_seen: Literal["auto"] | bool = "auto"
    candidates: Literal["all", "new"] | Annotated[int, Field(ge=2)] = "all"
    # Fewer say little, as which others were drawn is chance as well.
    rows: Annotated[int, Field(ge=2000)] | None = None
    bootstrap_samples: Annotated[int, Field(ge=100)] = 2000
    permutations: Annotated[int, Field(ge=99)] = 9999
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    seed: int = 0

    @model_validator(mode="after")
    def _check_rows(self) -> Self:
        if self.rows is not None and not self.sampled:
            raise ValueError("rows is for sampled candidates; without them everybody is asked")
        return self

    @classmethod
    def for_split(cls, name: str) -> EvaluationProtocol:
        """Load the protocol called as the way in which a split was cut. Raises DataError where there is none."""
        way = strategy_of(name)
        if way not in names():
            raise DataError(
                f"no protocol is made for '{name}' splits; there are {', '.join(names())}; pass one of your own: "
                f"EvaluationProtocol(name=..., split='{name}', question=...)"
            )
        return cls.load(way)

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
        """Whether splits of this name may be judged so."""
        return self.split in ("any", split, strategy_of(split))

    @property
    def sampled(self) -> bool:
        """Whether a few candidates are drawn instead of ranking all there are."""
        return isinstance(self.candidates, int)

    @property
    def columns(self) -> list[str]:
        """Metric columns in order, e.g. ``ndcg@10``; the first is the one verdicts go by."""
        return [f"{metric}@{self.k}" for metric in self.metrics]


def names() -> list[str]:
    """Return the names of the shipped protocols."""
    return sorted(path.stem for path in folder("eval/protocols").glob("*.yaml"))
