"""A causal LLM's blocks in two parts that run one after the other: the upper part has the final norm."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmrec.errors import ModelError
from llmrec.llm.backbone import transformer_blocks

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from torch import nn
    from transformers import PreTrainedModel

CHECKED = 8  # tokens that both parts must read as the whole does
TOLERANCE = 0.02  # of the largest state, also in half precision


@dataclass(frozen=True, eq=False)
class DividedBlocks:
    """Both parts share their weights with the model that was divided; ``embed`` looks tokens up."""

    lower: nn.Module
    upper: nn.Module
    embed: nn.Module

    @property
    def is_frozen(self) -> bool:
        """Whether nothing in the lower part is trained."""
        return not any(value.requires_grad for value in self.lower.parameters())


def divide(model: PreTrainedModel | PeftModel, n_lower: int) -> DividedBlocks:
    """Divide a model below its block number ``n_lower``. It goes on working as a whole, but for key-value caches.

    Raises ModelError where no block is left above, and for a model whose forward does more than to run blocks and
    a norm, as one that adds learned positions.
    """
    from torch import nn

    whole: Any = transformer_blocks(model)
    depth = int(whole.config.num_hidden_layers)
    if n_lower >= depth:
        raise ModelError(
            f"history.local_blocks={n_lower}, but this base model has {depth} blocks: at least one must read the "
            f"history; set at most {depth - 1}"
        )
    lists = [name for name, one in whole.named_children() if isinstance(one, nn.ModuleList) and len(one) == depth]
    norms = [name for name, one in whole.named_children() if _is_norm(one)]
    if len(lists) != 1 or len(norms) != 1:
        raise _indivisible(whole)
    blocks = list(getattr(whole, lists[0]))
    lower = _part(whole, {lists[0]: nn.ModuleList(blocks[:n_lower]), norms[0]: nn.Identity()}, slice(n_lower))
    upper = _part(whole, {lists[0]: nn.ModuleList(blocks[n_lower:])}, slice(n_lower, None))
    # A key-value cache of the upper part has a layer for each of its blocks, found by this number.
    for n, block in enumerate(blocks[n_lower:]):
        for module in block.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = n
    divided = DividedBlocks(lower, upper, model.get_input_embeddings())
    if not _alike(whole, divided):
        raise _indivisible(whole)
    return divided


def _part(whole: nn.Module, modules: dict[str, nn.Module], layers: slice) -> nn.Module:
    """Return a view of a model: everything shared but these modules, and what its config says of layers."""
    part: Any = copy.copy(whole)
    part.__dict__["_modules"] = {**whole._modules, **modules}
    part.config = copy.copy(whole.config)
    part.config.num_hidden_layers = len(next(iter(modules.values())))  # type: ignore[arg-type]
    if getattr(part.config, "layer_types", None):
        part.config.layer_types = part.config.layer_types[layers]
    return part  # type: ignore[no-any-return]


def _is_norm(module: nn.Module) -> bool:
    weight: torch.Tensor | None = getattr(module, "weight", None)
    return weight is not None and weight.dim() == 1


def _alike(whole: nn.Module, divided: DividedBlocks) -> bool:
    """Whether the parts, one after the other, give what the whole gives."""
    import torch

    device = next(whole.parameters()).device
    embedded = divided.embed(torch.arange(CHECKED, device=device)[None])
    with torch.no_grad():
        expected, states = (
            blocks(inputs_embeds=embedded, use_cache=False).last_hidden_state for blocks in (whole, divided.lower)
        )
        states = divided.upper(inputs_embeds=states, use_cache=False).last_hidden_state
    return bool((states - expected).abs().max() <= TOLERANCE * expected.abs().max())


def _indivisible(whole: Any) -> ModelError:
    return ModelError(
        f"history.local_blocks: the blocks of a {whole.config.model_type} model cannot be divided into lower and "
        "upper ones; choose another backbone.base, or set history.local_blocks=0"
    )
