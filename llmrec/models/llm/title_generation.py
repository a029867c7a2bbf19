"""Generate the next item: its title, token by token, where only titles of the catalog can come out.

An item's score is the log-probability of its text among those of the catalog: wherever texts part, the LLM says
how probable each of the tokens is that one of them goes on with, and no other token. The probabilities of all
texts sum to one. Tokens that follow from those before, as only one text is left, count for nothing: over the whole
vocabulary they would also say how well the LLM spells a title, not only how probable the item is (compare Bao et
al. 2024, "Decoding Matters"). They are not even read: of the 20,000 title tokens of MovieLens 100K, 639 lead to
where titles part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from llmrec.arrays import Bools, Float32s, Float64s, Int64s
from llmrec.data import Sequences
from llmrec.data.histories import ranges
from llmrec.errors import ModelError
from llmrec.llm.decode import Decoder, DecodingState, check_head
from llmrec.llm.encodings import title_encodings
from llmrec.models.llm.history_encoder import HistoryEncoder
from llmrec.models.llm.trie import ROOT, TitleTrie
from llmrec.training.batching import by_length, padded

# Positions that caches may hold at once, a multiple of a training step's: nothing is kept for a gradient.
CACHED = 8


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """Token sequences of a beam search: of each its row, its node in the trie, and its log-probability."""

    rows: Int64s
    nodes: Int64s
    scores: Float64s

    def take(self, indices: Int64s) -> Hypotheses:
        """Return some of them, in the order given."""
        return Hypotheses(self.rows[indices], self.nodes[indices], self.scores[indices])


class TitleGenerator:
    """Scores items by the probability of their texts, among all of the catalog, under a trained network.

    Raises ModelError for one that was not trained to write titles.
    """

    def __init__(self, encoder: HistoryEncoder) -> None:
        if not encoder.serializer.encoding.writes_titles or not encoder.network.losses.title:
            raise ModelError(
                "this model was not trained to write titles, so it cannot generate them; train with "
                f"history.encoding {title_encodings()} and train.title_loss above 0"
            )
        check_head(encoder.network.model)
        self.encoder = encoder
        self.decoder = Decoder(encoder.network.model)

    @cached_property
    def trie(self) -> TitleTrie:
        """The prefix tree of the catalog's texts."""
        return TitleTrie.build(self.encoder.serializer.item_tokens)

    def exact(self, sequences: Sequences) -> Float32s:
        """Score every item for every sequence: float32 [n, n_items]."""
        import torch

        trie, forks = self.trie, self.trie.forks
        stems = trie.tokens_to(forks, trie.depths[forks])
        parents, children = trie.children_of(forks)
        scores = np.empty((len(sequences), len(trie.leaves)), dtype=np.float32)
        with torch.inference_mode():
            # One history at a time: its cache is repeated for as many ways to a fork as there is room for.
            for rows, state in self._read(sequences, budget=0):
                states = self.decoder.states_after(state, stems, budget=self._budget)
                gains = np.zeros(len(trie))
                gains[children] = self.decoder.log_shares(states, parents, trie.tokens[children])
                scores[rows] = trie.summed(gains)
        return scores

    def best(self, sequences: Sequences, beams: int, *, allowed: Bools) -> tuple[Int64s, Float32s]:
        """Generate items by beam search: codes and log-probabilities [n, m], -inf right of a row's last item.

        ``allowed`` [n, n_items]: which items may come out. ``beams`` token sequences are followed for each
        history, so at least so many items come out if as many are allowed; with as many beams as items the
        ranking is exact. All items that share a text come out with it. The order within a row is arbitrary.
        """
        rows_of, codes_of, scores_of = (list[Any]() for _ in range(3))
        for rows, state in self._read(sequences, budget=self._budget, copies=beams):
            hypotheses = beam_search(self.decoder, self.trie, state, beams, allowed[rows])
            which, codes = self.trie.items_at(hypotheses.nodes)
            of_items = rows[hypotheses.rows[which]]
            mask = allowed[of_items, codes]
            rows_of.append(of_items[mask])
            codes_of.append(codes[mask])
            scores_of.append(hypotheses.scores[which][mask].astype(np.float32))
        return _by_row(len(sequences), rows_of, codes_of, scores_of)

    @property
    def _budget(self) -> int:
        return CACHED * self.encoder.batch_tokens

    def _read(
        self, sequences: Sequences, *, budget: int, copies: int = 1
    ) -> Iterator[tuple[Int64s, DecodingState]]:
        """Read the histories in groups of like length, so that ``copies`` of their caches hold ``budget``."""
        import torch

        longest = int(self.encoder.serializer.item_tokens.lengths.max(initial=0))
        windows = self._encoder(longest).windows(sequences)
        network, serializer = self.encoder.network, self.encoder.serializer
        for rows in by_length((windows.n_positions + longest) * min(copies, len(self.trie)), budget):
            with torch.inference_mode():
                written = serializer.write(padded(windows.sequences, rows))
                length = written.tokens.shape[1]
                # From padding on the right, as in training, to padding on the left.
                n_padding = length - 1 - written.states[:, -1:]
                rolled = (np.arange(length)[None] - n_padding) % length
                tokens, placeholders = (
                    torch.from_numpy(np.take_along_axis(array, rolled, axis=1)).to(self.decoder.device)
                    for array in (written.tokens, written.placeholders)
                )
                mask = np.arange(length)[None] >= n_padding
                embedded = network.embedded(tokens, placeholders, network.items())
                yield rows, self.decoder.read(embedded, torch.from_numpy(mask))

    def _encoder(self, longest: int) -> HistoryEncoder:
        """Leave room for the title, as in training: there it was written after a full window."""
        encoder, context = self.encoder, self.decoder.context
        room = encoder.max_tokens if context is None else min(encoder.max_tokens, context)
        return replace(encoder, max_tokens=room - longest)


def beam_search(decoder: Decoder, trie: TitleTrie, state: DecodingState, beams: int, allowed: Bools) -> Hypotheses:
    """Follow the ``beams`` most probable paths down the trie for each row of a state, from fork to fork, to the
    leaves.

    Finished texts stay among the beams. Paths that lead to no ``allowed`` item [n, n_items] are not taken.
    """
    import torch

    leads_to_allowed = np.stack([trie.leads_to(row) for row in allowed])
    rows = np.flatnonzero(leads_to_allowed[:, ROOT])
    candidates = Hypotheses(rows, np.full(len(rows), trie.ends[ROOT]), np.zeros(len(rows)))
    finished, best = candidates.take(rows[:0]), np.arange(len(rows))
    # Which row of the state each candidate goes on from, and by how many tokens.
    last, n_new = rows, trie.depths[candidates.nodes]
    with torch.inference_mode():
        while True:
            at_leaf = trie.n_children[candidates.nodes[best]] == 0
            finished, active = candidates.take(best[at_leaf]), candidates.take(best[~at_leaf])
            if not len(active.rows):
                return finished
            tokens = trie.tokens_to(active.nodes, n_new[best[~at_leaf]])
            state = decoder.append(state, last[best[~at_leaf]], tokens.padded(-1, left=True))
            parents, children = trie.children_of(active.nodes)
            gains = decoder.log_shares(state.last, parents, trie.tokens[children])
            mask = leads_to_allowed[active.rows[parents], children]
            parents, children = parents[mask], children[mask]
            candidates = Hypotheses(
                np.concatenate([finished.rows, active.rows[parents]]),
                np.concatenate([finished.nodes, trie.ends[children]]),
                np.concatenate([finished.scores, active.scores[parents] + gains[mask]]),
            )
            done = np.zeros(len(finished.rows), dtype=np.int64)
            last = np.concatenate([done, parents])
            n_new = np.concatenate([done, trie.depths[trie.ends[children]] - trie.depths[children] + 1])
            best = best_of_each_row(candidates, beams)


def best_of_each_row(hypotheses: Hypotheses, most: int) -> Int64s:
    """Return the indices of each row's ``most`` highest scores; ties go to the lower node."""
    order = np.lexsort((hypotheses.nodes, -hypotheses.scores, hypotheses.rows))
    rows = hypotheses.rows[order]
    rank = np.arange(len(order)) - np.searchsorted(rows, rows, side="left")
    return order[rank < most]


def _by_row(n: int, rows: list[Int64s], codes: list[Int64s], scores: list[Float32s]) -> tuple[Int64s, Float32s]:
    """Lay items out by their rows: codes and scores [n, most]."""
    flat = np.concatenate([np.empty(0, dtype=np.int64), *rows])
    order = np.argsort(flat, kind="stable")
    counts = np.bincount(flat, minlength=n)
    columns = ranges(np.zeros_like(counts), counts)
    all_codes = np.zeros((n, int(counts.max(initial=0))), dtype=np.int64)
    all_scores = np.full(all_codes.shape, -np.inf, dtype=np.float32)
    if len(flat):
        all_codes[flat[order], columns] = np.concatenate(codes)[order]
        all_scores[flat[order], columns] = np.concatenate(scores)[order]
    return all_codes, all_scores
