"""The trained network: an adapted LLM reads a history once, every position guesses the next item."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from peft import PeftModel
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from llmrec.llm.backbone import encoder
from llmrec.training.objective import catalog_cross_entropy

# A vocabulary of 50,000 in float32: the logits of this many title tokens take 400 MB, and only once.
TITLES_AT_ONCE = 2048


@dataclass(frozen=True)
class HeadShape:
    """The sizes and switches of the head (see ``config.Head``)."""

    dim: int
    temperature: float
    item_dropout: float
    id_residual: bool
    dropout: float
    slot_scale: float


class ItemTower(nn.Module):
    """``v_i = normalize(MLP(text_i) + g * id_i)``: text gives every item a place, the id what text misses.

    In training the id of whole items is dropped at random, so that an item never seen is scored by its text.
    """

    texts: torch.Tensor
    known: torch.Tensor

    def __init__(self, texts: torch.Tensor, known: torch.Tensor, shape: HeadShape) -> None:
        super().__init__()
        self.register_buffer("texts", texts)
        # As a mere negative an item would only ever be pushed away: without an event it has no residual.
        self.register_buffer("known", known[:, None])
        width = texts.shape[1]
        self.text = nn.Sequential(nn.Linear(width, shape.dim), nn.GELU(), nn.Linear(shape.dim, shape.dim))
        self.ids = nn.Embedding(len(texts), shape.dim) if shape.id_residual else None
        self.gate = nn.Parameter(torch.ones(()))
        self.dropout = shape.item_dropout
        if self.ids is not None:
            nn.init.normal_(self.ids.weight, std=shape.dim**-0.5)

    def forward(self) -> torch.Tensor:
        """Return every item's vector before normalization, [n_items, dim]."""
        vectors: torch.Tensor = self.text(self.texts)
        if self.ids is None:
            return vectors
        residual = self.gate * self.ids.weight * self.known
        if self.training and self.dropout:
            kept = torch.rand(len(residual), 1, device=residual.device) >= self.dropout
            residual = residual * kept
        return vectors + residual


class NextItemNetwork(nn.Module):
    """Scores ``s(u, i) = tau * cos(W u, v_i) + b_i`` with ``u`` the LLM's hidden state after an item."""

    def __init__(
        self, model: PeftModel, texts: torch.Tensor, counts: torch.Tensor, shape: HeadShape,
        *, title_loss: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.model = model
        tokens = model.get_input_embeddings().weight
        hidden = tokens.shape[1]
        self.items = ItemTower(texts, counts > 0, shape)
        self.user = nn.Linear(hidden, shape.dim)
        self.slot = nn.Linear(shape.dim, hidden)
        self.dropout = nn.Dropout(shape.dropout)
        self.log_temperature = nn.Parameter(torch.tensor(shape.temperature).log())
        self.bias = nn.Parameter(((counts + 1) / (counts + 1).sum()).log())
        self.title_loss = title_loss
        # Blocks normalize what they read, so a slot's size does not change what they see of it. It changes how
        # much of the item the residual stream carries to the readout: at token size the blocks drown it.
        self.slot_size = shape.slot_scale * float(tokens.detach().float().pow(2).mean().sqrt())

    def item_vectors(self) -> torch.Tensor:
        """Return ``v_i``, unit length, [n_items, dim]."""
        return functional.normalize(self.items(), dim=-1)

    def hidden(self, tokens: torch.Tensor, slots: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Run the LLM over serialized histories. Returns [n, length, hidden] in float32.

        Padding stands right of everything, where causal attention never looks back from: no mask is needed.
        """
        embedded = self.model.get_input_embeddings()(tokens.clamp(min=0))
        if bool((slots >= 0).any()):
            entered = self.slot(vectors)
            rms = entered.pow(2).mean(-1, keepdim=True).add(1e-8).rsqrt()
            entered = (entered * rms * self.slot_size).to(embedded.dtype)
            # embedding, not indexing: the gradient of an index is summed in any order, and differs run by run.
            chosen = self.dropout(functional.embedding(slots.clamp(min=0), entered))
            embedded = torch.where((slots >= 0)[..., None], chosen, embedded)
        output = encoder(self.model)(inputs_embeds=embedded, use_cache=False)
        states: torch.Tensor = output.last_hidden_state
        return states.float()

    def users(self, states: torch.Tensor) -> torch.Tensor:
        """Project hidden states to unit user vectors, [..., dim]."""
        return functional.normalize(self.user(states), dim=-1)

    def scores(self, users: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Score every item: [..., n_items]."""
        return self.log_temperature.exp() * users @ vectors.T + self.bias

    def forward(
        self, tokens: torch.Tensor, slots: torch.Tensor, states: torch.Tensor, targets: torch.Tensor,
        n_tokens: torch.Tensor, prefix: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """Return the loss of a batch: catalog softmax at every item boundary, plus the title loss."""
        raw = self.items()
        hidden = self.hidden(tokens, slots, raw)
        rows, places = torch.nonzero(targets >= 0, as_tuple=True)
        users = self.users(self.dropout(hidden[rows, states[rows, places]]))
        logits = self.scores(users, functional.normalize(raw, dim=-1))
        loss = catalog_cross_entropy(logits, targets[rows, places])
        if self.title_loss:
            loss = loss + self.title_loss * self._titles(hidden, tokens, int(prefix))
        return loss

    def _titles(self, hidden: torch.Tensor, tokens: torch.Tensor, prefix: int) -> torch.Tensor:
        """Next-token loss on the items' lines: in a serialized history the next title is the next text."""
        rows, places = torch.nonzero(tokens[:, prefix:] >= 0, as_tuple=True)
        if not len(rows):
            return hidden.new_zeros(())
        states, truth = hidden[rows, places + prefix - 1], tokens[rows, places + prefix]
        loss = hidden.new_zeros(())
        for start in range(0, len(truth), TITLES_AT_ONCE):
            part = slice(start, start + TITLES_AT_ONCE)
            loss = loss + checkpoint(self._title_sum, states[part], truth[part], use_reentrant=False)
        return loss / len(truth)

    def _title_sum(self, states: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        head = self.model.get_output_embeddings()
        logits = head(states.to(head.weight.dtype)).float()
        return functional.cross_entropy(logits, truth, reduction="sum")
