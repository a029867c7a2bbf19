"""The language-model loss on titles: in a serialized history the next title is the next text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from llmrec.llm.backbone import language_logits
from llmrec.training.chunked import sum_in_parts
from llmrec.training.distributed import batch_count

if TYPE_CHECKING:
    from peft import PeftModel

# A vocabulary of 50,000 in float32: the logits of this many title tokens take 400 MB, and only once.
TITLES_AT_ONCE = 2048


def title_loss(
    model: PeftModel,
    hidden: torch.Tensor,
    tokens: torch.Tensor,
    starts: torch.Tensor,
    labels: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean next-token loss over the tokens [n, length] from each row's position ``starts`` [n] on.

    ``hidden`` [n, length, hidden] are the model's last states; ``labels`` [n, length]: which tokens count, of all.
    """
    is_target = (tokens >= 0) & (torch.arange(tokens.shape[1], device=tokens.device) >= starts[:, None])
    if labels is not None:
        is_target = is_target & labels
    rows, positions = torch.nonzero(is_target, as_tuple=True)
    n = batch_count(len(rows))
    if not len(rows):
        return hidden[rows, positions].sum()  # 0, with a gradient
    states, targets = hidden[rows, positions - 1], tokens[rows, positions]

    def summed(states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(language_logits(model, states), targets, reduction="sum")

    # An adapter on the language model's head has a gradient through the logits, too: then these are held.
    if any(value.requires_grad for value in model.get_output_embeddings().parameters()):
        return summed(states, targets) / n
    return sum_in_parts(summed, states, targets, at_once=TITLES_AT_ONCE) / n
