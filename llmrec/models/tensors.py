"""Named arrays on disk, in safetensors: nothing in a run directory can execute code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from llmrec.arrays import Arrays
from llmrec.errors import ArtifactError

Tensors = dict[str, Arrays]


def write_tensors(path: Path, tensors: Mapping[str, Arrays]) -> None:
    """Write arrays of any numeric dtype."""
    from safetensors.numpy import save_file

    save_file({name: _contiguous(array) for name, array in tensors.items()}, path)


def read_tensors(path: Path) -> Tensors:
    """Read what ``write_tensors`` wrote. Raises ArtifactError for a damaged file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it or train again") from error


def _contiguous(array: Arrays) -> Arrays:
    # numpy's ascontiguousarray would turn a scalar into a vector of one.
    return np.asarray(array, order="C")
