"""Write and read what a stack learned besides its members: their weights, and how common each item is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from llmrec.arrays import Int64s
from llmrec.data import Catalog
from llmrec.models.base import Recommender
from llmrec.models.stacking.conditional_logit import ConditionalLogit
from llmrec.models.stacking.features import LOGIT_KNOTS, N_CONTEXTS
from llmrec.models.tensors import floats, integers, read_tensors, require, tensor_header, write_tensors

WEIGHTS = "model.safetensors"
BY_KNOT = {"hinges", "knots"}


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
    by_context = floats(len(members), N_CONTEXTS, dtype="float64")
    by_knot = floats(len(members), len(LOGIT_KNOTS), dtype="float64")
    expected = {part.name: by_knot if part.name in BY_KNOT else by_context for part in fields(ConditionalLogit)}
    if not BY_KNOT & tensor_header(path).keys():  # a run of an earlier version
        expected = {name: expected[name] for name in expected.keys() - BY_KNOT}
    tensors = read_tensors(path, {**expected, "counts": integers(len(catalog))})
    require(len(names) == len(members), path, "its manifest does not name its members")
    require(all(member.catalog.ids == catalog.ids for member in members), path, "a member ranks other items")
    require(bool((tensors["counts"] >= 0).all()), path, "a count is negative")
    require(bool((tensors["scale"] > 0).all()), path, "a scale is not positive")
    nowhere = {name: np.zeros((len(members), 0)) for name in BY_KNOT - tensors.keys()}
    return ConditionalLogit(**{name: tensors[name] for name in expected}, **nowhere), tensors["counts"]
