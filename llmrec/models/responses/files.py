"""The tasks and event levels of a model in its run directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from llmrec.data.responses.count_features import CountFeatures
from llmrec.data.responses.field_bins import EventLevels
from llmrec.data.responses.tasks import TaskSet
from llmrec.errors import ArtifactError
from llmrec.models.tensors import Tensors, read_tensors, write_tensors

if TYPE_CHECKING:
    from llmrec.models.responses.recommender import RespondingRecommender

NAME = "responses.json"
COUNT_FEATURES = "counted.safetensors"


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: EventLevels
    tasks: TaskSet
    prices: tuple[float, ...] | None  # None: all 1
    count_features: tuple[str, ...] | None = None  # the columns of what is counted; None: nothing is


def write_fields(model: RespondingRecommender, folder: Path) -> None:
    """Write what a model knows of events, if it reads or predicts anything of them."""
    if not (model.levels.fields or model.tasks.specs):
        return
    valued = model.recipe.responses.rank_by == "value"
    prices = tuple(float(price) for price in model.prices) if valued else None
    count_features = model.count_features
    names = None if count_features is None else count_features.names
    kept = _Kept(levels=model.levels, tasks=model.tasks, prices=prices, count_features=names)
    if count_features is not None:
        arrays: Tensors = {
            "totals": count_features.totals,
            "usual": count_features.usual,
            "edges": count_features.edges,
        }
        write_tensors(folder / COUNT_FEATURES, arrays)
    (folder / NAME).write_text(kept.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_fields(model: RespondingRecommender, folder: Path) -> None:
    """Read what ``write_fields`` wrote. Raises ArtifactError for a file that is missing or damaged."""
    model.levels, model.tasks, model.count_features = EventLevels(fields=()), TaskSet(specs=()), None
    model.prices = np.ones(len(model.catalog), dtype=np.float32)
    if not (model.recipe.history.events or model.recipe.tasks):
        return
    try:
        kept = _Kept.model_validate_json((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ArtifactError(f"{folder / NAME} is missing or damaged; restore it or train again") from error
    model.levels, model.tasks = kept.levels, kept.tasks
    if kept.prices is not None:
        model.prices = np.array(kept.prices, dtype=np.float32)
    if kept.count_features is not None:
        model.count_features = CountFeatures(kept.count_features, **read_tensors(folder / COUNT_FEATURES))
