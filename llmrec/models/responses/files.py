"""The event fields and tasks of a model in its run directory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from llmrec.config import Recipe, ResponsesConfig
from llmrec.data.columns import BEHAVIOR
from llmrec.data.responses.count_features import BINS, CountFeatures, n_features
from llmrec.data.responses.field_bins import EventBins, FieldBins
from llmrec.data.responses.task import TaskSpec
from llmrec.data.responses.task_set import TaskSet
from llmrec.errors import ArtifactError
from llmrec.models.responses.fields import EventFields
from llmrec.models.tensors import Tensors, floats, read_tensors, require, write_tensors
from llmrec.resources.bounded import UnreadableError, read_text

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
    path = folder / NAME
    try:
        saved = _EventFieldsFile.model_validate_json(read_text(path))
    except (OSError, UnreadableError, ValidationError) as error:
        raise ArtifactError(f"{path} is missing or damaged; restore it or train again") from error
    names = [field.name for field in saved.bins.fields], saved.tasks.names
    require(names == (recipe.history.events, list(dict.fromkeys(recipe.tasks))), path, "it is of another recipe")
    for field in saved.bins.fields:
        require(_sound_bins(field), path, f"the bins of '{field.name}' are none")
    require(math.prod(saved.bins.sizes) < 2**31, path, "it has too many bins")
    for spec in saved.tasks.specs:
        require(_sound_spec(spec, recipe.responses), path, f"the task '{spec.name}' cannot have been fitted so")
    if saved.prices is not None:
        prices = np.array(saved.prices, dtype=np.float32)
        require(len(prices) == n_items, path, f"it has {len(prices)} prices for {n_items} items")
        require(bool(np.isfinite(prices).all() and (prices > 0).all()), path, "a price is none")
    counted = bool(recipe.tasks and recipe.responses.count_features)
    require(counted == (saved.count_features is not None), path, "it is of another recipe")
    features = None if saved.count_features is None else _read_counts(folder, saved.count_features, n_items)
    return EventFields(saved.bins, saved.tasks, features, prices)


def _read_counts(folder: Path, names: tuple[str, ...], n_items: int) -> CountFeatures:
    expected = {
        "totals": floats(n_items, 2 * (1 + len(names)), dtype="float64"),
        "means": floats(1 + len(names), dtype="float64"),
        "edges": floats(n_features(len(names)), BINS + 1),
    }
    return CountFeatures(names, **read_tensors(folder / COUNT_FEATURES, expected))


def _sound_bins(field: FieldBins) -> bool:
    """Whether bins are words, each once, or numbers between rising bounds."""
    if field.name == BEHAVIOR:
        return len(set(field.words)) == len(field.words) and not (field.bounds or field.values)
    bounds = np.array(field.bounds)
    rising = bool(np.isfinite(bounds).all() and (np.diff(bounds) > 0).all())
    return rising and len(field.values) == len(bounds) + 1 and _finite(field.values) and not field.words


def _sound_spec(spec: TaskSpec, settings: ResponsesConfig) -> bool:
    """Whether a task can have been fitted so: of its kind, with as many priors and values as levels."""
    bare = spec.task.spec((), settings)
    n, leveled = len(spec.levels), spec.kind != "number"
    return (
        spec.kind == bare.kind
        and n >= max(len(bare.levels), int(leveled))
        and len(spec.values) in ({n} if spec.kind == "ordinal" or bare.values else {0, n})
        and len(spec.prior) in ({n} if leveled else {0, n})
        and all(0 < share <= 1 for share in spec.prior)
        and _finite((*spec.values, spec.mean, spec.scale, spec.low, spec.high))
        and spec.scale > 0
        and spec.low <= spec.high
    )


def _finite(numbers: Sequence[float]) -> bool:
    return all(map(math.isfinite, numbers))
