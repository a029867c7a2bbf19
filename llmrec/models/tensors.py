"""Named arrays on disk, in safetensors: nothing in a run directory can execute code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from llmrec.arrays import Arrays
from llmrec.errors import ArtifactError

if TYPE_CHECKING:
    import torch

Tensors = dict[str, Arrays]

# As safetensors names them.
_DTYPES = {"F16": "float16", "F32": "float32", "F64": "float64", "I32": "int32", "I64": "int64", "BOOL": "bool"}


class Expected(NamedTuple):
    """The dtype and shape that an array must have; None for a length that nothing else says."""

    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('any' if size is None else str(size) for size in self.shape)}]"


def floats(*shape: int | None, dtype: Literal["float32", "float64"] = "float32") -> Expected:
    """Expect an array of finite numbers."""
    return Expected(dtype, shape)


def integers(*shape: int | None) -> Expected:
    """Expect an array of int64."""
    return Expected("int64", shape)


def expected_state(state: Mapping[str, torch.Tensor]) -> dict[str, Expected]:
    """Expect the dtypes and shapes of a network's tensors."""
    return {
        name: Expected(str(value.dtype).removeprefix("torch."), tuple(value.shape))
        for name, value in state.items()
    }


def write_tensors(path: Path, tensors: Mapping[str, Arrays]) -> None:
    """Write arrays of any numeric dtype."""
    from safetensors.numpy import save_file

    save_file({name: _contiguous(array) for name, array in tensors.items()}, path)


def read_tensors(path: Path, expected: Mapping[str, Expected] | None = None) -> Tensors:
    """Read what ``write_tensors`` wrote.

    Raises ArtifactError for a damaged file. With ``expected`` also for other names, dtypes or shapes, which are
    compared before an array is read, and for NaN and infinity.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if expected is not None:
        check_header(path, tensor_header(path), expected)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it or train again") from error
    return tensors if expected is None else {name: _finite(array, name, path) for name, array in tensors.items()}


def read_tensor(path: Path, name: str, expected: Expected) -> Arrays:
    """Read one array of a file. Raises ArtifactError as ``read_tensors`` does."""
    from safetensors import safe_open

    header = tensor_header(path)
    check_header(path, {name: header[name]} if name in header else {}, {name: expected})
    with safe_open(path, framework="numpy") as file:
        array: Arrays = file.get_tensor(name)
    return _finite(array, name, path)


def tensor_header(path: Path) -> dict[str, Expected]:
    """Read the names, dtypes and shapes of a file's arrays, not their values. Raises ArtifactError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            return {
                name: Expected(_DTYPES.get(part.get_dtype(), part.get_dtype()), tuple(part.get_shape()))
                for name, part in parts.items()
            }
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it or train again") from error


def check_header(path: Path, header: Mapping[str, Expected], expected: Mapping[str, Expected]) -> None:
    """Raise ArtifactError unless a file has arrays of these names, dtypes and shapes, and no others."""
    for name in sorted(header.keys() ^ expected.keys()):
        verb = "lacks" if name in expected else "holds also"
        raise ArtifactError(
            f"{path} is not of this recipe's model, or of another version of llmrec: it {verb} '{name}'; restore "
            "it or train again"
        )
    for name, wanted in expected.items():
        there = header[name]
        fits = len(there.shape) == len(wanted.shape) and all(
            size is None or size == other for size, other in zip(wanted.shape, there.shape, strict=True)
        )
        if there.dtype != wanted.dtype or not fits:
            raise ArtifactError(
                f"{path} is not of this recipe's model and items: '{name}' is {there}, not {wanted}; "
                "restore it or train again"
            )


def require(correct: bool, path: Path, problem: str) -> None:
    """Raise ArtifactError for values that no training writes."""
    if not correct:
        raise ArtifactError(f"{path} is damaged: {problem}; restore it or train again")


def _finite(array: Arrays, name: str, path: Path) -> Arrays:
    whole = not np.issubdtype(array.dtype, np.inexact) or bool(np.isfinite(array).all())
    require(whole, path, f"'{name}' holds NaN or infinity")
    return array


def require_rows(starts: Arrays, codes: Arrays, weights: Arrays, *, n_items: int, path: Path) -> None:
    """Raise ArtifactError unless ``starts`` divide item codes with a weight each.

    scipy would look at memory that is not there.
    """
    require(len(weights) == len(codes), path, "the items of its rows have no weight each")
    require(are_offsets(starts, len(codes)), path, "its rows do not divide their items")
    require(are_codes(codes, n_items), path, "an item of its rows is none")


def are_offsets(values: Arrays, length: int) -> bool:
    """Whether ``values`` divide ``length`` rows: from 0 to ``length``, never down."""
    ends = len(values) and values[0] == 0 and values[-1] == length
    return bool(ends and are_codes(values, length + 1) and (np.diff(values) >= 0).all())


def are_codes(values: Arrays, n_items: int) -> bool:
    """Whether all ``values`` are item codes."""
    return bool(((values >= 0) & (values < n_items)).all())


def _contiguous(array: Arrays) -> Arrays:
    # numpy's ascontiguousarray would turn a scalar into a vector of one.
    return np.asarray(array, order="C")
