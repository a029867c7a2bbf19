"""A trained network with its tokenized catalog: histories in, user vectors or training tensors out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Bools, Float32s, Int64s
from llmrec.data import Sequences
from llmrec.errors import PromptError
from llmrec.llm.encodings import LocalTextEncoding, encoding_named
from llmrec.llm.serialize import SerializedHistories, Serializer
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


@dataclass(frozen=True, eq=False)
class Windows:
    """The part of each history that fits, and how many positions it takes with the prefix, int64 [n]."""

    sequences: Sequences
    n_positions: Int64s

    def take(self, rows: Int64s) -> Windows:
        """Return some of the windows."""
        return Windows(self.sequences.take(rows), self.n_positions[rows])


@dataclass(eq=False)
class HistoryEncoder:
    """Encodes histories by one network. A window holds the newest ``max_items`` items that fit ``max_tokens``.

    Raises PromptError where not even the longest item would fit.
    """

    network: NextItemNetwork
    tokenizer: PreTrainedTokenizerBase
    serializer: Serializer
    max_items: int
    max_tokens: int
    batch_tokens: int

    def __post_init__(self) -> None:
        self.check_room()

    def check_room(self, *, for_training: bool = False) -> None:
        """Raise PromptError unless the prefix and every item's line fit in the window together.

        Before any training, and not when the first history that does not fit is met. ``for_training``: also with
        what the newest items of a training window may take.
        """
        serializer = self.serializer
        overhead, longest, n_newest = serializer.overhead, serializer.longest(), serializer.encoding.n_newest
        if not for_training:
            longest += (overhead - len(serializer.prefix)) // max(n_newest, 1)
            overhead, n_newest = len(serializer.prefix), 0
        newest = f" and of its {n_newest} newest items take up to" if n_newest else " take"
        if overhead + longest > self.max_tokens:
            raise PromptError(
                f"the words before a history{newest} {overhead} tokens and the longest item {longest}, but only "
                f"{self.max_tokens} may be read (history.max_tokens, or the base model's context); shorten the "
                f"prompts{', lower history.text_items' if n_newest else ''} or raise history.max_tokens"
            )

    def windows(self, sequences: Sequences) -> Windows:
        """Cut histories to what fits: whole items, the newest."""
        recent = sequences.last(self.max_items)
        sizes = self.serializer.sizes_at_end(recent)
        lengths = newest_that_fit_each(sizes, recent.offsets, self.max_tokens - len(self.serializer.prefix))
        totals = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
        ends = recent.offsets[1:]
        return Windows(recent.newest(lengths), len(self.serializer.prefix) + totals[ends] - totals[ends - lengths])

    def users(self, windows: Windows) -> Float32s:
        """Return each history's user vector ``W u``, unit length, float32 [n, dim]."""
        return self._encode(windows, self.network.users, width=self.network.user_projection.out_features)

    def states(self, windows: Windows) -> Float32s:
        """Return the LLM's state ``u`` at the end of each history, float32 [n, hidden]."""
        return self._encode(windows, lambda states: states, width=self.network.user_projection.in_features)

    def _encode(self, windows: Windows, head: Callable[[torch.Tensor], torch.Tensor], *, width: int) -> Float32s:
        import torch

        network, sequences = self.network, windows.sequences
        device = network.bias.device
        encoded = np.empty((len(sequences), width), dtype=np.float32)
        with torch.inference_mode():
            vectors = network.items()
            for rows in by_length(windows.n_positions, self.batch_tokens):
                written = self.serializer.write(padded(sequences, rows), padded_event_codes(sequences, rows))
                tokens, placeholders = torch.from_numpy(written.tokens), torch.from_numpy(written.placeholders)
                bins = None if written.bins is None else torch.from_numpy(written.bins).to(device)
                last = torch.from_numpy(written.states[:, -1:]).to(device)
                hidden = network.hidden(tokens.to(device), placeholders.to(device), vectors, bins, states=last)
                states = hidden[torch.arange(len(rows), device=device), last[:, 0]]
                encoded[rows] = head(states).cpu().numpy()
        return encoded

    def add_repeat_bias(self, scores: Float32s, users: Float32s, window: Sequences) -> None:
        """Add what repeats add, if the network has them, to scores [n, n_items] of user vectors [n, dim]."""
        import torch

        repeat_bias = self.network.repeat_bias
        for start in range(0, len(window) if repeat_bias else 0, HISTORIES_AT_ONCE):
            assert repeat_bias is not None
            rows = np.arange(start, min(start + HISTORIES_AT_ONCE, len(window)))
            arrays = users[rows], padded(window, rows), np.arange(len(rows)), window.lengths()[rows]
            with torch.inference_mode():
                codes, values = repeat_bias(
                    *(torch.from_numpy(array).to(repeat_bias.of_item.weight.device) for array in arrays)
                )
            np.add.at(scores, (rows[:, None], codes.cpu().numpy()), values.cpu().numpy())

    def collate(self, sequences: Sequences, batch: Batch) -> dict[str, torch.Tensor]:
        """Lay out one training batch as the tensors that the network's forward takes."""
        import torch

        inputs, targets = inputs_and_targets(sequences, batch.windows)
        event_codes = None
        if sequences.event_codes is not None:
            event_codes = inputs_of(sequences.event_codes, sequences, batch.windows, inputs.shape[1], empty=0)
        if self.network.losses.title:  # the last target is written, too: its title is learned as all others are
            rows, last = np.arange(len(inputs)), batch.windows[:, 2] - batch.windows[:, 1]
            inputs = np.pad(inputs, ((0, 0), (0, 1)), constant_values=-1)
            inputs[rows, last] = targets[rows, last]
        written = self.serializer.write(inputs, event_codes)
        # Only that title can exceed the window, where the longest two do not fit: it is cut.
        fits = slice(self.max_tokens)
        written = replace(written, tokens=written.tokens[:, fits], placeholders=written.placeholders[:, fits])
        arrays = {"tokens": written.tokens, "placeholders": written.placeholders, "states": written.states}
        if written.bins is not None:
            arrays["bins"] = written.bins
        if self.network.repeat_bias is not None:
            arrays["inputs"] = inputs
        if sequences.n_visible is not None:
            arrays["context_positions"] = context_positions_of(sequences.n_visible, sequences, batch.windows)
        numbers = {"n_tokens": written.n_tokens, "prefix": len(self.serializer.prefix)}
        tensors = {name: torch.from_numpy(array) for name, array in {**arrays, "targets": targets}.items()}
        if self.network.losses.title and sequences.positive is not None:
            labels = _positive_tokens(sequences, batch.windows, written.states, written.tokens.shape)
            tensors["title_labels"] = torch.from_numpy(labels)
        return {**tensors, **{name: torch.tensor(value) for name, value in numbers.items()}}

    def serialized(self, sequences: Sequences, n: int) -> SerializedHistories:
        """Serialize one history's window."""
        window = self.windows(sequences).sequences
        return self.serializer.write(padded(window, np.array([n])), padded_event_codes(window, np.array([n])))

    def shown(self, history: SerializedHistories) -> SerializedHistories:
        """Return a serialized history as the first block reads it: of local blocks its lines, else as it is."""
        encoding = self.serializer.encoding
        if not isinstance(encoding, LocalTextEncoding):
            return history
        items = history.placeholders[history.placeholders >= 0][None, :: encoding.n_states]
        return replace(self.serializer, encoding=encoding_named(encoding.name), events=None).write(items)

    def as_text(self, history: SerializedHistories, titles: list[str]) -> str:
        """Turn a history that is ``shown`` back into text; an item's vector stands as ``[title]``."""
        text, tokens = "", list[int]()
        for token, item in zip(history.tokens[0].tolist(), history.placeholders[0].tolist(), strict=True):
            if item >= 0:
                text, tokens = f"{text}{self.tokenizer.decode(tokens)}[{titles[item]}] ", []
            elif token >= 0:
                tokens.append(token)
        return text + str(self.tokenizer.decode(tokens))


def _positive_tokens(sequences: Sequences, windows: Int64s, ends: Int64s, shape: tuple[int, ...]) -> Bools:
    """Return which tokens of a batch, bool of ``shape``, are of no event that is no positive target.

    ``ends`` [n, items + 1]: the position before each event of a window, and that of the last one's end.
    """
    assert sequences.positive is not None
    labels = np.ones(shape, dtype=bool)
    for row, (user, start, stop) in enumerate(windows):
        base = sequences.offsets[user]
        for event in np.flatnonzero(~sequences.positive[base + start : base + stop + 1]):
            labels[row, ends[row, event] + 1 : ends[row, event + 1] + 1] = False
    return labels
