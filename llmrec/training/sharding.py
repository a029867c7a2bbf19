"""Parameters that are divided over the processes of a training: each holds, updates and clears its rows of them.

A divided parameter is a DTensor, those that FSDP makes among them; every other is whole and equal on all ranks.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from llmrec.runtime import device_name
from llmrec.training.collectives import summed
from llmrec.training.distributed import rank, size

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


@cache
def mesh() -> DeviceMesh:
    """Return all processes in a row, as divided parameters name them."""
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh(device_name(), (size(),))


def is_divided(value: torch.Tensor) -> bool:
    """Whether a tensor's rows are divided over processes."""
    if size() == 1:
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(value, DTensor)


def rows_of(n: int) -> slice:
    """Return which of ``n`` rows this process holds: an equal number each, the last ones less or none."""
    most = -(-n // size())
    return slice(min(rank() * most, n), min((rank() + 1) * most, n))


def local(value: torch.Tensor) -> torch.Tensor:
    """Return the rows that this process holds, with their gradient; the tensor itself if it is whole."""
    divided: Any = value
    return cast("torch.Tensor", divided.to_local()) if is_divided(value) else value


def whole(value: torch.Tensor) -> torch.Tensor:
    """Return all rows, without gradient; every rank must call it for a divided tensor."""
    divided: Any = value.detach()
    return cast("torch.Tensor", divided.full_tensor()) if is_divided(value) else divided


def divided_like(value: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return all ``rows`` divided as ``value`` is: each rank takes those that it holds of it."""
    if not is_divided(value):
        return rows
    from torch.distributed.tensor import distribute_tensor

    like: Any = value
    moved = rows.to(value.device, value.dtype)
    return distribute_tensor(moved, like.device_mesh, like.placements, src_data_rank=None)


def divide(module: nn.Module, name: str) -> None:
    """Replace a parameter, equal on all ranks, by one of which this process holds its rows."""
    from torch.distributed.tensor import DTensor, Shard

    value = getattr(module, name).detach()
    rows = value[rows_of(len(value))].clone()  # a view would hold all of it
    shape, stride = value.shape, value.stride()
    divided = DTensor.from_local(rows, mesh(), [Shard(0)], run_check=False, shape=shape, stride=stride)
    setattr(module, name, nn.Parameter(divided))


def equalize(parameters: Iterable[nn.Parameter]) -> None:
    """Give all ranks the first one's values, as DDP does at its start."""
    for value in parameters:
        torch.distributed.broadcast(value.data, 0)


def average_gradients(network: nn.Module) -> None:
    """Replace gradients of whole parameters by their means over ranks; those of divided ones are means already.

    What has no gradient on any rank keeps none: an optimizer passes it over.
    """
    values = [one for one in network.parameters() if one.requires_grad and not is_divided(one)]
    if not values:
        return
    has = torch.tensor([one.grad is not None for one in values], dtype=torch.int64, device=values[0].device)
    trained = [value for value, n in zip(values, summed(has).tolist(), strict=True) if n]
    for dtype in dict.fromkeys(value.dtype for value in trained):
        same = [value for value in trained if value.dtype == dtype]
        for value in same:
            value.grad = torch.zeros_like(value) if value.grad is None else value.grad
        flat = torch.cat([cast("torch.Tensor", value.grad).flatten() for value in same])
        parts = (summed(flat) / size()).split([value.numel() for value in same])
        for value, part in zip(same, parts, strict=True):
            cast("torch.Tensor", value.grad).copy_(part.view_as(value))
