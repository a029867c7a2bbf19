"""Items divided over the processes of a training: each has a share of their vectors, and of the logits.

For a catalog so large that a table of it, with gradient and optimizer, is most of what a process holds. While a
network is validated, and after training, its tables are whole again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from llmrec.training.collectives import gathered, summed
from llmrec.training.distributed import rank, size
from llmrec.training.sharding import divide, is_divided, local, rows_of, whole

# Several processes divide a catalog from so many items on, unless a recipe says otherwise.
DIVIDED_FROM = 100_000


class _LookedUp(NamedTuple):
    """Rows of a divided table that this process has read: their gradient belongs to those who hold them."""

    table: nn.Parameter
    codes: list[torch.Tensor]  # of all ranks
    vectors: torch.Tensor  # of this one


_looked_up: list[_LookedUp] = []


def divides_items(network: nn.Module, wanted: bool | None) -> bool:
    """Whether the items of a network are to be divided: as ``wanted``, else by their number."""
    if size() == 1 or not hasattr(network, "item_tables"):
        return False
    return wanted if wanted is not None else _n_items(network) >= DIVIDED_FROM


def divide_items(network: nn.Module) -> None:
    """Divide the network's ``item_tables``, and let it know the codes whose logits this process computes."""
    net: Any = network
    tables = [network.get_parameter(name) for name in net.item_tables]
    # A table may have rows after those of the items, which are not among the logits.
    rows = rows_of(max([len(table) for table in tables], default=_n_items(network)))
    net.share = slice(min(rows.start, _n_items(network)), min(rows.stop, _n_items(network)))
    for name in net.item_tables:
        module, _, attribute = name.rpartition(".")
        divide(network.get_submodule(module), attribute)


@contextmanager
def undivided(network: nn.Module) -> Iterator[None]:
    """Give the network whole tables for the length of the block; every rank must enter it."""
    net: Any = network
    share = getattr(net, "share", None)
    if share is None:
        yield
        return
    tables = {name: network.get_parameter(name) for name in net.item_tables}
    unite_items(network)
    try:
        yield
    finally:
        net.share = share
        for name, table in tables.items():
            _set(network, name, table)


def unite_items(network: nn.Module) -> None:
    """Make the network's tables whole again, on every rank."""
    net: Any = network
    if getattr(net, "share", None) is None:
        return
    for name in net.item_tables:
        _set(network, name, nn.Parameter(whole(network.get_parameter(name))))
    net.share = None


def embedding(codes: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Look up rows of a table, divided or whole: [..., width]. Of a divided one all ranks must, in one order."""
    if not is_divided(table):
        return functional.embedding(codes, table)
    assert isinstance(table, nn.Parameter)
    read, inverse = torch.unique(codes, return_inverse=True)
    by_rank = gathered(read)
    rows, held = rows_of(len(table)), local(table).detach()
    everything = torch.cat(by_rank)
    here = (everything >= rows.start) & (everything < rows.stop)
    vectors = held.new_zeros((len(everything), held.shape[1]))
    vectors[here] = held[everything[here] - rows.start]
    mine = summed(vectors).split([len(one) for one in by_rank])[rank()].clone()
    if torch.is_grad_enabled():
        _looked_up.append(_LookedUp(table, by_rank, mine.requires_grad_()))
    return functional.embedding(inverse, mine)


def share_of(table: torch.Tensor) -> torch.Tensor:
    """Return the rows of a divided table that this process holds: [n, width].

    Each rank computes their gradient from the whole batch; it is divided by the number of ranks, as the means are
    that the others' gradients are replaced by.
    """
    rows = local(table)
    if rows.requires_grad:
        rows.register_hook(lambda gradient: gradient / size())
    return rows


def collect_gradients() -> None:
    """Add the gradients of rows that were looked up to the tables, on the ranks that hold them."""
    for table, by_rank, vectors in _looked_up:
        gradient = torch.zeros_like(vectors) if vectors.grad is None else vectors.grad
        of_rows, codes = torch.cat(gathered(gradient)), torch.cat(by_rank)
        rows = rows_of(len(table))
        here = (codes >= rows.start) & (codes < rows.stop)
        if table.grad is None:
            table.grad = torch.zeros_like(table)
        with torch.no_grad():
            local(table.grad).index_add_(0, codes[here] - rows.start, of_rows[here] / size())
    _looked_up.clear()


def _n_items(network: nn.Module) -> int:
    return len(network.get_parameter("bias"))


def _set(network: nn.Module, name: str, value: nn.Parameter) -> None:
    module, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(module), attribute, value)
