"""Conditional logit: which of many alternatives is chosen, by features of the alternatives (McFadden 1974).

A feature may count more, or less, from a knot on: what it adds is then a linear spline of it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from llmrec.arrays import Float32s, Float64s, Int64s

CV_FOLDS = 5
# How strongly weights are drawn to what they would be without data, and those of interactions and of hinges to
# zero. Cross-validation chooses the second; the first holds where a log has too few queries to choose anything.
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
    """Scores alternatives by the sum over features f of ``(context @ weights[f]) * f``, and of their hinges.

    ``weights`` [n_features, n_contexts] are of contexts less ``mean`` and over ``scale``, both of that shape,
    within ``low`` and ``high``, those of the queries of the fit: beyond them a slope says nothing. Hinges add
    ``hinges[f] * max(f - knots[f], 0)``, whatever the context; both are [n_features, n_knots].
    """

    weights: Float64s
    mean: Float64s
    scale: Float64s
    low: Float64s
    high: Float64s
    hinges: Float64s
    knots: Float64s

    def of_feature(self, n: int) -> ConditionalLogit:
        """Return the part of the logit that one feature has."""
        return ConditionalLogit(**{part.name: getattr(self, part.name)[n : n + 1] for part in fields(self)})

    @classmethod
    def prior(cls, weights: Float64s, contexts: Float32s, knots: Float64s | None = None) -> ConditionalLogit:
        """Weigh each feature by one number [n_features]; contexts are standardized over all queries.

        ``knots`` [n_features, n_knots] are where its slope may change; by default nowhere.
        """
        mean, scale = contexts.mean(axis=0, dtype=np.float64), contexts.std(axis=0, dtype=np.float64)
        mean[:, 0], scale[:, 0] = 0, 1  # the constant
        start = np.zeros(mean.shape)
        start[:, 0] = weights
        # A context that is the same for all queries has no slope: its weight stays zero.
        low, high = (of.astype(np.float64) for of in (contexts.min(axis=0), contexts.max(axis=0)))
        knots = np.zeros((len(start), 0)) if knots is None else knots
        return cls(start, mean, np.where(scale < 1e-6, 1, scale), low, high, np.zeros(knots.shape), knots)

    def reads(self, n: int) -> bool:
        """Whether a feature counts at all."""
        return bool(self.weights[n].any() or self.hinges[n].any())

    def top_weights(self, contexts: Float32s) -> Float64s:
        """Return the mean weight of each feature where it is highest, beyond all knots, [n_features]."""
        slopes: Float64s = self.multipliers(contexts).mean(axis=0) + self.hinges.sum(axis=1)
        return slopes

    def standardized(self, contexts: Float32s) -> Float64s:
        """Return contexts as the weights take them, [n, n_features, n_contexts]."""
        result: Float64s = (np.clip(contexts, self.low, self.high) - self.mean) / self.scale
        return result

    def multipliers(self, contexts: Float32s) -> Float32s:
        """Return the weight of each feature for each query, [n, n_features]."""
        result: Float32s = (self.standardized(contexts) * self.weights).sum(axis=-1).astype(np.float32)
        return result

    def bent(self, feature: Float32s) -> Float32s:
        """Return what the hinges add for values of the only feature, of any shape."""
        added = np.zeros(feature.shape, dtype=np.float32)
        for hinge, knot in zip(self.hinges[0].astype(np.float32), self.knots[0].astype(np.float32), strict=True):
            if hinge:
                added += hinge * np.maximum(feature - knot, np.float32(0))
        return added

    def scores(self, choices: Choices, beyond: Float32s | None = None) -> Float32s:
        """Score alternatives, [n, m]; -inf where there is none. ``beyond``: what ``beyond_knots`` returns."""
        total = np.matmul(self.multipliers(choices.contexts)[:, None], choices.features)[:, 0]
        if self.knots.size:
            beyond = self.beyond_knots(choices) if beyond is None else beyond
            total += np.matmul(self.hinges.reshape(-1).astype(np.float32), beyond)
        return np.where(np.isneginf(choices.log_weight), np.float32(-np.inf), total)

    def beyond_knots(self, choices: Choices) -> Float32s:
        """Return how far features are beyond each knot, [n, n_features * n_knots, m]."""
        knots = self.knots.astype(np.float32)
        n, n_features, m = choices.features.shape
        beyond: Float32s = np.maximum(choices.features[:, :, None] - knots[None, :, :, None], np.float32(0))
        return beyond.reshape(n, n_features * knots.shape[1], m)

    def log_likelihood(self, choices: Choices) -> float:
        """Mean log-probability of the right alternatives."""
        logits = self.scores(choices) + choices.log_weight
        return float((choices.targets * _log_softmax(logits)).sum() / max(len(choices), 1))

    def fitted(
        self, choices: Choices, penalty: float, *, start: ConditionalLogit | None = None
    ) -> ConditionalLogit:
        """Maximize the likelihood, which is concave, with a ``penalty`` on interactions and hinges.

        The main weights are drawn to these by their own. ``start``: where to begin, by default at these.
        """
        from scipy.optimize import minimize

        contexts, beyond = self.standardized(choices.contexts), self.beyond_knots(choices)
        penalties = np.full(self.weights.shape, penalty)
        penalties[:, 0] = MAIN_PENALTY
        flat_penalties = np.append(penalties, np.full(self.hinges.shape, penalty))
        origin = np.append(self.weights, self.hinges)

        def loss(flat: Float64s) -> tuple[float, Float64s]:
            logits = self._with(flat).scores(choices, beyond) + choices.log_weight
            log_shares = _log_softmax(logits)
            slope = choices.targets - np.exp(log_shares)
            by_query = np.matmul(choices.features, slope[:, :, None]).astype(np.float64)
            of_hinges = np.matmul(beyond, slope[:, :, None]).sum(axis=0, dtype=np.float64)
            gradient = np.append((by_query * contexts).sum(axis=0), of_hinges)
            change = flat - origin
            value = (flat_penalties * change**2).sum() - (choices.targets * log_shares).sum(dtype=np.float64)
            return float(value), 2 * flat_penalties * change - gradient

        first = start or self
        begin = np.append(first.weights, first.hinges)
        best = minimize(loss, begin, jac=True, method="L-BFGS-B", options=STOPPING)
        return self._with(best.x)

    def _with(self, flat: Float64s) -> ConditionalLogit:
        """Return the logit with other weights and hinges."""
        n = self.weights.size
        weights, hinges = flat[:n].reshape(self.weights.shape), flat[n:].reshape(self.hinges.shape)
        return replace(self, weights=weights, hinges=hinges)

    def tuned(self, choices: Choices, *, seed: int) -> tuple[ConditionalLogit, Float32s]:
        """Fit with the penalty of interactions and hinges of the best cross-validated likelihood.

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
