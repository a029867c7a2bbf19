"""Metrics of predicted responses, by scikit-learn, with bootstrap intervals over users."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llmrec.arrays import Arrays, Bools, Float64s, Int64s
from llmrec.evaluation.significance import Interval

BINS = 10
# Fewer resamplings than for a mean: each sorts all predictions anew.
SAMPLES = 100
POINTS = 60  # of a curve that is saved
FEW = 20  # events: fewer in a bin of calibration say nothing


def class_metrics(targets: Int64s, probabilities: Float64s) -> dict[str, float]:
    """Accuracy, precision, recall, F1, ROC-AUC, PR-AUC (all macro), log loss and calibration error.

    ``targets`` [n], ``probabilities`` [n, n_classes]. Of two classes AUCs are the second's. Classes that do not
    occur are left out of means; an AUC that is not defined is NaN.
    """
    from sklearn import metrics

    predicted, n = probabilities.argmax(axis=1), probabilities.shape[1]
    possible = np.clip(probabilities, 1e-7, 1)  # one class taken for impossible must not make the loss infinite
    possible /= possible.sum(axis=1, keepdims=True)
    present = np.unique(targets)
    scores = metrics.precision_recall_fscore_support(
        targets, predicted, labels=present, average="macro", zero_division=0.0
    )
    wanted = [n - 1] if n == 2 else [int(label) for label in present]
    defined = [label for label in wanted if 0 < (targets == label).sum() < len(targets)]
    roc = [metrics.roc_auc_score(targets == label, probabilities[:, label]) for label in defined]
    area = [metrics.average_precision_score(targets == label, probabilities[:, label]) for label in defined]
    return {
        "accuracy": float(metrics.accuracy_score(targets, predicted)),
        "precision": float(scores[0]),
        "recall": float(scores[1]),
        "f1": float(scores[2]),
        "roc_auc": float(np.mean(roc)) if roc else float("nan"),
        "pr_auc": float(np.mean(area)) if area else float("nan"),
        "log_loss": float(metrics.log_loss(targets, possible, labels=np.arange(n))),
        "calibration_error": calibration_error(targets, probabilities),
    }


def number_metrics(targets: Float64s, predictions: Float64s) -> dict[str, float]:
    """Mean absolute error and root mean squared error."""
    from sklearn import metrics

    return {
        "mae": float(metrics.mean_absolute_error(targets, predictions)),
        "rmse": float(metrics.root_mean_squared_error(targets, predictions)),
    }


def per_class(targets: Int64s, probabilities: Float64s, levels: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row a class: ``level, precision, recall, f1, support``."""
    from sklearn import metrics

    columns = metrics.precision_recall_fscore_support(
        targets, probabilities.argmax(axis=1), labels=np.arange(len(levels)), zero_division=0.0
    )
    rows = zip(levels, *columns, strict=True)
    return [
        {"level": level, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for level, p, r, f, s in rows
    ]


def confusion(targets: Int64s, probabilities: Float64s) -> list[list[int]]:
    """Confusion matrix: a row for each actual class, a column for each predicted (most probable) one."""
    from sklearn import metrics

    labels = np.arange(probabilities.shape[1])
    table = metrics.confusion_matrix(targets, probabilities.argmax(axis=1), labels=labels)
    return [[int(value) for value in row] for row in table]


def calibration_error(targets: Int64s, probabilities: Float64s) -> float:
    """Expected calibration error: |accuracy - mean confidence| over ten equal bins (Naeini et al. 2015).

    Confidence is the second class's probability of two classes, of more the most probable class's.
    """
    correct, confidence = _confidence(targets, probabilities)
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    gaps = np.abs(np.bincount(bins, correct, minlength=BINS) - np.bincount(bins, confidence, minlength=BINS))
    return float(gaps.sum() / max(counts.sum(), 1))


def curves(targets: Int64s, probabilities: Float64s) -> dict[str, list[list[float]]]:
    """Points of ``calibration`` and, of two classes, ``roc`` and ``pr``, of more ``roc_macro`` and ``pr_macro``.

    Those of more classes are means over the classes that occur, as ``class_metrics`` averages: the area below is
    that of its table. Bins of calibration with fewer than FEW events are left out.
    """
    points = {"calibration": _calibration(*_confidence(targets, probabilities))}
    n = probabilities.shape[1]
    wanted = [1] if n == 2 else range(n)
    defined = [label for label in wanted if 0 < (targets == label).sum() < len(targets)]
    if not defined:
        return points
    each = [_class_curves(targets == label, probabilities[:, label]) for label in defined]
    for name, of_classes in zip(("roc", "pr"), zip(*each, strict=True), strict=True):
        if n == 2:
            points[name] = _subsampled(*of_classes[0])
        else:
            points[f"{name}_macro"] = _subsampled(*_mean_curve(of_classes, step=name == "pr"))
    return points


def _class_curves(
    happened: Bools, scores: Float64s
) -> tuple[tuple[Float64s, Float64s], tuple[Float64s, Float64s]]:
    """Return (false, true positive rate) and (recall, precision) of one class, x ascending."""
    from sklearn import metrics

    false_positives, true_positives, _ = metrics.roc_curve(happened, scores)
    precision, recall, _ = metrics.precision_recall_curve(happened, scores)
    return (false_positives, true_positives), (recall[::-1], precision[::-1])


def _mean_curve(of_classes: Sequence[tuple[Float64s, Float64s]], *, step: bool) -> tuple[Float64s, Float64s]:
    """Return the mean of curves over one grid; ``step``: a value holds back to the x before, as precision does."""
    grid = np.linspace(0, 1, 4 * POINTS + 1)
    if step:
        values = [y[np.minimum(np.searchsorted(x, grid), len(x) - 1)] for x, y in of_classes]
    else:
        values = [np.interp(grid, x, y) for x, y in of_classes]
    return grid, np.mean(values, axis=0)


def _calibration(correct: Int64s, confidence: Float64s) -> list[list[float]]:
    """Return mean confidence and share of correct predictions of each bin that is not all but empty."""
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    many = np.flatnonzero(counts >= min(FEW, len(correct)))
    stated = np.bincount(bins, confidence, minlength=BINS)[many] / counts[many]
    observed = np.bincount(bins, correct, minlength=BINS)[many] / counts[many]
    return _subsampled(stated, observed)


def intervals(
    measure: Callable[[Int64s], dict[str, float]],
    owners: Arrays,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """Bootstrap metrics over users: a user's events are drawn together, as they are not independent.

    ``measure`` takes row indices of the n events; ``owners`` [n]: the user of each.
    """
    _, groups = np.unique(owners, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    draw, whole = np.random.default_rng(seed), measure(np.arange(len(owners)))
    drawn: dict[str, list[float]] = {name: [] for name in whole}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a draw may lack a class
        for _ in range(samples):
            rows = np.concatenate([members[n] for n in draw.integers(len(members), size=len(members))])
            for name, value in measure(rows).items():
                drawn[name].append(value)
    return {name: _interval(value, np.array(drawn[name])) for name, value in whole.items()}


def _interval(value: float, drawn: Float64s) -> Interval:
    usable = drawn[~np.isnan(drawn)]
    low, high = np.quantile(usable, [0.025, 0.975]) if len(usable) else (np.nan, np.nan)
    return Interval(mean=value, low=float(low), high=float(high))


def _confidence(targets: Int64s, probabilities: Float64s) -> tuple[Int64s, Float64s]:
    """Whether each prediction is correct [n], 0 or 1, and its confidence [n]; see ``calibration_error``."""
    if probabilities.shape[1] == 2:
        return (targets == 1).astype(np.int64), np.clip(probabilities[:, 1], 0, 1)
    predicted = probabilities.argmax(axis=1)
    return (targets == predicted).astype(np.int64), np.clip(probabilities.max(axis=1), 0, 1)


def _subsampled(x: Float64s, y: Float64s) -> list[list[float]]:
    """Points of a curve, at most POINTS of them, evenly chosen."""
    rows = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(np.int64))
    return [[round(float(x[row]), 5), round(float(y[row]), 5)] for row in rows]
