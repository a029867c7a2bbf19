"""The lines of a catalog as the lower blocks read them: each by itself, once, whatever histories hold it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from llmrec.arrays import Int64s
from llmrec.llm.divided import DividedBlocks
from llmrec.llm.encode import padded_texts
from llmrec.llm.encodings import LocalTextEncoding
from llmrec.llm.serialize import Serializer
from llmrec.models.llm.item_loss import BatchItems

# Lines that are read together are at most so many times as long as the shortest of them: the rest is padding.
SPREAD = 1.25

# Blocks and what they read, [n, length, hidden], to their states; these hold where ``wanted`` [n, length] is true.
RunBlocks = Callable[..., torch.Tensor]
SoftTokens = Callable[[torch.Tensor], torch.Tensor]


class LocalLines(nn.Module):
    """Reads lines by an LLM's lower blocks: a newline, and then the item's text as it stands in a history.

    The boundary states of each line go up, and all states of the prefix, which is read as a line is. What
    was read without a gradient stays until the weights change, ``forget``; where nothing below is trained, always.
    ``budget``: the most tokens that are read at once.
    """

    def __init__(
        self, divided: DividedBlocks, serializer: Serializer, encoding: LocalTextEncoding, *, budget: int
    ) -> None:
        super().__init__()
        self.divided, self.budget = divided, budget
        self.prefix, self.item_tokens = serializer.prefix, serializer.item_tokens
        self.states, self.n_states = encoding.states, encoding.n_states
        self.ends_in_vector = encoding.ends_in_vector
        self._cache: LineCache | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether training changes nothing of what is read."""
        return self.divided.is_frozen and not self.ends_in_vector

    def forget(self) -> None:
        """Drop what was read by other weights."""
        if not self.is_fixed:
            self._cache = None

    def train(self, mode: bool = True) -> LocalLines:
        """Also drop what was read by the weights that are trained from now on."""
        if mode:
            self.forget()
        return super().train(mode)

    def forward(
        self,
        tokens: torch.Tensor,
        placeholders: torch.Tensor,
        items: BatchItems,
        *,
        run: RunBlocks,
        soft_tokens: SoftTokens,
    ) -> torch.Tensor:
        """Return what the upper blocks read of a batch, [n, length, hidden]; takes what ``Serializer.write`` made.

        ``placeholders`` are rows of ``items``, each as often as a line has states.
        """
        is_item = placeholders >= 0
        rows = torch.unique(placeholders[is_item])
        codes = rows if items.codes is None else items.codes[rows]

        def read(which: torch.Tensor) -> torch.Tensor:
            vectors = (
                soft_tokens(functional.embedding(rows[which], items.vectors)) if self.ends_in_vector else None
            )
            return self._read_lines(codes[which], run, vectors)

        if self.is_fixed or not (self.training or torch.is_grad_enabled()):
            with torch.no_grad():
                prefix, lines = self._remembered(codes, read, run)
        else:
            prefix, lines = self._read_prefix(run), read(torch.arange(len(codes), device=codes.device))
        number = (is_item.cumsum(1) - 1) % self.n_states
        of_item = len(prefix) + self.n_states * torch.searchsorted(rows, placeholders) + number
        of_prefix = torch.arange(tokens.shape[1], device=tokens.device).clamp(max=len(prefix) - 1)
        # embedding, not indexing: the gradient of an index is summed in any order, and differs run by run.
        table = torch.cat([prefix, lines.flatten(0, 1)])
        return functional.embedding(torch.where(is_item, of_item, of_prefix), table)

    def _remembered(
        self, codes: torch.Tensor, read: Callable[[torch.Tensor], torch.Tensor], run: RunBlocks
    ) -> tuple[torch.Tensor, torch.Tensor]:
        cache = self._cache
        if cache is None:
            cache = self._cache = LineCache(len(self.item_tokens), self.n_states, self._read_prefix(run))
        new = cache.unknown(codes)
        if len(new):
            cache.put(codes[new], read(new))
        return cache.prefix, cache.lines[codes]

    def _read_prefix(self, run: RunBlocks) -> torch.Tensor:
        """Return the states of the words before a history, [length, hidden]."""
        embed = self.divided.embed
        prefix = torch.from_numpy(np.array(self.prefix)).to(_device_of(embed))
        states: torch.Tensor = run(self.divided.lower, embed(prefix[None]))[0]
        return states

    def _read_lines(self, codes: torch.Tensor, run: RunBlocks, vectors: torch.Tensor | None) -> torch.Tensor:
        """Return the boundary states of items' lines, [n, n_states, hidden]; ``vectors`` [n, hidden] end them."""
        of_codes = codes.cpu().numpy()
        lengths = self.item_tokens.lengths[of_codes]
        states, order = [], []
        for group in line_groups(lengths, self.budget):
            padded, ends = padded_texts(self.item_tokens, of_codes[group])
            rows = torch.from_numpy(group).to(codes.device)
            embedded = self.divided.embed(torch.from_numpy(padded).to(codes.device))
            last = torch.from_numpy(ends).to(codes.device)  # a newline stands before each line
            if vectors is not None:
                is_last = torch.arange(embedded.shape[1], device=last.device) == last[:, None]
                ended_by = functional.embedding(rows, vectors).to(embedded.dtype)
                embedded = torch.where(is_last[..., None], ended_by[:, None], embedded)
            read = run(self.divided.lower, embedded, wanted=self._goes_up(last, embedded.shape[1]))
            states.append(self._boundary(read, last))
            order.append(rows)
        if not states:
            empty: torch.Tensor = self.divided.embed(codes.new_zeros((0, self.n_states)))
            return empty
        # Each row once: the gradient of this index has one term.
        return torch.cat(states)[torch.argsort(torch.cat(order))]

    def _goes_up(self, last: torch.Tensor, length: int) -> torch.Tensor:
        """Tell of which positions of lines that end at ``last`` [n] the states are needed: bool [n, length]."""
        positions = torch.arange(length, device=last.device)
        if self.states == "last":
            return positions == last[:, None]
        return (positions > 0) & (positions <= last[:, None])

    def _boundary(self, states: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """Take what goes up, [n, n_states, hidden], of lines [n, length, hidden] that end at ``last`` [n]."""
        of_last = states[torch.arange(len(last), device=last.device), last]
        if self.states == "last":
            return of_last[:, None]
        positions = torch.arange(states.shape[1], device=last.device)
        is_word = ((positions > 0) & (positions < last[:, None]))[..., None]
        sums, n_words = (states * is_word).sum(1), is_word.sum(1)
        mean = torch.where(n_words > 0, sums / n_words.clamp(min=1), of_last)  # a line may have no words
        return mean[:, None] if self.states == "mean" else torch.stack([mean, of_last], dim=1)


class LineCache:
    """The states of the prefix [length, hidden], and of the lines read so far [n_items, n_states, hidden]."""

    def __init__(self, n_items: int, n_states: int, prefix: torch.Tensor) -> None:
        with torch.inference_mode(False):  # what is made in inference could not be written to while training
            self.prefix = prefix.clone()
            self.lines = torch.empty(n_items, n_states, prefix.shape[1], dtype=prefix.dtype, device=prefix.device)
            self._known = torch.zeros(n_items, dtype=torch.bool, device=prefix.device)

    def unknown(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the positions in ``codes`` of the lines that have not been read."""
        return torch.nonzero(~self._known[codes])[:, 0]

    def put(self, codes: torch.Tensor, states: torch.Tensor) -> None:
        """Remember the states of lines; another thread that does so at once writes the same."""
        self.lines[codes] = states
        self._known[codes] = True


def line_groups(lengths: Int64s, budget: int) -> Iterator[Int64s]:
    """Yield groups of lines of like length, whose padded total with a newline before each is within ``budget``."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        shortest = int(lengths[order[start]]) + 1
        longest = int(lengths[order[end]]) + 1 if end < len(order) else 0
        if end == len(order) or longest > SPREAD * shortest or longest * (end - start + 1) > budget:
            yield order[start:end]
            start = end


def _device_of(module: nn.Module) -> torch.device:
    return next(module.parameters()).device
