"""How the parameters of a training lie on its processes: whole on each, or blocks of an LLM or items divided."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from llmrec.training.distributed import size, sums
from llmrec.training.fsdp import divide_blocks, divides_blocks
from llmrec.training.item_shards import collect_gradients, divide_items, divides_items, undivided, unite_items
from llmrec.training.sharding import (
    average_gradients,
    divided_like,
    equalize,
    is_divided,
    local,
    whole_on_first,
)

log = logging.getLogger(__name__)

Groups = list[dict[str, Any]]
OptimizerState = dict[str, Any]


@dataclass(frozen=True)
class Division:
    """What is divided of a network: the ``blocks`` of its LLM, its ``items``; neither in one process or DDP."""

    network: nn.Module
    blocks: bool
    items: bool

    @classmethod
    def of(cls, network: nn.Module, *, shard_items: bool | None) -> Division:
        """Decide it: blocks as launched, items as the recipe has it or by their number."""
        return cls(network, divides_blocks(), divides_items(network, shard_items))

    @property
    def is_divided(self) -> bool:
        """Whether anything is divided: then gradients are joined here, not by DDP."""
        return self.blocks or self.items

    def recorded(self) -> dict[str, str]:
        """Return what a run says of it: what is divided, if anything."""
        divided = [name for name, is_so in (("blocks", self.blocks), ("items", self.items)) if is_so]
        return {"divided": " and ".join(divided)} if divided else {}

    def apply(self, groups: Groups) -> None:
        """Divide what is to be divided, and put the parameters that are now there into the optimizer's groups."""
        if not self.is_divided:
            return
        names = {id(value): name for name, value in self.network.named_parameters()}
        equalize(value for value in self.network.parameters() if value.requires_grad)
        if self.blocks:
            divide_blocks(self.network)
        if self.items:
            divide_items(self.network)
        log.info("divided over %d processes: the %s", size(), self.recorded()["divided"])
        # accelerate then leaves the network as it is: DDP would refuse it.
        network: Any = self.network
        network._is_accelerate_prepared = True
        values = dict(self.network.named_parameters())
        for group in groups:  # in place: whoever made them must not hold the whole ones
            group["params"] = [values[names[id(one)]] for one in group["params"]]

    def join_gradients(self) -> None:
        """Make gradients those of the whole batch, before a step."""
        if self.is_divided:
            collect_gradients()
            average_gradients(self.network)

    @contextmanager
    def undivided_items(self) -> Iterator[None]:
        """Give the network whole tables of items; every rank must enter it."""
        with undivided(self.network):
            yield

    def unite_items(self) -> None:
        """Make the tables of items whole for good."""
        unite_items(self.network)

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> OptimizerState:
        """Return on the first rank the state that an optimizer of one process would have, on the CPU.

        Every rank must call it; what the others get lacks what is divided.
        """
        state = optimizer.state_dict()
        values = {
            n: {
                name: whole_on_first(one) if isinstance(one, torch.Tensor) else one for name, one in of_one.items()
            }
            for n, of_one in sorted(state["state"].items())
        }
        return {"state": values, "param_groups": [{**group, "foreach": True} for group in state["param_groups"]]}

    def load_optimizer_state(self, optimizer: torch.optim.Optimizer, state: OptimizerState) -> None:
        """Give an optimizer copies of this process's rows of what ``optimizer_state`` returned."""
        parameters = [value for group in optimizer.param_groups for value in group["params"]]
        for n, of_one in state["state"].items():
            like = parameters[n]
            for name, one in of_one.items():
                has_rows = is_divided(like) and one.shape == like.shape
                of_one[name] = divided_like(like, one) if has_rows else one.clone()
        optimizer.load_state_dict(state)
        for group in optimizer.param_groups:
            group["foreach"] = False

    def is_finite(self) -> bool:
        """Whether no trained weight of any process is NaN or infinite."""
        with torch.no_grad():
            trained = [local(value) for value in self.network.parameters() if value.requires_grad]
            return not any(sums(sum(not bool(torch.isfinite(value).all()) for value in trained)))
