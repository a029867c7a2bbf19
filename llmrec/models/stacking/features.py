"""What stacking reads: the members' scores on one scale, and what says how far each is to be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmrec.arrays import Bools, Float32s, Float64s, Int64s
from llmrec.data import Catalog, Fold, Sequences
from llmrec.data.columns import ITEM, USER
from llmrec.data.histories import Histories
from llmrec.models.base import Recommender
from llmrec.models.stacking.conditional_logit import Choices, ConditionalLogit

# A score that is no logit adds the log of 1 + itself over this share of the row's highest.
SMALLEST_SHARE = 0.02
# Added before a row's highest score is logged: what a rule scores below this it hardly knows.
KNOWN_FROM = 0.01
# Up to here log1p(x) is x in float32.
EQUAL_TO_LOG1P = np.float32(2**-26)
# Scores of so many histories are weighed and added at once: they stay in the processor's cache.
ROWS_IN_CACHE = 16
# All items are alternatives up to this many; above, each member's best and a sample of the others.
ALL_UP_TO = 512
BEST_OF_EACH = 50
SAMPLED = 100
# Scores that are held at once, of all members together: 256 MiB.
SCORES_AT_ONCE = 2**26
N_CONTEXTS = 4
# Where a member's weight may change: so far below the highest logit, and at so many units of a rule, as the log of
# 1 + them; what the top of a list says is worth more, or less, than the same difference further down.
LOGIT_KNOTS = (-5.0, -2.0)
RULE_KNOTS = (1.2, 3.0)


def rows_at_once(n_members: int, n_items: int) -> int:
    """Return of how many histories all members' scores are held at once."""
    return max(SCORES_AT_ONCE // (n_members * n_items), 16)


def item_counts(histories: Histories, catalog: Catalog) -> Int64s:
    """Count the events of each item that are positive targets, [n_items]."""
    positive = Sequences.encode(histories, catalog).positives()
    return np.bincount(positive.codes, minlength=len(catalog))


def feature_of(member: Recommender, scores: Float32s) -> Float32s:
    """Turn a member's scores [n, n_items] into logits, up to a number for each row."""
    top = scores.max(axis=1, keepdims=True)
    if member.scores_are_logits:
        logits: Float32s = scores - top
        return logits
    result: Float32s = np.maximum(scores, 0, order="C")  # scores may be transposed: reshape would copy
    result /= unit_of(top)
    # Rules score few items much, and the logarithm of all others would take longer than what the rules count.
    large = np.flatnonzero(result > EQUAL_TO_LOG1P)
    flat = result.reshape(-1)
    flat[large] = np.log1p(flat[large])
    return result


def unit_of(highest: Float32s) -> Float32s:
    """Return what scores that are no logits are divided by, where the highest is this."""
    unit: Float32s = np.maximum(SMALLEST_SHARE * highest, np.finfo(np.float32).tiny)
    return unit


def known_by(member: Recommender, highest: Float32s) -> Float32s | None:
    """Return how much a member knows of histories whose highest scores [n] these are; None of one of logits."""
    return None if member.scores_are_logits else np.log(KNOWN_FROM + np.maximum(highest, 0))


def add_feature(
    total: Float32s, member: Recommender, scores: Float32s, weights: Float32s, logit: ConditionalLogit
) -> None:
    """Add a member's feature, for its scores [n, n_items], to ``total``.

    ``weights`` are [n, 1], ``logit`` is the member's part, whose hinges are added, too.
    """
    lowest = logit.knots.min(initial=np.inf)
    for start in range(0, len(total), ROWS_IN_CACHE):
        rows = slice(start, start + ROWS_IN_CACHE)
        feature = feature_of(member, scores[rows])
        if logit.hinges.any():
            # Few items are beyond a knot, and the hinges of all others are zero.
            where = np.nonzero(feature > lowest)
            total[rows][where] += logit.bent(feature[where])
        feature *= weights[rows]
        total[rows] += feature


def contexts_of(known: Sequence[Float32s | None], sequences: Sequences, counts: Int64s) -> Float32s:
    """Describe each query for each member's weight, [n, n_members, N_CONTEXTS].

    1; the log of the history's length; of how often its last item occurs in training (``counts`` [n_items]); and
    what is ``known_by`` each member: a rule that knows nothing of a history's items scores low.
    """
    contexts = np.zeros((len(sequences), len(known), N_CONTEXTS), dtype=np.float32)
    lengths = sequences.lengths()
    read = lengths > 0
    contexts[:, :, 0] = 1
    contexts[:, :, 1] = np.log1p(lengths)[:, None]
    contexts[read, :, 2] = np.log1p(counts[sequences.codes[sequences.offsets[1:][read] - 1]])[:, None]
    for n, one in enumerate(known):
        if one is not None:
            contexts[:, n, 3] = one
    return contexts


def choices_of(
    members: Sequence[Recommender], fold: Fold, counts: Int64s, *, exclude_seen: bool, seed: int
) -> Choices:
    """Score a fold by every member: its answers among the catalog, or among what any member ranks high.

    Users without an answer that can be ranked are left out. The others of a large catalog are a random sample,
    each of which stands for many.
    """
    n_items = len(counts)
    draw, parts = np.random.default_rng(seed), list[Choices]()
    step = rows_at_once(len(members), n_items)
    for start in range(0, len(fold.histories), step):
        histories = fold.histories[start : start + step]
        sequences = Sequences.encode(histories, members[0].catalog)
        right = _right(histories, fold, members[0])
        open_ = np.ones(right.shape, dtype=bool)
        if exclude_seen:
            open_[sequences.users(), sequences.codes] = False
        right &= open_
        scores = [member.score(histories) for member in members]
        codes, log_weight = _alternatives(scores, right, open_, draw)
        answered = np.flatnonzero(right.any(axis=1))
        rows, columns = answered[:, None], codes[answered]
        features = [feature_of(m, s)[rows, columns] for m, s in zip(members, scores, strict=True)]
        known = [known_by(m, s.max(axis=1)) for m, s in zip(members, scores, strict=True)]
        contexts = contexts_of(known, sequences, counts)[answered]
        usable = ~np.isneginf(log_weight[answered])
        targets = (right[rows, columns] & usable).astype(np.float32)
        parts.append(
            Choices(
                np.stack(features, axis=1),
                contexts,
                log_weight[answered],
                targets / targets.sum(axis=1, keepdims=True),
            )
        )
    return _joined(parts)


def _right(histories: Histories, fold: Fold, member: Recommender) -> Bools:
    """Mark the answers of histories, [n, n_items]."""
    right = np.zeros((len(histories), len(member.catalog)), dtype=bool)
    rows = {user: row for row, user in enumerate(histories.user_ids)}
    users = [rows.get(user, -1) for user in fold.answers[USER].to_list()]
    codes = member.catalog.codes(fold.answers[ITEM])
    used = (np.array(users, dtype=np.int64) >= 0) & (codes >= 0)
    right[np.array(users, dtype=np.int64)[used], codes[used]] = True
    return right


def _alternatives(
    scores: Sequence[Float32s], right: Bools, open_: Bools, draw: np.random.Generator
) -> tuple[Int64s, Float32s]:
    """Choose alternatives: codes [n, m], and the log of how many items each stands for, -inf for padding."""
    n, n_items = right.shape
    if n_items <= ALL_UP_TO:
        log_weight = np.where(open_, np.float32(0), np.float32(-np.inf))
        return np.broadcast_to(np.arange(n_items), (n, n_items)), log_weight
    high = right.copy()
    for one in scores:
        best = np.argpartition(-np.where(open_, one, -np.inf), BEST_OF_EACH, axis=1)[:, :BEST_OF_EACH]
        np.put_along_axis(high, best, True, axis=1)
    high &= open_
    counts = high.sum(axis=1)
    codes = np.zeros((n, int(counts.max(initial=0)) + SAMPLED), dtype=np.int64)
    log_weight = np.full(codes.shape, -np.inf, dtype=np.float32)
    for row in range(n):
        codes[row, : counts[row]] = np.flatnonzero(high[row])
        log_weight[row, : counts[row]] = 0
        others = np.flatnonzero(open_[row] & ~high[row])
        sample = draw.choice(others, min(SAMPLED, len(others)), replace=False)
        part = slice(int(counts[row]), int(counts[row]) + len(sample))
        codes[row, part] = sample
        log_weight[row, part] = np.log(len(others) / max(len(sample), 1))
    return codes, log_weight


def _joined(parts: Sequence[Choices]) -> Choices:
    """Lay the choices of several chunks one after the other, padded to equally many alternatives."""
    most = max(part.targets.shape[1] for part in parts)

    def wide(array: Float32s, value: float) -> Float32s:
        missing = [(0, 0)] * (array.ndim - 1) + [(0, most - array.shape[-1])]
        return np.pad(array, missing, constant_values=value)

    return Choices(
        np.concatenate([wide(part.features, 0) for part in parts]),
        np.concatenate([part.contexts for part in parts]),
        np.concatenate([wide(part.log_weight, -np.inf) for part in parts]),
        np.concatenate([wide(part.targets, 0) for part in parts]),
    )


def knots_of(members: Sequence[Recommender]) -> Float64s:
    """Return where each member's weight may change, [n_members, n_knots]."""
    return np.array([LOGIT_KNOTS if member.scores_are_logits else RULE_KNOTS for member in members])


def prior_weights(members: Sequence[Recommender]) -> Float64s:
    """Weigh the networks alike, 1 in all, and rules not at all; rules alike where there is no network."""
    logits = np.array([member.scores_are_logits for member in members])
    return np.where(logits, 1 / max(logits.sum(), 1), 0.0 if logits.any() else 1 / len(members))
