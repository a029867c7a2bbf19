"""Write and read what a stack learned besides its members: their weights, and how common each item is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from llmrec.arrays import Int64s
from llmrec.data import Catalog
from llmrec.models.base import Recommender
from llmrec.models.stacking.conditional_logit import ConditionalLogit
from llmrec.models.stacking.features import N_CONTEXTS
from llmrec.models.tensors import floats, integers, read_tensors, require, write_tensors

WEIGHTS = "model.safetensors"


def write_weights(folder: Path, logit: ConditionalLogit, counts: Int64s) -> None:
    """Write the weights of members, and the training events of each item, ``counts`` [n_items]."""
    arrays = {part.name: getattr(logit, part.name) for part in fields(logit)}
    write_tensors(folder / WEIGHTS, {**arrays, "counts": counts})


def read_weights(
    folder: Path, members: Sequence[Recommender], catalog: Catalog, *, names: Sequence[str]
) -> tuple[ConditionalLogit, Int64s]:
    """Read what ``write_weights`` wrote; ``names`` are the members' in the run's manifest.

    Raises ArtifactError where it is damaged, or of other members or items.
    """
    path = folder / WEIGHTS
    numbers = floats(len(members), N_CONTEXTS, dtype="float64")
    expected = {part.name: numbers for part in fields(ConditionalLogit)}
    tensors = read_tensors(path, {**expected, "counts": integers(len(catalog))})
    require(len(names) == len(members), path, "its manifest does not name its members")
    require(all(member.catalog.ids == catalog.ids for member in members), path, "a member ranks other items")
    require(bool((tensors["counts"] >= 0).all()), path, "a count is negative")
    require(bool((tensors["scale"] > 0).all()), path, "a scale is not positive")
    return ConditionalLogit(**{name: tensors[name] for name in expected}), tensors["counts"]
