"""FSDP: an LLM's blocks divided over processes, each gathered while it computes (Zhao et al. 2023).

Embeddings and heads stay whole on every process. It is PyTorch's FSDP2, which runs on CPUs, too; accelerate, whose
own does not, launches it and is then left out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from llmrec.config import Recipe
from llmrec.errors import InputError, RecipeError
from llmrec.training import distributed
from llmrec.training.distributed import size

if TYPE_CHECKING:
    from torch import nn

LAUNCHED, VERSION, RESHARD = "ACCELERATE_USE_FSDP", "FSDP_VERSION", "FSDP_RESHARD_AFTER_FORWARD"
DDP = "launch with --config_file finetune/accelerate/ddp.yaml"

# Whether these processes were launched for it; accelerate, which would wrap what is divided already, is not told.
_launched: list[bool] = []


def start(recipe: Recipe, *, n_histories: int) -> None:
    """Join the other processes that were launched with this one, see ``distributed.start``, for FSDP or DDP.

    Raises InputError and RecipeError also for what cannot be divided, where they were launched for FSDP.
    """
    if size() > 1 and (_launched or os.environ.get(LAUNCHED, "false").lower() == "true"):
        _check(recipe)
        os.environ[LAUNCHED] = "false"
        _launched[:] = [True]
    distributed.start(n_histories=n_histories)


def _check(recipe: Recipe) -> None:
    """Raise InputError and RecipeError for what cannot be divided."""
    if os.environ.get(VERSION, "2") != "2":
        raise InputError(
            f"FSDP version {os.environ[VERSION]} is not supported: set fsdp_version: 2 in the config file"
        )
    if not recipe.backbone.model_fields_set:
        raise InputError(f"model={recipe.model} has no blocks of an LLM for FSDP to divide: {DDP}")
    for field, refused in {
        "backbone.quantize": recipe.backbone.quantize != "none" and "none",
        "history.local_blocks": recipe.history.local_blocks and "0",
        "train.follow_steps": recipe.train.follow_steps and "0",
    }.items():
        if refused:
            raise RecipeError(f"{field} cannot be trained by FSDP: set {field}={refused}, or {DDP}")


def divides_blocks() -> bool:
    """Whether the blocks of an LLM are divided over these processes."""
    return size() > 1 and bool(_launched)


def are_divided(blocks: nn.Module) -> bool:
    """Whether ``divide_blocks`` has divided these."""
    if not divides_blocks():
        return False
    from torch.distributed.fsdp import FSDPModule

    return isinstance(blocks, FSDPModule)


def divide_blocks(network: nn.Module) -> None:
    """Divide each block of the LLM that reads the network's histories; all else of it stays as it is."""
    from torch import nn
    from torch.distributed.fsdp import fully_shard

    from llmrec.training.sharding import mesh

    net: Any = network
    depth = int(net.blocks.config.num_hidden_layers)
    lists = [one for one in net.blocks.modules() if isinstance(one, nn.ModuleList) and len(one) == depth]
    reshard = os.environ.get(RESHARD, "true").lower() != "false"
    options: dict[str, Any] = {"mesh": mesh(), "reshard_after_forward": reshard}
    for block in lists[0]:
        fully_shard(block, **options)
    inside = {id(value) for value in lists[0].parameters()}
    outside = {value for value in net.blocks.parameters() if id(value) not in inside}
    fully_shard(net.blocks, **options, ignored_params=outside)
