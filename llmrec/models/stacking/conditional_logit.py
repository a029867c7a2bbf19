"""Conditional logit: which of many alternatives is chosen, by features of the alternatives (McFadden 1974)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from llmrec.arrays import Float32s, Float64s, Int64s

CV_FOLDS = 5
# How strongly weights are drawn to what they would be without data, and those of interactions to zero. Cross-
# validation chooses the second; the first holds where a log has too few queries to choose anything.
MAIN_PENALTY = 3.0
INTERACTION_PENALTIES = (1e6, 300.0, 30.0, 3.0)
# Weights are then known far better than the answers of a few thousand people say them.
STOPPING = {"maxiter": 100, "ftol": 1e-7}


@dataclass(frozen=True, eq=False)
class Choices:
    """Queries, each with alternatives of which one was right, or several.

    ``features`` [n, n_features, m] are of the alternatives, ``contexts`` [n, n_features, n_contexts] of the
    queries: a feature's weight may differ by context, whose first column is 1. ``log_weight`` [n, m] is the log of
    how many alternatives one stands for, -inf where there is none. ``targets`` [n, m] are the right ones' shares.
    """

    features: Float32s
    contexts: Float32s
    log_weight: Float32s
    targets: Float32s

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Int64s) -> Choices:
        """Return some of the queries."""
        return Choices(self.features[rows], self.contexts[rows], self.log_weight[rows], self.targets[rows])


@dataclass(frozen=True, eq=False)
class ConditionalLogit:
    """Scores alternatives by ``sum over features f of (context @ weights[f]) * f``.

    ``weights`` [n_features, n_contexts] are of contexts less ``mean`` and over ``scale``, both of that shape,
    within ``low`` and ``high``, those of the queries of the fit: beyond them a slope says nothing.
    """

    weights: Float64s
    mean: Float64s
    scale: Float64s
    low: Float64s
    high: Float64s

    def of_feature(self, n: int) -> ConditionalLogit:
        """Return the part of the logit that one feature has."""
        return ConditionalLogit(**{part.name: getattr(self, part.name)[n : n + 1] for part in fields(self)})

    @classmethod
    def prior(cls, weights: Float64s, contexts: Float32s) -> ConditionalLogit:
        """Weigh each feature by one number [n_features]; contexts are standardized over all queries."""
        mean, scale = contexts.mean(axis=0, dtype=np.float64), contexts.std(axis=0, dtype=np.float64)
        mean[:, 0], scale[:, 0] = 0, 1  # the constant
        start = np.zeros(mean.shape)
        start[:, 0] = weights
        # A context that is the same for all queries has no slope: its weight stays zero.
        low, high = (of.astype(np.float64) for of in (contexts.min(axis=0), contexts.max(axis=0)))
        return cls(start, mean, np.where(scale < 1e-6, 1, scale), low, high)

    def standardized(self, contexts: Float32s) -> Float64s:
        """Return contexts as the weights take them, [n, n_features, n_contexts]."""
        result: Float64s = (np.clip(contexts, self.low, self.high) - self.mean) / self.scale
        return result

    def multipliers(self, contexts: Float32s) -> Float32s:
        """Return the weight of each feature for each query, [n, n_features]."""
        result: Float32s = (self.standardized(contexts) * self.weights).sum(axis=-1).astype(np.float32)
        return result

    def scores(self, choices: Choices) -> Float32s:
        """Score alternatives, [n, m]; -inf where there is none."""
        total = np.matmul(self.multipliers(choices.contexts)[:, None], choices.features)[:, 0]
        return np.where(np.isneginf(choices.log_weight), np.float32(-np.inf), total)

    def log_likelihood(self, choices: Choices) -> float:
        """Mean log-probability of the right alternatives."""
        logits = self.scores(choices) + choices.log_weight
        return float((choices.targets * _log_softmax(logits)).sum() / max(len(choices), 1))

    def fitted(
        self, choices: Choices, interaction_penalty: float, *, start: ConditionalLogit | None = None
    ) -> ConditionalLogit:
        """Maximize the likelihood, which is concave, with a penalty on how far weights go from these.

        ``start``: where to begin, by default at these.
        """
        from scipy.optimize import minimize

        contexts = self.standardized(choices.contexts)
        penalty = np.full(self.weights.shape, interaction_penalty)
        penalty[:, 0] = MAIN_PENALTY

        def loss(flat: Float64s) -> tuple[float, Float64s]:
            weights = flat.reshape(self.weights.shape)
            log_shares = _log_softmax(replace(self, weights=weights).scores(choices) + choices.log_weight)
            slope = choices.targets - np.exp(log_shares)
            by_query = np.matmul(choices.features, slope[:, :, None]).astype(np.float64)
            gradient = (by_query * contexts).sum(axis=0)
            change = weights - self.weights
            value = (penalty * change**2).sum() - (choices.targets * log_shares).sum(dtype=np.float64)
            return float(value), (2 * penalty * change - gradient).reshape(-1)

        first = (start or self).weights.reshape(-1)
        best = minimize(loss, first, jac=True, method="L-BFGS-B", options=STOPPING)
        return replace(self, weights=best.x.reshape(self.weights.shape))

    def tuned(self, choices: Choices, *, seed: int) -> tuple[ConditionalLogit, Float32s]:
        """Fit with the interaction penalty of the best cross-validated likelihood.

        Returns the logit of all queries, and for each query the scores [n, m] by a logit of other queries.
        """
        folds = np.random.default_rng(seed).permutation(len(choices)) % CV_FOLDS
        scores = np.empty((len(INTERACTION_PENALTIES), *choices.targets.shape), dtype=np.float32)
        likelihood = np.zeros(len(INTERACTION_PENALTIES))
        for fold in np.unique(folds):
            rows, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            held_out, rest, logit = choices.take(rows), choices.take(others), self
            for n, penalty in enumerate(INTERACTION_PENALTIES):
                logit = self.fitted(rest, penalty, start=logit)
                scores[n, rows] = logit.scores(held_out)
                likelihood[n] += logit.log_likelihood(held_out) * len(rows)
        best = int(likelihood.argmax())
        return self.fitted(choices, INTERACTION_PENALTIES[best]), scores[best]


def _log_softmax(logits: Float32s) -> Float32s:
    """Log-shares by row; very small, not -inf, where there is no alternative, so that 0 times it is 0."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_shares: Float32s = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.maximum(log_shares, np.float32(-1e30))


def ndcg_of(scores: Float32s, targets: Float32s, k: int = 10) -> Float64s:
    """NDCG@k of alternatives [n, m] by query, [n]; of equals the right one comes last."""
    gains = []
    for row, right in zip(scores, targets > 0, strict=True):
        ranks = np.array([(row >= value).sum() for value in row[right]])
        ideal = (1 / np.log2(1 + np.arange(1, min(len(ranks), k) + 1))).sum()
        gains.append((1 / np.log2(1 + ranks[ranks <= k])).sum() / ideal)
    return np.array(gains)
