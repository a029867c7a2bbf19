"""The trained network: an adapted LLM reads a history once, every position guesses the next item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from torch.nn import functional

from llmrec.config import HeadConfig, TrainConfig
from llmrec.llm.backbone import encoder, language_logits, token_size
from llmrec.models.llm.item_encoder import ItemEncoder
from llmrec.models.llm.item_tower import ItemTower
from llmrec.models.llm.packing import packed, unpacked
from llmrec.training.catalog_softmax import catalog_loss
from llmrec.training.chunked import sum_in_parts
from llmrec.training.field_embeddings import FieldEmbeddings
from llmrec.training.losses import log_expected, negative_weights, predictions_of, sampled_cross_entropy
from llmrec.training.repeat_bias import RepeatBias
from llmrec.training.response_heads import Labels, ResponseHeads, TargetStates

# A vocabulary of 50,000 in float32: the logits of this many title tokens take 400 MB, and only once.
TITLES_AT_ONCE = 2048


@dataclass(frozen=True)
class Losses:
    """What is learned: the weights of the three losses, and how many negatives (None: the whole catalog)."""

    item: float = 1.0
    title: float = 0.0
    response: float = 0.0
    negatives: int | None = None


class NextItemNetwork(nn.Module):
    """Scores ``s(u, i) = tau * cos(W u, v_i) + b_i`` with ``u`` the LLM's hidden state after an item."""

    log_q: torch.Tensor
    weights: torch.Tensor

    def __init__(
        self,
        model: PeftModel,
        texts: torch.Tensor,
        counts: torch.Tensor,
        head: HeadConfig,
        *,
        losses: Losses = Losses(),
        item_encoder: ItemEncoder | None = None,
        pack: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.losses, self.pack, self.cold_bias = losses, pack, head.cold_bias
        # Only the LLM computes in half precision: logits of +-16 would be rounded to 0.06, and ties would abound.
        self.bf16 = model.dtype == torch.bfloat16
        tokens = model.get_input_embeddings().weight
        hidden = tokens.shape[1]
        self.items = ItemTower(texts, counts > 0, head)
        self.user = nn.Linear(hidden, head.dim)
        self.soft_token = nn.Linear(head.dim, hidden)
        self.dropout = nn.Dropout(head.dropout)
        self.log_temperature = nn.Parameter(torch.tensor(head.temperature).log())
        self.bias = nn.Parameter(((counts + 1) / (counts + 1).sum()).log())
        # Blocks normalize what they read, so a slot's size does not change what they see of it. It changes how
        # much of the item the residual stream carries to the readout: at token size the blocks drown it.
        self.soft_token_size = head.soft_token_scale * token_size(model)
        # Set by who builds the network, after everything else: the other weights begin as they would without.
        self.events: FieldEmbeddings | None = None
        self.responses: ResponseHeads | None = None
        self.repeat_bias: RepeatBias | None = None
        self.in_basket: nn.Linear | None = None
        self.item_encoder = item_encoder  # of a tuned tower
        # What a checkpoint must keep besides parameters: encodings between two refreshes are of older weights.
        self.checkpoint_buffers = () if item_encoder is None else ("items.texts", "item_encoder.step")
        if losses.negatives is not None:
            weights = negative_weights(counts)
            self.register_buffer("weights", weights, persistent=False)
            self.register_buffer("log_q", log_expected(weights, losses.negatives), persistent=False)

    def parameter_groups(self, settings: TrainConfig) -> list[dict[str, Any]]:
        """Return the optimizer's groups: adapter and head learn at their own rates; scalars do not decay."""
        named = [(name, value) for name, value in self.named_parameters() if value.requires_grad]
        adapter = [value for name, value in named if name.startswith("model.")]
        head = [value for name, value in named if not name.startswith("model.")]
        rate = settings.head_learning_rate
        return [
            {"params": adapter, "lr": settings.learning_rate, "weight_decay": 0.0},
            {"params": [v for v in head if v.ndim > 1], "lr": rate, "weight_decay": settings.weight_decay},
            {"params": [v for v in head if v.ndim <= 1], "lr": rate, "weight_decay": 0.0},
        ]

    def refresh(self) -> None:
        """Encode the catalog with the weights of the moment, for a tuned tower in training."""
        if self.item_encoder is not None:
            self.item_encoder.refresh(self.items, self._encode_tokens)

    def item_vectors(self) -> torch.Tensor:
        """Return ``v_i``, unit length, [n_items, dim]."""
        return functional.normalize(self.items(), dim=-1)

    def biases(self) -> torch.Tensor:
        """Return ``b_i``, [n_items]; for an item never trained on, the known items' quantile ``cold_bias``."""
        known = self.items.known
        if bool(known.all()):
            return self.bias
        return torch.where(known, self.bias, torch.quantile(self.bias[known], self.cold_bias))

    def soft_tokens(self, vectors: torch.Tensor) -> torch.Tensor:
        """Turn item vectors before normalization [..., dim] into what stands in an item slot, [..., hidden]."""
        placeholders: torch.Tensor = self.soft_token(vectors)
        rms = placeholders.pow(2).mean(-1, keepdim=True).add(1e-8).rsqrt()
        return placeholders * rms * self.soft_token_size

    def embedded(
        self,
        tokens: torch.Tensor,
        placeholders: torch.Tensor,
        vectors: torch.Tensor,
        bins: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return what the LLM's first block reads: [n, length, hidden]."""
        words: torch.Tensor = self.model.get_input_embeddings()(tokens.clamp(min=0))
        if not bool((placeholders >= 0).any()):
            return words
        # embedding, not indexing: the gradient of an index is summed in any order, and differs run by run.
        # Looked up first, entered then: a batch holds a thousand items, a catalog many thousands.
        chosen = self.soft_tokens(functional.embedding(placeholders.clamp(min=0), vectors)).to(words.dtype)
        if bins is not None and self.events is not None:
            chosen = self.events(chosen, bins, self.soft_token_size)
        return torch.where((placeholders >= 0)[..., None], self.dropout(chosen), words)

    def hidden(
        self,
        tokens: torch.Tensor,
        placeholders: torch.Tensor,
        vectors: torch.Tensor,
        bins: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Run the LLM over serialized histories. Returns [n, length, hidden] in float32.

        ``placeholders`` are rows of ``vectors``, item vectors before normalization; ``bins`` [n, length, n_fields]
        what their events say. Padding stands right of everything, where causal attention never looks back
        from: no mask is needed.
        """
        embedded = self.embedded(tokens, placeholders, vectors, bins)
        if not self.pack:
            return self._read(embedded).float()
        row, options = packed(embedded, (tokens >= 0) | (placeholders >= 0), encoder(self.model))
        return unpacked(self._read(row, **options), (tokens >= 0) | (placeholders >= 0)).float()

    def _read(self, embedded: torch.Tensor, **options: Any) -> torch.Tensor:
        # The adapter's weights stay float32 for the optimizer; autocast multiplies them as the blocks' are.
        with torch.autocast(embedded.device.type, torch.bfloat16, enabled=self.bf16):
            states: torch.Tensor = encoder(self.model)(
                inputs_embeds=embedded, use_cache=False, **options
            ).last_hidden_state
        return states

    def users(self, states: torch.Tensor) -> torch.Tensor:
        """Project hidden states to unit user vectors, [..., dim]."""
        return functional.normalize(self.user(states), dim=-1)

    def forward(
        self,
        tokens: torch.Tensor,
        placeholders: torch.Tensor,
        states: torch.Tensor,
        targets: torch.Tensor,
        n_tokens: torch.Tensor,
        prefix: torch.Tensor,
        bins: torch.Tensor | None = None,
        context_positions: torch.Tensor | None = None,
        labels: Labels | None = None,
        inputs: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss of a batch: catalog softmax at every item boundary, plus the title loss.

        ``context_positions``: which boundary predicts each target, see ``predictions_of``. ``labels``: what else
        is known of the target events, for their loss. ``inputs`` [n, length]: the items read, for repeats.
        """
        rows, places = torch.nonzero(targets >= 0, as_tuple=True)
        truth = targets[rows, places]
        negatives = self._negatives()
        # Only items that take part are computed: all of them, or with sampling those of this batch.
        codes = (
            None
            if negatives is None
            else torch.unique(torch.cat([placeholders[placeholders >= 0], truth, negatives]))
        )
        if self.item_encoder is not None and self.training:
            self.item_encoder.refresh_if_due(self.items, self._encode_tokens)
        raw = self.items(codes, self._fresh(codes, placeholders, truth))
        read = (
            placeholders
            if codes is None
            else torch.where(placeholders >= 0, torch.searchsorted(codes, placeholders), placeholders)
        )
        hidden = self.hidden(tokens, read, raw, bins)
        loss = hidden.new_zeros(())
        if self.losses.item:
            predictions = predictions_of(targets, context_positions)
            own = predictions.rows
            weights = (
                None
                if labels is None or "weights" not in labels
                else labels["weights"][own, predictions.positions]
            )
            asked = self.dropout(hidden[own, states[own, predictions.context_positions]])
            users = self.users(asked)
            if self.in_basket is not None:
                aside = functional.normalize(self.in_basket(asked), dim=-1)
                users = torch.where(predictions.in_basket[:, None], aside, users)
            again = None
            if self.repeat_bias is not None and inputs is not None:
                again = self.repeat_bias(users, inputs, own, predictions.n_visible)
            loss = loss + self.losses.item * self._next_item(
                users, raw, targets[own, predictions.positions], codes, negatives, weights, again
            )
        if self.losses.response and self.responses is not None and labels is not None:
            here = truth if codes is None else torch.searchsorted(codes, truth)
            vectors = functional.embedding(here, raw)
            taught = TargetStates(hidden, states, (rows, places))
            loss = loss + self.losses.response * self.responses.loss(taught, vectors, labels)
        if self.losses.title:
            # Nothing says what a window that goes on with a history begins with: its first title is no target.
            begin = torch.where(targets[:, 0] >= 0, prefix, states[:, 1] + 1)
            loss = loss + self.losses.title * self._titles(hidden, tokens, begin)
        return loss

    def _negatives(self) -> torch.Tensor | None:
        if self.losses.negatives is None:
            return None
        return torch.multinomial(self.weights, self.losses.negatives, replacement=False)

    def _next_item(
        self,
        users: torch.Tensor,
        raw: torch.Tensor,
        truth: torch.Tensor,
        codes: torch.Tensor | None,
        negatives: torch.Tensor | None,
        weights: torch.Tensor | None,
        again: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> torch.Tensor:
        vectors, scale = functional.normalize(raw, dim=-1), self.log_temperature.exp()
        if codes is None or negatives is None:
            # An item without an event cannot be right here, and as a mere negative it would only be pushed away.
            bias = self.bias.masked_fill(~self.items.known, -torch.inf)
            return catalog_loss(scale * users, vectors, bias, truth, weights=weights, added=again)
        places = torch.searchsorted(codes, truth), torch.searchsorted(codes, negatives)
        own = scale * (users * functional.embedding(places[0], vectors)).sum(-1) + self.bias[truth]
        others = scale * users @ vectors[places[1]].T + self.bias[negatives]
        if again is not None:
            held, values = again
            own = own + (values * (held == truth[:, None])).sum(-1)
            drawn = torch.full_like(self.bias, -1, dtype=torch.long)
            drawn[negatives] = torch.arange(len(negatives), device=drawn.device)
            others = others.scatter_add(1, drawn[held].clamp(min=0), values * (drawn[held] >= 0))
        return sampled_cross_entropy(own, others, truth, negatives=negatives, log_q=self.log_q, weights=weights)

    def _fresh(
        self, codes: torch.Tensor | None, placeholders: torch.Tensor, truth: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Encode items of this batch with gradient, for a tuned tower: their rows, and their encodings."""
        if self.item_encoder is None or not self.training:
            return None
        inside = self.item_encoder.sample(torch.unique(torch.cat([placeholders[placeholders >= 0], truth])))
        encodings = self.item_encoder.encode(inside, self._encode_tokens)
        return (inside if codes is None else torch.searchsorted(codes, inside)), encodings

    def _encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        return self._read(self.model.get_input_embeddings()(tokens))

    def _titles(self, hidden: torch.Tensor, tokens: torch.Tensor, begin: torch.Tensor) -> torch.Tensor:
        """Next-token loss on the items' lines: in a serialized history the next title is the next text.

        ``begin`` [n]: the position of each row's first target.
        """
        behind = torch.arange(tokens.shape[1], device=tokens.device) >= begin[:, None]
        rows, places = torch.nonzero((tokens >= 0) & behind, as_tuple=True)
        if not len(rows):
            return hidden.new_zeros(())
        states, truth = hidden[rows, places - 1], tokens[rows, places]
        # An adapter on the language model's own head learns from the logits, too: then they are kept.
        learns = any(value.requires_grad for value in self.model.get_output_embeddings().parameters())
        if learns:
            return self._title_sum(states, truth) / len(truth)
        return sum_in_parts(self._title_sum, states, truth, at_once=TITLES_AT_ONCE) / len(truth)

    def _title_sum(self, states: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        logits = language_logits(self.model, states)
        return functional.cross_entropy(logits, truth, reduction="sum")
