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
from llmrec.training.collectives import gathered, summed
from llmrec.training.distributed import is_first, rank, size

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


# Numbers of a divided tensor that each process sends at once.
SENT_AT_ONCE = 2**20


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
    return _all_rows(value, value.device, held=True) if is_divided(value) else value.detach()


def whole_on_first(value: torch.Tensor) -> torch.Tensor:
    """Return all rows on the first rank's CPU, without gradient, and none of a divided tensor on the others.

    Every rank must call it for a divided tensor.
    """
    return _all_rows(value, torch.device("cpu"), held=is_first()) if is_divided(value) else value.detach().cpu()


def _all_rows(value: torch.Tensor, device: torch.device, *, held: bool) -> torch.Tensor:
    """Gather a divided tensor, some rows at a time: beside the result, where it is held, that takes little."""
    mine, most = local(value).detach(), -(-len(value) // size())
    rows = torch.empty((len(value) if held else 0, *value.shape[1:]), dtype=value.dtype, device=device)
    at_once = max(SENT_AT_ONCE * len(value) // max(value.numel(), 1), 1)
    for start in range(0, most, at_once):
        for n, part in enumerate(gathered(mine[start : start + at_once])):
            if held:
                rows[n * most + start :][: len(part)] = part
    return rows


def divided_like(value: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return all ``rows`` divided as ``value`` is: each rank copies those that it holds of it."""
    if not is_divided(value):
        return rows
    return _divided(rows[rows_of(len(rows))].to(value.device, value.dtype, copy=True), value)


def divide(module: nn.Module, name: str) -> None:
    """Replace a parameter, equal on all ranks, by one of which this process holds its rows."""
    value = getattr(module, name).detach()
    rows = value[rows_of(len(value))].clone()  # a view would hold all of it
    setattr(module, name, nn.Parameter(_divided(rows, value)))


def _divided(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return a divided tensor of the shape of ``like``, of which this process holds ``rows``."""
    from torch.distributed.tensor import DTensor, Shard

    shape, stride = like.shape, like.stride()
    return DTensor.from_local(rows, mesh(), [Shard(0)], run_check=False, shape=shape, stride=stride)


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
