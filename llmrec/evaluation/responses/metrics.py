"""Metrics of predicted responses, by scikit-learn, with bootstrap intervals over users."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from llmrec.arrays import Float64s, Int64s
from llmrec.evaluation.significance import Interval

BINS = 10
# Fewer resamplings than for a mean: each sorts all answers anew.
SAMPLES = 100
POINTS = 60  # of a curve that is kept


def class_metrics(truth: Int64s, chances: Float64s) -> dict[str, float]:
    """Accuracy, precision, recall, F1, ROC-AUC, PR-AUC (all macro), log loss and calibration error.

    ``truth`` [n], ``chances`` [n, n_classes]. Of two classes AUCs are the second's. Classes that do not
    occur are left out of means; an AUC that cannot be told is NaN.
    """
    from sklearn import metrics

    guess, n = chances.argmax(axis=1), chances.shape[1]
    possible = np.clip(chances, 1e-7, 1)  # one answer taken for impossible must not make the loss infinite
    possible /= possible.sum(axis=1, keepdims=True)
    present = np.unique(truth)
    scores = metrics.precision_recall_fscore_support(
        truth, guess, labels=present, average="macro", zero_division=0.0
    )
    asked = [n - 1] if n == 2 else [int(label) for label in present]
    told = [label for label in asked if 0 < (truth == label).sum() < len(truth)]
    roc = [metrics.roc_auc_score(truth == label, chances[:, label]) for label in told]
    area = [metrics.average_precision_score(truth == label, chances[:, label]) for label in told]
    return {
        "accuracy": float(metrics.accuracy_score(truth, guess)),
        "precision": float(scores[0]),
        "recall": float(scores[1]),
        "f1": float(scores[2]),
        "roc_auc": float(np.mean(roc)) if roc else float("nan"),
        "pr_auc": float(np.mean(area)) if area else float("nan"),
        "log_loss": float(metrics.log_loss(truth, possible, labels=np.arange(n))),
        "calibration_error": calibration_error(truth, chances),
    }


def number_metrics(truth: Float64s, guess: Float64s) -> dict[str, float]:
    """Mean absolute error and root mean squared error."""
    from sklearn import metrics

    return {
        "mae": float(metrics.mean_absolute_error(truth, guess)),
        "rmse": float(metrics.root_mean_squared_error(truth, guess)),
    }


def per_class(truth: Int64s, chances: Float64s, levels: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row a class: ``level, precision, recall, f1, support``."""
    from sklearn import metrics

    found = metrics.precision_recall_fscore_support(
        truth, chances.argmax(axis=1), labels=np.arange(len(levels)), zero_division=0.0
    )
    rows = zip(levels, *found, strict=True)
    return [
        {"level": level, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for level, p, r, f, s in rows
    ]


def confusion(truth: Int64s, chances: Float64s) -> list[list[int]]:
    """Rows: what it was; columns: the most probable class."""
    from sklearn import metrics

    table = metrics.confusion_matrix(truth, chances.argmax(axis=1), labels=np.arange(chances.shape[1]))
    return [[int(value) for value in row] for row in table]


def calibration_error(truth: Int64s, chances: Float64s) -> float:
    """Expected calibration error: |share right - mean probability| in ten equal bins (Naeini et al. 2015).

    Of two classes of the second's probability, of more of the most probable class's.
    """
    right, sure = _claims(truth, chances)
    places = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    gaps = np.abs(np.bincount(places, right, minlength=BINS) - np.bincount(places, sure, minlength=BINS))
    return float(gaps.sum() / max(counts.sum(), 1))


def curves(truth: Int64s, chances: Float64s) -> dict[str, list[list[float]]]:
    """Points of the ROC, precision-recall and calibration curves; of more than two classes micro-averaged."""
    from sklearn import calibration, metrics

    right, sure = _claims(truth, chances)
    found = {"calibration": _kept(*calibration.calibration_curve(right, sure, n_bins=BINS)[::-1])}
    wide = (truth[:, None] == np.arange(chances.shape[1])).astype(np.int64)
    flat, claimed = (right, sure) if chances.shape[1] == 2 else (wide.reshape(-1), chances.reshape(-1))
    if 0 < flat.sum() < len(flat):
        false, true, _ = metrics.roc_curve(flat, claimed)
        precision, recall, _ = metrics.precision_recall_curve(flat, claimed)
        found |= {"roc": _kept(false, true), "pr": _kept(recall[::-1], precision[::-1])}
    return found


def intervals(
    judge: Callable[[Int64s], dict[str, float]], owners: npt.NDArray[Any], *, samples: int = SAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Bootstrap metrics over users: a user's events come along together, as they are not independent.

    ``judge`` takes places among the n events; ``owners`` [n] says whose each is.
    """
    _, groups = np.unique(owners, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    draw, whole = np.random.default_rng(seed), judge(np.arange(len(owners)))
    found: dict[str, list[float]] = {name: [] for name in whole}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a draw may lack a class
        for _ in range(samples):
            rows = np.concatenate([members[n] for n in draw.integers(len(members), size=len(members))])
            for name, value in judge(rows).items():
                found[name].append(value)
    return {name: _interval(value, np.array(found[name])) for name, value in whole.items()}


def _interval(value: float, drawn: Float64s) -> Interval:
    usable = drawn[~np.isnan(drawn)]
    low, high = np.quantile(usable, [0.025, 0.975]) if len(usable) else (np.nan, np.nan)
    return Interval(mean=value, low=float(low), high=float(high))


def _claims(truth: Int64s, chances: Float64s) -> tuple[Int64s, Float64s]:
    """What is claimed of each event with which probability, and whether it is so."""
    if chances.shape[1] == 2:
        return (truth == 1).astype(np.int64), np.clip(chances[:, 1], 0, 1)
    guess = chances.argmax(axis=1)
    return (truth == guess).astype(np.int64), np.clip(chances.max(axis=1), 0, 1)


def _kept(x: Float64s, y: Float64s) -> list[list[float]]:
    """Points of a curve, evenly chosen if there are many."""
    places = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(np.int64))
    return [[round(float(x[place]), 5), round(float(y[place]), 5)] for place in places]
