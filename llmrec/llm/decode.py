"""Decode with a causal LM: one key-value cache for many rows, which are picked, repeated and continued."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from llmrec.arrays import Float64s, Int64s
from llmrec.errors import ModelError
from llmrec.llm.backbone import cache_option, language_logits, transformer_blocks
from llmrec.llm.ragged import RaggedTokens

if TYPE_CHECKING:
    import torch


# Logits over a vocabulary of 50,000 take 400 MB for so many positions.
LOGITS_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class DecodingState:
    """Rows that were read: their key-value cache, its mask [n, length] (False: padding), their last states."""

    cache: Any
    mask: torch.Tensor
    last: torch.Tensor

    def __len__(self) -> int:
        return len(self.last)


class Decoder:
    """Reads rows of embeddings with a causal LM (adapted or not), and goes on token by token."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.blocks: Any = transformer_blocks(model)
        self.config: Any = self.blocks.config
        self._takes_positions = "position_ids" in inspect.signature(self.blocks.forward).parameters

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = next(self.model.parameters()).device
        return device

    @property
    def context(self) -> int | None:
        """How many positions the model can read; None where it sets no limit."""
        return context_of(self.config)

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Look token ids up; a negative id is padding and stands for any token."""
        embedded: torch.Tensor = self.model.get_input_embeddings()(tokens.clamp(min=0).to(self.device))
        return embedded

    def read(self, embedded: torch.Tensor, mask: torch.Tensor) -> DecodingState:
        """Read rows [n, length, hidden]; padding (False in ``mask``) is on the left."""
        from transformers import DynamicCache

        cache = DynamicCache(config=self.config)
        return self._run(cache, embedded, mask.to(self.device))[0]

    def append(self, state: DecodingState, rows: Int64s, tokens: Int64s) -> DecodingState:
        """Pick rows of a state and append tokens [len(rows), m] to them, of which negative ones are padding on
        the left. ``state`` cannot be used again."""
        import torch

        chosen = torch.from_numpy(rows).to(self.device)
        state.cache.batch_select_indices(chosen)
        if not tokens.shape[1]:
            return DecodingState(state.cache, state.mask[chosen], state.last[chosen])
        added = torch.from_numpy(tokens).to(self.device)
        mask = torch.cat([state.mask[chosen], added >= 0], dim=1)
        return self._run(state.cache, self.embed(added), mask)[0]

    def log_probabilities(self, states: torch.Tensor, rows: Int64s, tokens: Int64s) -> Float64s:
        """Return log p(token | states[row]) for pairs of row and token, over the whole vocabulary: [n_pairs]."""
        return self._of_pairs(states, rows, tokens, whole=True)

    def log_shares(self, states: torch.Tensor, rows: Int64s, tokens: Int64s) -> Float64s:
        """Return log p(token | states[row], one of the row's tokens), [n_pairs]: over the tokens that a row is
        paired with, as if there were no others. ``rows`` are sorted."""
        logits = self._of_pairs(states, rows, tokens, whole=False)
        if not len(rows):
            return logits
        _, starts, of_row = np.unique(rows, return_index=True, return_inverse=True)
        result: Float64s = logits - np.logaddexp.reduceat(logits, starts)[of_row]
        return result

    def log_likelihoods(self, state: DecodingState, texts: RaggedTokens, *, budget: int) -> Float64s:
        """Return each tokenized text's log-likelihood after the one row that was read: [n_texts].

        By teacher forcing; the row's cache is repeated for as many texts as ``budget`` positions allow. ``state``
        can be used again.
        """
        values = np.empty(len(texts), dtype=np.float64)
        for part in _in_parts(texts, state.mask.shape[1], budget):
            values[part] = self._log_likelihoods(state, texts.take(part))
        return values

    def states_after(self, state: DecodingState, texts: RaggedTokens, *, budget: int) -> torch.Tensor:
        """Return the state after each tokenized text that goes on from the one row that was read:
        [n_texts, hidden]; see ``log_likelihoods``."""
        import torch

        result = torch.empty(len(texts), state.last.shape[1], dtype=state.last.dtype, device=state.last.device)
        for part in _in_parts(texts, state.mask.shape[1], budget):
            some = texts.take(part)
            states = self._teacher_forced(state, some.padded(-1))
            result[torch.from_numpy(part)] = states[torch.arange(len(some)), torch.from_numpy(some.lengths)]
        return result

    def _log_likelihoods(self, state: DecodingState, texts: RaggedTokens) -> Float64s:
        import torch

        tokens = texts.padded(-1)
        states = self._teacher_forced(state, tokens[:, :-1])
        rows, positions = np.nonzero(tokens >= 0)
        flat = states[torch.from_numpy(rows), torch.from_numpy(positions)]
        each = self.log_probabilities(flat, np.arange(len(rows)), tokens[rows, positions])
        sums: Float64s = np.bincount(rows, weights=each, minlength=len(texts)).astype(np.float64)
        return sums

    def _teacher_forced(self, state: DecodingState, tokens: Int64s) -> torch.Tensor:
        """Return the states after 0 to m of the tokens [n, m], padded on the right, that each go on from the
        one row that was read: [n, m + 1, hidden]."""
        import torch

        states = state.last.expand(len(tokens), -1)[:, None]
        if not tokens.shape[1]:
            return states
        cache = copy.deepcopy(state.cache)
        cache.batch_repeat_interleave(len(tokens))
        inputs = torch.from_numpy(tokens)
        # Padding is on the right here: no position that counts looks at it.
        mask = torch.cat([state.mask.expand(len(tokens), -1), state.mask.new_ones(tokens.shape)], dim=1)
        return torch.cat([states, self._run(cache, self.embed(inputs), mask)[1]], dim=1)

    def _of_pairs(self, states: torch.Tensor, rows: Int64s, tokens: Int64s, *, whole: bool) -> Float64s:
        """Return the logits of pairs of row and token, ``whole``: less what all of the vocabulary add up to."""
        import torch

        values = np.empty(len(rows), dtype=np.float64)
        for start in range(0, len(states), LOGITS_AT_ONCE):
            part = np.flatnonzero((rows >= start) & (rows < start + LOGITS_AT_ONCE))
            logits = language_logits(self.model, states[start : start + LOGITS_AT_ONCE])
            at = torch.from_numpy(rows[part] - start).to(logits.device)
            of_tokens = logits[at, torch.from_numpy(tokens[part]).to(logits.device)]
            less = logits.logsumexp(dim=-1)[at] if whole else 0.0
            values[part] = (of_tokens - less).cpu().double().numpy()  # a Mac's GPU has no float64
        return values

    def _run(self, cache: Any, embedded: torch.Tensor, mask: torch.Tensor) -> tuple[DecodingState, torch.Tensor]:
        """Return the state after all positions, and the states of those that are new."""
        options: dict[str, Any] = {}
        if self._takes_positions:
            positions = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
            options["position_ids"] = positions[:, -embedded.shape[1] :]
        states = self.blocks(
            inputs_embeds=embedded,
            attention_mask=mask.long(),
            use_cache=True,
            **cache_option(self.blocks, cache),
            **options,
        ).last_hidden_state
        return DecodingState(cache, mask, states[:, -1]), states


def _in_parts(texts: RaggedTokens, width: int, budget: int) -> Iterator[Int64s]:
    """Yield rows of like length, as many as fit in ``budget`` with ``width`` positions before each."""
    lengths = texts.lengths
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        # The longest text of a part is its last; the cache is repeated for each.
        stop = start + 1
        while stop < len(order) and (stop - start + 1) * (width + lengths[order[stop]]) <= budget:
            stop += 1
        yield order[start:stop]
        start = stop


def context_of(config: Any) -> int | None:
    """Return how many positions a model can read by its config; None where it sets no limit."""
    limit = getattr(config.get_text_config(), "max_position_embeddings", None)
    return None if limit is None else int(limit)


def check_head(model: Any) -> None:
    """Raise ModelError for a model whose head does more to the states than ``language_logits`` does."""
    import torch

    causal = model.get_base_model() if hasattr(model, "peft_config") else model
    ids = torch.arange(4, device=next(causal.parameters()).device)[None]
    with torch.inference_mode():
        expected = causal(input_ids=ids, use_cache=False).logits.float()
        ours = language_logits(model, transformer_blocks(model)(input_ids=ids, use_cache=False).last_hidden_state)
    if not torch.allclose(ours, expected, atol=1e-2, rtol=1e-2):
        raise ModelError(
            f"a {causal.config.model_type} model's head is not one that titles can be generated with; "
            "rank with recommend, or choose another base model"
        )
