"""What a report on responses shows, in sentences made from its numbers; and what its words mean."""

from __future__ import annotations

from collections.abc import Sequence

from llmrec.evaluation.responses.results import ResponseResult
from llmrec.evaluation.significance import Interval

PRIOR = "prior"
# The metrics in each task's table; the JSON has all.
CLASS_COLUMNS = ("roc_auc", "pr_auc", "f1", "accuracy", "log_loss", "calibration_error")
NUMBER_COLUMNS = ("mae", "rmse")
SMALLER_IS_BETTER = ("log_loss", "calibration_error", "mae", "rmse")
NAMES = {
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "f1": "F1",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "mae": "MAE",
    "rmse": "RMSE",
}
MEANINGS = {
    "roc_auc": "How often something that happened was given a higher probability than something that did not: 1 "
    "is perfect, 0.5 is a coin. Of more than two classes the mean over classes, and so are PR AUC and F1.",
    "pr_auc": "How precise the model is, averaged over how much it finds; a coin reaches the share of the class.",
    "f1": "The harmonic mean of precision and recall of the most probable class.",
    "accuracy": "The share of events whose most probable class was right. Always saying the commonest class may "
    "reach much of it.",
    "log_loss": "How surprised the model was: the mean of -log of the probability it gave to what happened. 0 is "
    "best; it punishes certainty that was wrong.",
    "calibration_error": "How far stated probabilities are from how often things happened; 0 is best.",
    "mae": "The mean distance from the number that was predicted; 0 is best.",
    "rmse": "The same with large distances counting more; 0 is best.",
}


def columns_of(results: Sequence[ResponseResult]) -> list[str]:
    """Name the metrics of a task's table."""
    wanted = CLASS_COLUMNS if "accuracy" in results[0].metrics else NUMBER_COLUMNS
    return [column for column in wanted if column in results[0].metrics]


def best(results: Sequence[ResponseResult], column: str) -> float:
    """Return the best mean of a metric."""
    return (min if column in SMALLER_IS_BETTER else max)(result.metrics[column].mean for result in results)


def loss_of(results: Sequence[ResponseResult]) -> str:
    """Name the metric by which a task's models are compared with the prior: log loss, of numbers MAE."""
    return "log_loss" if "log_loss" in results[0].metrics else "mae"


def prior_of(results: Sequence[ResponseResult]) -> Interval | None:
    """Return the loss of who knows only how often each class is, or the mean; None where that was not judged."""
    return next((result.metrics[loss_of(results)] for result in results if result.model == PRIOR), None)


def skill(loss: float, prior: float) -> float:
    """Return how much less a loss is than the prior's, as a share of that; below 0 where it is more."""
    return 1 - loss / prior if prior else 0.0


def verdicts(results: Sequence[ResponseResult]) -> list[str]:
    """Say for one task who predicts best, how that compares with the prior, and who is worse than it."""
    loss, prior = loss_of(results), prior_of(results)
    first = min(results, key=lambda result: result.metrics[loss].mean)
    reached, task = first.metrics[loss], first.task
    if prior is None:
        return [f"{task}: {first.model} has the smallest {NAMES[loss]}, {reached}; no prior was judged beside it."]
    if first.model == PRIOR:
        return [f"{task}: nobody predicts better than the prior, whose {NAMES[loss]} is {prior}."]
    less = f"{100 * skill(reached.mean, prior.mean):.0f} % below the prior's {prior}"
    overlap = f"the intervals {'overlap' if reached.overlaps(prior) else 'do not overlap'}"
    lines = [f"{task}: {first.model} predicts best, with a {NAMES[loss]} of {reached}, {less} ({overlap})."]
    worse = [one for one in results if one.metrics[loss].mean > prior.mean]
    if worse:
        named = ", ".join(f"{one.model} ({one.metrics[loss].mean:.3f})" for one in worse)
        lines.append(f"{task}: worse than the prior, which looks at nobody: {named}.")
    return lines
