"""Names of the array types in signatures, each once; shapes stand in the docstrings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Int8s = npt.NDArray[np.int8]
Int16s = npt.NDArray[np.int16]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt8s = npt.NDArray[np.uint8]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]
# Of any width.
Floatings = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]
Numbers = npt.NDArray[np.number]
# Of any dtype.
Arrays = npt.NDArray[Any]
