"""The trained network: an adapted LLM reads a history once, every position predicts the next item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn import functional

from llmrec.config import HeadConfig, TrainConfig
from llmrec.llm.backbone import token_size, transformer_blocks
from llmrec.llm.read_positions import at_positions, reading
from llmrec.models.llm.item_encoder import ItemEncoder
from llmrec.models.llm.item_loss import NEXT_ITEM_ONLY, BatchItems, Losses, divided_items, sampled_item_loss
from llmrec.models.llm.item_tower import ItemTower
from llmrec.models.llm.local_lines import LocalLines
from llmrec.models.llm.packing import read_packed
from llmrec.models.llm.shared_prefix import read_rows
from llmrec.models.llm.title_loss import title_loss
from llmrec.training.catalog_softmax import Added, catalog_loss
from llmrec.training.distributed import batch_codes, shared_draws
from llmrec.training.field_embeddings import FieldEmbeddings
from llmrec.training.losses import Predictions, log_expected, negative_weights, predictions_of
from llmrec.training.repeat_bias import RepeatBias
from llmrec.training.response_heads import Labels, ResponseHeads, TargetStates

if TYPE_CHECKING:
    from peft import PeftModel


class NextItemNetwork(nn.Module):
    """Scores ``s(u, i) = tau * cos(W u, v_i) + b_i`` with ``u`` the LLM's hidden state after an item."""

    log_q: torch.Tensor
    negative_weights: torch.Tensor
    share: slice | None = None  # of several processes that have divided the items, the codes of this one

    def __init__(
        self,
        model: PeftModel,
        texts: torch.Tensor,
        counts: torch.Tensor,
        head: HeadConfig,
        *,
        losses: Losses = NEXT_ITEM_ONLY,
        item_encoder: ItemEncoder | None = None,
        pack: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.losses, self.pack, self.cold_bias = losses, pack, head.cold_bias
        # Only the LLM computes in half precision: logits of +-16 would be rounded to 0.06, and ties abound.
        self.bf16 = model.dtype == torch.bfloat16
        hidden = model.get_input_embeddings().weight.shape[1]
        self.items = ItemTower(texts, counts > 0, head)
        self.user_projection = nn.Linear(hidden, head.dim)
        self.soft_token_projection = nn.Linear(head.dim, hidden)
        self.dropout = nn.Dropout(head.dropout)
        # On the CPU, also where only shapes are made: else PyTorch imports its compiler, for over a second.
        self.log_temperature = nn.Parameter(torch.tensor(head.temperature, device="cpu").log())
        self.bias = nn.Parameter(((counts + 1) / (counts + 1).sum()).log())
        # Blocks normalize what they read, so the size of a soft token does not change what they see of it. It
        # changes how much of the item the residual stream carries to the last state: at token size too little.
        self.soft_token_size = head.soft_token_scale * token_size(model)
        # Set by who builds the network, after everything else: the other weights begin as they would without.
        self.events: FieldEmbeddings | None = None
        self.responses: ResponseHeads | None = None
        self.repeat_bias: RepeatBias | None = None
        self.in_basket: nn.Linear | None = None
        self.local: LocalLines | None = None  # what the lower blocks read line by line
        self.item_encoder = item_encoder  # where item texts are finetuned
        # What a checkpoint must keep besides parameters: encodings between two refreshes are of older weights.
        self.checkpoint_buffers = () if item_encoder is None else ("items.texts", "item_encoder.step")
        if losses.negatives is not None:
            weights = negative_weights(counts)
            self.register_buffer("negative_weights", weights, persistent=False)
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
        """Encode the catalog by the present weights, where item texts are being finetuned."""
        if self.item_encoder is not None:
            self.item_encoder.refresh(self.items, self._encode_tokens)
        if self.local is not None:
            self.local.forget()

    @property
    def item_tables(self) -> tuple[str, ...]:
        """The parameters with a row for each item, which several processes may divide."""
        return () if self.items.ids is None else ("items.ids.weight",)

    @property
    def blocks(self) -> nn.Module:
        """The blocks that read histories."""
        return transformer_blocks(self.model) if self.local is None else self.local.divided.upper

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
        """Turn item vectors before normalization [..., dim] into what is read as tokens are, [..., hidden]."""
        projected: torch.Tensor = self.soft_token_projection(vectors)
        scale = projected.pow(2).mean(-1, keepdim=True).add(1e-8).rsqrt()
        return projected * scale * self.soft_token_size

    def embedded(
        self,
        tokens: torch.Tensor,
        placeholders: torch.Tensor,
        vectors: torch.Tensor,
        bins: torch.Tensor | None = None,
        codes: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return what the first of ``blocks`` reads: [n, length, hidden]. Takes what ``hidden`` takes."""
        if self.local is None:
            words: torch.Tensor = self.model.get_input_embeddings()(tokens.clamp(min=0))
            if not bool((placeholders >= 0).any()):
                return words
            # embedding, not indexing: the gradient of an index is summed in any order, and differs run by run.
            # Looked up first, projected then: a batch holds a thousand items, a catalog many thousands.
            items = self.soft_tokens(functional.embedding(placeholders.clamp(min=0), vectors)).to(words.dtype)
        else:
            items = words = self.local(
                tokens, placeholders, BatchItems(vectors, codes), run=self._run, soft_tokens=self.soft_tokens
            )
        if bins is not None and self.events is not None:
            items = self.events(items, bins, self.soft_token_size)
        return torch.where((placeholders >= 0)[..., None], self.dropout(items), words)

    def hidden(
        self,
        tokens: torch.Tensor,
        placeholders: torch.Tensor,
        vectors: torch.Tensor,
        bins: torch.Tensor | None = None,
        codes: torch.Tensor | None = None,
        states: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Run the LLM over serialized histories. Returns [n, length, hidden] in float32.

        ``placeholders`` are rows of ``vectors``, item vectors before normalization, of items ``codes`` or of all;
        ``bins`` [n, length, n_fields] are those of their events, ``states`` [n, m] the positions that are read of
        what is returned, by default all. Padding is right of everything, and causal attention looks left: no mask.
        """
        embedded = self.embedded(tokens, placeholders, vectors, bins, codes)
        read = None if states is None else at_positions(states, tokens.shape)
        if self.pack:
            return read_packed(self._run, (tokens >= 0) | (placeholders >= 0), self.blocks, embedded, read).float()
        return read_rows(self._run, tokens, self.blocks, embedded, read).float()

    def users(self, states: torch.Tensor) -> torch.Tensor:
        """Project hidden states to unit user vectors, [..., dim]."""
        return functional.normalize(self.user_projection(states), dim=-1)

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
        title_labels: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss of a batch: the weighted sum of next-item, response and title loss.

        ``context_positions``: which boundary predicts each target, see ``predictions_of``. ``labels``: what else
        is known of the target events, for their loss. ``inputs`` [n, length]: the items read, for repeats.
        ``title_labels`` [n, length]: which tokens the title loss counts, by default all.
        """
        rows, columns = torch.nonzero(targets >= 0, as_tuple=True)
        target_items = targets[rows, columns]
        with shared_draws():
            n = self.losses.negatives  # None: the exact softmax
            negatives = None if n is None else torch.multinomial(self.negative_weights, n, replacement=False)
            if self.item_encoder is not None and self.training:
                self.item_encoder.refresh_if_due(self.items, self._encode_tokens)
        items = self._batch_items(placeholders, target_items, negatives)
        read = None if self.losses.title else states
        hidden = self.hidden(tokens, items.rows(placeholders), items.vectors, bins, items.codes, read)
        loss = hidden.new_zeros(())
        if self.losses.item:
            predictions = predictions_of(targets, context_positions)
            users, repeats = self._predicting_users(hidden, states, predictions, inputs)
            of_predictions = predictions.rows, predictions.positions
            weights = labels["weights"][of_predictions] if labels and "weights" in labels else None
            item_loss = self._item_loss(users, targets[of_predictions], items, negatives, weights, repeats)
            loss = loss + self.losses.item * item_loss
        if self.losses.response and self.responses is not None and labels is not None:
            vectors = functional.embedding(items.rows(target_items), items.vectors)
            target_states = TargetStates(hidden, states, (rows, columns))
            loss = loss + self.losses.response * self.responses.loss(target_states, vectors, labels)
        if self.losses.title:
            # Nothing says what a window that goes on with a history begins with: its first title is no target.
            starts = torch.where(targets[:, 0] >= 0, prefix, states[:, 1] + 1)
            loss = loss + self.losses.title * title_loss(self.model, hidden, tokens, starts, title_labels)
        return loss

    def _run(
        self, blocks: nn.Module, embedded: torch.Tensor, wanted: torch.Tensor | None = None, **options: Any
    ) -> torch.Tensor:
        # The adapter's weights stay float32 for the optimizer; autocast multiplies them as the blocks' are.
        with torch.autocast(embedded.device.type, torch.bfloat16, enabled=self.bf16), reading(blocks, wanted):
            states = blocks(inputs_embeds=embedded, **{"use_cache": False, **options}).last_hidden_state
        return cast("torch.Tensor", states)

    def _encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        return self._run(transformer_blocks(self.model), self.model.get_input_embeddings()(tokens))

    def _batch_items(
        self, placeholders: torch.Tensor, targets: torch.Tensor, negatives: torch.Tensor | None
    ) -> BatchItems:
        """Compute the vectors of the items that take part: of all, or with sampling of those of this batch."""
        used = torch.cat([placeholders[placeholders >= 0], targets])
        finetuned = self._finetuned_texts(used) if self.item_encoder is not None and self.training else None
        if negatives is not None:
            codes = torch.unique(torch.cat([used, negatives, *(finetuned or ())[:1]]))
            rows = None if finetuned is None else (torch.searchsorted(codes, finetuned[0]), finetuned[1])
            return BatchItems(self.items(codes, rows), codes)
        if self.share is not None:
            return divided_items(self.items, self.share, used, finetuned)
        with shared_draws():  # an item's residual is dropped for the whole batch
            return BatchItems(self.items(None, finetuned), None)

    def _finetuned_texts(self, used: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode the texts of some of the item codes ``used`` with gradient: their codes, and their encodings."""
        assert self.item_encoder is not None
        codes = batch_codes(torch.unique(used))
        with shared_draws():
            sample = self.item_encoder.sample(codes)
            return sample, self.item_encoder.encode(sample, self._encode_tokens)

    def _predicting_users(
        self, hidden: torch.Tensor, states: torch.Tensor, predictions: Predictions, inputs: torch.Tensor | None
    ) -> tuple[torch.Tensor, Added | None]:
        """Return the unit user vector of every prediction [n, dim], and what repeats add to its scores."""
        contexts = self.dropout(hidden[predictions.rows, states[predictions.rows, predictions.context_positions]])
        users = self.users(contexts)
        if self.in_basket is not None:
            in_basket_users = functional.normalize(self.in_basket(contexts), dim=-1)
            users = torch.where(predictions.in_basket[:, None], in_basket_users, users)
        if self.repeat_bias is None or inputs is None:
            return users, None
        return users, self.repeat_bias(users, inputs, predictions.rows, predictions.n_visible)

    def _item_loss(
        self,
        users: torch.Tensor,
        targets: torch.Tensor,
        items: BatchItems,
        negatives: torch.Tensor | None,
        weights: torch.Tensor | None,
        repeats: Added | None,
    ) -> torch.Tensor:
        """Cross-entropy of target items under unit user vectors, exact or sampled, weighted by prediction."""
        scored = items.vectors if items.share is None else items.share
        vectors, scale = functional.normalize(scored, dim=-1), self.log_temperature.exp()
        if negatives is None:
            # An item without an event cannot be right here, and as a mere negative it would only be pushed away.
            bias = self.bias.masked_fill(~self.items.known, -torch.inf)
            of_items = vectors, bias, targets
            return catalog_loss(scale * users, *of_items, weights=weights, added=repeats, share=self.share)
        return sampled_item_loss(
            users,
            targets,
            BatchItems(vectors, items.codes),
            self.bias,
            scale=scale,
            negatives=negatives,
            log_q=self.log_q,
            weights=weights,
            repeats=repeats,
        )
