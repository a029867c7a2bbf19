"""A trained network with its catalog's lines: histories in, user vectors or training tensors out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Float32s
from llmrec.data import Sequences
from llmrec.errors import PromptError
from llmrec.llm.serialize import Serializer, Written
from llmrec.prompting.budget import newest_that_fit_each
from llmrec.training.batching import (
    Batch,
    by_length,
    context_positions_of,
    inputs_and_targets,
    inputs_of,
    padded,
    padded_event_codes,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from llmrec.models.llm.network import NextItemNetwork

HISTORIES_AT_ONCE = 256


@dataclass(eq=False)
class HistoryEncoder:
    """Reads histories with one network. A window holds the newest ``max_items`` items that fit ``max_tokens``.

    Raises PromptError where not even the longest item would fit.
    """

    network: NextItemNetwork
    tokenizer: PreTrainedTokenizerBase
    serializer: Serializer
    max_items: int
    max_tokens: int
    batch_tokens: int

    def __post_init__(self) -> None:
        # Here, before any training, and not when the first history that does not fit is met.
        prefix, longest = len(self.serializer.prefix), self.serializer.longest()
        if prefix + longest > self.max_tokens:
            raise PromptError(
                f"the words before a history take {prefix} tokens and the longest item {longest}, but only "
                f"{self.max_tokens} may be read (history.max_tokens, or the base model's context); shorten the "
                "prompts or raise history.max_tokens"
            )

    def window(self, sequences: Sequences) -> Sequences:
        """Keep what fits: whole items, the newest."""
        recent = sequences.last(self.max_items)
        room = self.max_tokens - len(self.serializer.prefix)
        return recent.newest(newest_that_fit_each(self.serializer.sizes(recent), recent.offsets, room))

    def users(self, sequences: Sequences, *, raw: bool = False) -> Float32s:
        """Return unit user vectors, float32 [n, dim]; ``raw``: the LLM's states [n, hidden]."""
        window = self.window(sequences)
        return encode_users(self.network, self.serializer, window, batch_tokens=self.batch_tokens, raw=raw)

    def add_repeat_bias(self, scores: Float32s, users: Float32s, read: Sequences) -> None:
        """Add what repeats add, if the network has them, to scores [n, n_items] of user vectors [n, dim]."""
        import torch

        repeat_bias = self.network.repeat_bias
        for start in range(0, len(read) if repeat_bias else 0, HISTORIES_AT_ONCE):
            assert repeat_bias is not None
            rows = np.arange(start, min(start + HISTORIES_AT_ONCE, len(read)))
            told = users[rows], padded(read, rows), np.arange(len(rows)), read.lengths()[rows]
            with torch.inference_mode():
                codes, values = repeat_bias(
                    *(torch.from_numpy(one).to(repeat_bias.of_item.weight.device) for one in told)
                )
            np.add.at(scores, (rows[:, None], codes.cpu().numpy()), values.cpu().numpy())

    def collate(self, sequences: Sequences, batch: Batch) -> dict[str, torch.Tensor]:
        """Lay out one training batch as the tensors that the network's forward takes."""
        import torch

        inputs, targets = inputs_and_targets(sequences, batch.windows)
        event_codes = None
        if sequences.event_codes is not None:
            event_codes = inputs_of(sequences.event_codes, sequences, batch.windows, inputs.shape[1], empty=0)
        if self.network.losses.title:  # the last answer is written, too: its title is learned as all others are
            rows, last = np.arange(len(inputs)), batch.windows[:, 2] - batch.windows[:, 1]
            inputs = np.pad(inputs, ((0, 0), (0, 1)), constant_values=-1)
            inputs[rows, last] = targets[rows, last]
        written = self.serializer.write(inputs, event_codes)
        # Only that title can be too much, where the longest two do not fit: what fits of it is learned.
        fits = slice(self.max_tokens)
        written = replace(written, tokens=written.tokens[:, fits], placeholders=written.placeholders[:, fits])
        arrays = {"tokens": written.tokens, "placeholders": written.placeholders, "states": written.states}
        if written.levels is not None:
            arrays["levels"] = written.levels
        if self.network.repeat_bias is not None:
            arrays["inputs"] = inputs
        if sequences.n_visible is not None:
            arrays["context_positions"] = context_positions_of(sequences.n_visible, sequences, batch.windows)
        numbers = {"n_tokens": written.n_tokens, "prefix": len(self.serializer.prefix)}
        tensors = {name: torch.from_numpy(array) for name, array in {**arrays, "targets": targets}.items()}
        return {**tensors, **{name: torch.tensor(value) for name, value in numbers.items()}}

    def written(self, sequences: Sequences, n: int) -> Written:
        """Serialize one history's window."""
        kept = self.window(sequences)
        return self.serializer.write(padded(kept, np.array([n])), padded_event_codes(kept, np.array([n])))

    def shown(self, written: Written, titles: list[str]) -> str:
        """Turn a serialized history back into text; an item slot is shown as ``[title]``."""
        text, run = "", list[int]()
        for token, soft_token in zip(written.tokens[0].tolist(), written.placeholders[0].tolist(), strict=True):
            if soft_token >= 0:
                text, run = f"{text}{self.tokenizer.decode(run)}[{titles[soft_token]}] ", []
            elif token >= 0:
                run.append(token)
        return text + str(self.tokenizer.decode(run))


def encode_users(
    network: NextItemNetwork, serializer: Serializer, sequences: Sequences, *, batch_tokens: int, raw: bool = False
) -> Float32s:
    """Return each history's unit user vector ``W u``, float32 [n, dim]. Histories must fit the window.

    ``raw``: the LLM's own state ``u`` instead, float32 [n, hidden].
    """
    import torch

    totals = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(serializer.sizes(sequences))])
    sizes = len(serializer.prefix) + totals[sequences.offsets[1:]] - totals[sequences.offsets[:-1]]
    device = network.bias.device
    width = network.user.in_features if raw else network.user.out_features
    found = np.empty((len(sequences), width), dtype=np.float32)
    with torch.inference_mode():
        vectors = network.items()
        for rows in by_length(sizes, batch_tokens):
            written = serializer.write(padded(sequences, rows), padded_event_codes(sequences, rows))
            tokens, placeholders = torch.from_numpy(written.tokens), torch.from_numpy(written.placeholders)
            levels = None if written.levels is None else torch.from_numpy(written.levels).to(device)
            hidden = network.hidden(tokens.to(device), placeholders.to(device), vectors, levels)
            last = torch.from_numpy(written.states[:, -1]).to(device)
            states = hidden[torch.arange(len(rows), device=device), last]
            found[rows] = (states if raw else network.users(states)).cpu().numpy()
    return found
