"""User vectors of histories of which many begin alike, as with one item left out of each: that is read once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.data import Sequences
from llmrec.llm.backbone import cache_option, empty_cache, repeated_cache
from llmrec.llm.read_positions import at_positions, reading
from llmrec.llm.serialize import SerializedHistories
from llmrec.models.llm.history_encoder import HistoryEncoder, Windows
from llmrec.models.llm.shared_prefix import reads_cached
from llmrec.training.batching import padded, padded_event_codes

if TYPE_CHECKING:
    import torch

# Histories that have fewer items in common are read sooner than their keys and values are copied.
LEAST_SHARED = 4
# What is read together has at most so many times as many new positions as the least, or so many more.
SPREAD, LEAST_SPREAD = 1.3, 4
# So many histories that begin alike are compared with each other.
COMPARED_AT_ONCE = 128


class Beginnings(NamedTuple):
    """A history, ``trunk``, and ``others`` that begin with its first ``n_shared`` items: rows, int64 [n] each."""

    trunk: int
    others: Int64s
    n_shared: Int64s


def user_vectors(encoder: HistoryEncoder, windows: Windows) -> Float32s:
    """Return what ``encoder.users`` does but for rounding: unit user vectors, float32 [n, dim]."""
    groups = shared_beginnings(windows.sequences) if can_share(encoder) else []
    if not groups:
        return encoder.users(windows)
    import torch

    users = np.empty((len(windows.sequences), encoder.network.user_projection.out_features), dtype=np.float32)
    grouped = np.concatenate([[group.trunk, *group.others] for group in groups])
    alone = np.setdiff1d(np.arange(len(users)), grouped)
    if len(alone):
        users[alone] = encoder.users(windows.take(alone))
    with torch.inference_mode():
        reading = _Reading(encoder)
        for group in groups:
            for rows, vectors in reading.users_of(windows.sequences, group):
                users[rows] = vectors
    return users


def can_share(encoder: HistoryEncoder) -> bool:
    """Whether the states of a beginning hold for every history that goes on from it.

    Not so where lines are read by themselves, the newest items are in words, or all is packed.
    """
    network = encoder.network
    in_parts = network.local is not None or network.pack or encoder.serializer.encoding.n_newest
    return not in_parts and reads_cached(network.blocks)


def shared_beginnings(sequences: Sequences) -> list[Beginnings]:
    """Group histories that have their first items in common, at least ``LEAST_SHARED``; others are in no group."""
    alike: dict[bytes, list[int]] = {}
    for row in np.flatnonzero(sequences.lengths() > LEAST_SHARED):
        first = slice(int(sequences.offsets[row]), int(sequences.offsets[row]) + LEAST_SHARED)
        fields = b"" if sequences.event_codes is None else sequences.event_codes[first].tobytes()
        alike.setdefault(sequences.codes[first].tobytes() + fields, []).append(int(row))
    parts = (
        np.array(rows[start : start + COMPARED_AT_ONCE])
        for rows in alike.values()
        for start in range(0, len(rows), COMPARED_AT_ONCE)
    )
    return [_beginnings(sequences, rows) for rows in parts if len(rows) > 1]


def _beginnings(sequences: Sequences, rows: Int64s) -> Beginnings:
    """Take as trunk the history of which the others have most."""
    codes, fields = padded(sequences, rows), padded_event_codes(sequences, rows)
    same = (codes[:, None] == codes[None]) & (codes >= 0)[None]
    if fields is not None:
        same &= fields[:, None] == fields[None]
    n_common = np.cumprod(same, axis=2, dtype=np.int64).sum(axis=2)
    trunk = int(n_common.sum(axis=1).argmax())
    others = np.flatnonzero(np.arange(len(rows)) != trunk)
    # At least its last item is read of each: there its user's state is.
    n_shared = np.minimum(n_common[trunk, others], sequences.lengths()[rows[others]] - 1)
    return Beginnings(int(rows[trunk]), rows[others], n_shared)


class _Reading:
    """Reads trunks whole, and of other histories what comes after their beginning."""

    def __init__(self, encoder: HistoryEncoder) -> None:
        self.serializer, self.network = encoder.serializer, encoder.network
        self.blocks: Any = self.network.blocks
        self.device, self.vectors = self.network.bias.device, self.network.items()
        self.budget = encoder.batch_tokens

    def users_of(self, sequences: Sequences, group: Beginnings) -> Iterator[tuple[Int64s, Float32s]]:
        """Yield rows of a group and their unit user vectors [n, dim]."""
        trunk, cache = np.array([group.trunk]), empty_cache(self.blocks)
        written = self._written(sequences, trunk)
        columns = np.arange(written.tokens.shape[1])[None]
        yield trunk, self._users(written, columns, written.states[:, -1], cache)
        written = self._written(sequences, group.others)
        starts = written.states[np.arange(len(group.others)), group.n_shared] + 1
        n_new = written.states[:, -1] + 1 - starts
        for rows in _read_together(n_new, starts, self.budget):
            n_known, width = int(starts[rows].max()), int(n_new[rows].max())
            columns = np.minimum(starts[rows, None] + np.arange(width), written.tokens.shape[1] - 1)
            is_known = np.arange(n_known)[None] < starts[rows, None]
            mask = np.concatenate([is_known, np.ones_like(columns, dtype=bool)], axis=1)
            known = repeated_cache(self.blocks, cache, n_known, len(rows))
            users = self._users(_rows_of(written, rows), columns, n_new[rows] - 1, known, mask)
            yield group.others[rows], users

    def _written(self, sequences: Sequences, rows: Int64s) -> SerializedHistories:
        return self.serializer.write(padded(sequences, rows), padded_event_codes(sequences, rows))

    def _users(
        self,
        written: SerializedHistories,
        columns: Int64s,
        last: Int64s,
        cache: Any,
        mask: Any = None,
    ) -> Float32s:
        """Read some columns [n, width] of written histories after what ``cache`` holds; ``last`` [n]: of these."""
        import torch

        def at(array: Int64s) -> torch.Tensor:
            return torch.from_numpy(array[np.arange(len(array))[:, None], columns]).to(self.device)

        options: dict[str, Any] = {}
        if mask is not None:
            options["attention_mask"] = torch.from_numpy(mask.astype(np.int64)).to(self.device)
            options["position_ids"] = torch.from_numpy(columns).to(self.device)
        bins = None if written.bins is None else at(written.bins)
        embedded = self.network.embedded(at(written.tokens), at(written.placeholders), self.vectors, bins)
        ends = torch.from_numpy(last[:, None]).to(self.device)
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.network.bf16)
        with autocast, reading(self.blocks, at_positions(ends, embedded.shape[:2])):
            hidden = self.blocks(
                inputs_embeds=embedded, use_cache=True, **cache_option(self.blocks, cache), **options
            ).last_hidden_state
        states = hidden[torch.arange(len(hidden), device=self.device), ends[:, 0]].float()
        vectors: Float32s = self.network.users(states).cpu().numpy()
        return vectors


def _read_together(n_new: Int64s, n_known: Int64s, budget: int) -> Iterator[Int64s]:
    """Yield groups of rows with about as many new positions, the rest being padding, within a budget of positions.

    The trunk's keys and values are copied for each row: half of what it knows counts, too.
    """
    order, sizes = np.argsort(n_new, kind="stable"), n_new + n_known // 2
    start = 0
    for end in range(1, len(order) + 1):
        rows = order[start : end + 1]
        most = max(SPREAD * n_new[rows[0]], n_new[rows[0]] + LEAST_SPREAD)
        if end == len(order) or n_new[rows[-1]] > most or sizes[rows].max() * len(rows) > budget:
            yield order[start:end]
            start = end


def _rows_of(written: SerializedHistories, rows: Int64s) -> SerializedHistories:
    bins = None if written.bins is None else written.bins[rows]
    return SerializedHistories(written.tokens[rows], written.placeholders[rows], written.states[rows], bins)
