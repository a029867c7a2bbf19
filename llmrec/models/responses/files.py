"""The tasks and event levels of a model in its run directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from llmrec.data.responses.count_features import CountedFeatures
from llmrec.data.responses.field_bins import EventLevels
from llmrec.data.responses.tasks import TaskSet
from llmrec.errors import ArtifactError
from llmrec.models.tensors import Tensors, read_tensors, write_tensors

if TYPE_CHECKING:
    from llmrec.models.responses.recommender import RespondingRecommender

NAME = "responses.json"
COUNTED = "counted.safetensors"


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: EventLevels
    tasks: TaskSet
    prices: tuple[float, ...] | None  # None: all 1
    counted: tuple[str, ...] | None = None  # the columns of what is counted; None: nothing is


def write_fields(model: RespondingRecommender, folder: Path) -> None:
    """Write what a model knows of events, if it reads or predicts anything of them."""
    if not (model.levels.fields or model.tasks.specs):
        return
    valued = model.recipe.responses.rank_by == "value"
    prices = tuple(float(price) for price in model.prices) if valued else None
    counted = model.counted
    names = None if counted is None else counted.names
    kept = _Kept(levels=model.levels, tasks=model.tasks, prices=prices, counted=names)
    if counted is not None:
        arrays: Tensors = {"totals": counted.totals, "usual": counted.usual, "edges": counted.edges}
        write_tensors(folder / COUNTED, arrays)
    (folder / NAME).write_text(kept.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_fields(model: RespondingRecommender, folder: Path) -> None:
    """Read what ``write_fields`` wrote. Raises ArtifactError for a file that is missing or damaged."""
    model.levels, model.tasks, model.counted = EventLevels(fields=()), TaskSet(specs=()), None
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
    if kept.counted is not None:
        model.counted = CountedFeatures(kept.counted, **read_tensors(folder / COUNTED))
