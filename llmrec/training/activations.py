"""What a forward pass holds for the gradient, in bytes; and a batch on the device that trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def noted_activations(network: torch.nn.Module) -> Iterator[list[int]]:
    """Collect the bytes of each tensor that the block's passes hold for the gradient, besides the weights."""
    seen = {value.untyped_storage().data_ptr() for value in (*network.parameters(), *network.buffers())}
    sizes = list[int]()

    def note(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            sizes.append(storage.nbytes())
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        yield sizes


def moved(tensors: Any, device: str) -> Any:
    """Return a batch, which may hold batches of labels, on a device."""
    if isinstance(tensors, dict):
        return {name: moved(value, device) for name, value in tensors.items()}
    return tensors.to(device) if isinstance(tensors, torch.Tensor) else tensors
