"""The event fields and tasks of a model in its run directory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from llmrec.config import Recipe
from llmrec.data.responses.count_features import CountFeatures
from llmrec.data.responses.field_bins import EventBins
from llmrec.data.responses.task_set import TaskSet
from llmrec.errors import ArtifactError
from llmrec.models.responses.fields import EventFields
from llmrec.models.tensors import Tensors, read_tensors, write_tensors

NAME = "event_fields.json"
COUNT_FEATURES = "count_features.safetensors"


class _EventFieldsFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    bins: EventBins
    tasks: TaskSet
    prices: tuple[float, ...] | None  # None: all 1
    count_features: tuple[str, ...] | None = None  # the columns that are counted; None: there are none


def write_fields(fields: EventFields, folder: Path) -> None:
    """Write the fields, where a model reads or predicts any."""
    if not (fields.bins.fields or fields.tasks.specs):
        return
    prices = tuple(float(price) for price in fields.prices) if (fields.prices != 1).any() else None
    count_features = fields.count_features
    names = None if count_features is None else count_features.names
    saved = _EventFieldsFile(bins=fields.bins, tasks=fields.tasks, prices=prices, count_features=names)
    if count_features is not None:
        arrays: Tensors = {
            "totals": count_features.totals,
            "means": count_features.means,
            "edges": count_features.edges,
        }
        write_tensors(folder / COUNT_FEATURES, arrays)
    (folder / NAME).write_text(saved.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_fields(folder: Path, recipe: Recipe, *, n_items: int) -> EventFields:
    """Read what ``write_fields`` wrote. Raises ArtifactError for a file that is missing or damaged."""
    prices = np.ones(n_items, dtype=np.float32)
    if not (recipe.history.events or recipe.tasks):
        return EventFields(EventBins(fields=()), TaskSet(specs=()), None, prices)
    try:
        saved = _EventFieldsFile.model_validate_json((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ArtifactError(f"{folder / NAME} is missing or damaged; restore it or train again") from error
    if saved.prices is not None:
        prices = np.array(saved.prices, dtype=np.float32)
    count_features = None
    if saved.count_features is not None:
        count_features = CountFeatures(saved.count_features, **read_tensors(folder / COUNT_FEATURES))
    return EventFields(saved.bins, saved.tasks, count_features, prices)
