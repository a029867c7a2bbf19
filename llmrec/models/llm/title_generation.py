"""Generate the next item: its title, token by token, where only titles of the catalog can come out.

An item's score is the log-probability of its whole line, newline included, after the history. It is not divided
by the line's length: a line ends in a token of its own, so the plain probabilities of all lines sum to at most
one, while a mean over tokens favours titles with many tokens that follow from the ones before (Bao et al. 2024,
"Decoding Matters").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from llmrec.arrays import Bools, Float32s, Float64s, Int64s
from llmrec.data import Sequences
from llmrec.errors import ModelError
from llmrec.llm.decode import Decoder, Read, check_head
from llmrec.models.llm.history_encoder import HistoryEncoder
from llmrec.models.llm.trie import ROOT, TitleTrie
from llmrec.training.batching import by_length, padded

# Positions that may lie in caches at once, a multiple of a training step's: nothing is kept for a gradient.
CACHED = 8


@dataclass(frozen=True, eq=False)
class Found:
    """What a beam search found: for each find its row, a leaf of the trie, and the log-probability."""

    rows: Int64s
    leaves: Int64s
    scores: Float64s


class TitleGenerator:
    """Scores items by the probability of their lines under a trained network. Raises ModelError if it was not
    taught to write them."""

    def __init__(self, encoder: HistoryEncoder) -> None:
        if not encoder.serializer.encoding.writes_titles or not encoder.network.losses.title:
            raise ModelError(
                "this model was not taught to write titles, so it cannot generate them; train with "
                "history.encoding text or hybrid and train.title_loss above 0"
            )
        check_head(encoder.network.model)
        self.encoder = encoder
        self.decoder = Decoder(encoder.network.model)

    @cached_property
    def trie(self) -> TitleTrie:
        """The tree of the catalog's lines."""
        return TitleTrie.build(self.encoder.serializer.lines)

    def exact(self, sequences: Sequences) -> Float32s:
        """Score every item for every sequence by teacher forcing: float32 [n, n_items]."""
        import torch

        leaves, first = np.unique(self.trie.leaves, return_index=True)
        lines = [self.encoder.serializer.lines[int(code)] for code in first]
        at = np.searchsorted(leaves, self.trie.leaves)
        scores = np.empty((len(sequences), len(self.trie.leaves)), dtype=np.float32)
        with torch.inference_mode():
            # One history at a time: its cache is repeated for as many lines as there is room for.
            for rows, read in self._read(sequences, budget=0):
                scores[rows] = self.decoder.likelihoods(read, lines, budget=self._budget)[at]
        return scores

    def best(self, sequences: Sequences, beams: int, *, allowed: Bools) -> tuple[Int64s, Float32s]:
        """Find items by beam search: codes and log-probabilities [n, m], -inf where fewer were found.

        ``allowed`` [n, n_items]: which items may come out. ``beams`` token sequences are followed for each
        history, so at least so many items come out if as many are allowed; with as many beams as items the
        ranking is exact. All items that share a line come out with it. The order within a row is arbitrary.
        """
        found: list[tuple[Int64s, Float32s]] = [
            (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        ] * len(sequences)
        for rows, read in self._read(sequences, budget=self._budget, rows_each=beams):
            some = beam_search(self.decoder, self.trie, read, beams, [allowed[row] for row in rows])
            which, codes = self.trie.items_at(some.leaves)
            owner, values = rows[some.rows[which]], some.scores[which].astype(np.float32)
            kept = allowed[owner, codes]
            for row in rows:
                mine = kept & (owner == row)
                found[row] = (codes[mine], values[mine])
        width = max((len(codes) for codes, _ in found), default=0)
        all_codes = np.zeros((len(sequences), width), dtype=np.int64)
        all_values = np.full((len(sequences), width), -np.inf, dtype=np.float32)
        for row, (codes, values) in enumerate(found):
            all_codes[row, : len(codes)], all_values[row, : len(codes)] = codes, values
        return all_codes, all_values

    @property
    def _budget(self) -> int:
        return CACHED * self.encoder.batch_tokens

    def _read(self, sequences: Sequences, *, budget: int, rows_each: int = 1) -> Iterator[tuple[Int64s, Read]]:
        """Read the histories in groups of like length whose caches, each ``rows_each`` times, hold ``budget``."""
        import torch

        longest = int(self.encoder.serializer.lines.lengths().max(initial=0))
        windows = self._encoder(longest).windows(sequences)
        network, serializer = self.encoder.network, self.encoder.serializer
        for rows in by_length((windows.n_positions + longest) * min(rows_each, len(self.trie)), budget):
            with torch.inference_mode():
                written = serializer.write(padded(windows.sequences, rows))
                length = written.tokens.shape[1]
                # From padding on the right, as in training, to padding on the left.
                n_padding = length - 1 - written.states[:, -1:]
                turned = (np.arange(length)[None] - n_padding) % length
                tokens, placeholders = (
                    torch.from_numpy(np.take_along_axis(one, turned, axis=1)).to(self.decoder.device)
                    for one in (written.tokens, written.placeholders)
                )
                inside = np.arange(length)[None] >= n_padding
                embedded = network.embedded(tokens, placeholders, network.items())
                yield rows, self.decoder.read(embedded, torch.from_numpy(inside))

    def _encoder(self, longest: int) -> HistoryEncoder:
        """Leave room for the title, as in training: there it was written behind a full window."""
        encoder, context = self.encoder, self.decoder.context
        room = encoder.max_tokens if context is None else min(encoder.max_tokens, context)
        return replace(encoder, max_tokens=room - longest)


def beam_search(decoder: Decoder, trie: TitleTrie, read: Read, beams: int, allowed: list[Bools]) -> Found:
    """Follow the ``beams`` most probable ways down the trie for each row that was read, to the leaves.

    Finished lines keep their place among the beams. Ways without an allowed item below them are not taken.
    """
    import torch

    alive = np.stack([trie.leading_to(one) for one in allowed])
    rows = np.flatnonzero(alive[:, ROOT])
    nodes, scores = np.full(len(rows), ROOT, dtype=np.int64), np.zeros(len(rows))
    done = Found(rows[:0], nodes[:0], scores[:0])
    owners, last = rows, rows  # of each active beam: its history, and where its state is
    with torch.inference_mode():
        while len(owners):
            which, child = trie.steps(nodes)
            kept = alive[owners[which], child]
            which, child = which[kept], child[kept]
            gains = decoder.log_probabilities(read.last, last[which], trie.tokens[child])
            all_owners = np.concatenate([done.rows, owners[which]])
            all_nodes = np.concatenate([done.leaves, child])
            all_scores = np.concatenate([done.scores, scores[which] + gains])
            came_from = np.concatenate([np.full(len(done.rows), -1, dtype=np.int64), last[which]])
            best = best_of_each(all_owners, all_scores, all_nodes, beams)
            ended = trie.children[all_nodes[best]] == 0
            over, on = best[ended], best[~ended]
            done = Found(all_owners[over], all_nodes[over], all_scores[over])
            owners, nodes, scores = all_owners[on], all_nodes[on], all_scores[on]
            if len(on):
                read = decoder.go_on(read, came_from[on], trie.tokens[nodes][:, None])
            last = np.arange(len(on))
    return done


def best_of_each(owners: Int64s, scores: Float64s, nodes: Int64s, most: int) -> Int64s:
    """Return the places of each owner's ``most`` highest scores; ties go to the lower node."""
    order = np.lexsort((nodes, -scores, owners))
    ranked = owners[order]
    rank = np.arange(len(order)) - np.searchsorted(ranked, ranked, side="left")
    return order[rank < most]
