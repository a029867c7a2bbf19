"""Modules of which only the shapes are wanted, or whose values come from a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def shapes_only() -> Iterator[None]:
    """Let modules that are made in the block have the sizes of their tensors, but no memory and no values.

    PyTorch itself would draw values for nothing, and import its compiler to do so: over a second.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class NotDrawn(TorchFunctionMode):
        """Passes over ``torch.nn.init``, whose functions return their first argument."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__module__", None) == "torch.nn.init":
                return args[0] if args else kwargs["tensor"]
            return func(*args, **(kwargs or {}))

    with torch.device("meta"), NotDrawn():
        yield
