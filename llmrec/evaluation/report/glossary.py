"""Numbers and metrics in words that a reader can take in."""

from __future__ import annotations

import inspect
import math

from llmrec.llm.encodings import ENCODINGS
from llmrec.metrics import METRICS

NAMES = {"ndcg": "NDCG", "recall": "Recall", "mrr": "MRR", "map": "MAP", "precision": "Precision"}

MEANINGS = {
    "ndcg": "How high the right answer stands in the list of {k}: 1 in first place, {second:.2f} in second, "
    "{last:.2f} in the last, 0 if it is not there. Averaged over all people asked.",
    "recall": "How often the right answer is among the {k} shown, wherever it stands.",
    "mrr": "One divided by the place of the right answer: 1 in first, 1/2 in second, 0 if it is not there.",
    "map": "Like MRR, for people with several right answers: every one of them counts, early ones more.",
    "precision": "The share of the {k} shown that were right.",
}

BEYOND = {
    "coverage": "The share of the catalog that is suggested to anybody at all.",
    "novelty": "How little known the suggestions are: 0 for an item that everybody met, 1 more each time half "
    "as many did.",
    "diversity": "How different the suggestions in one list are: 0 if all are of the same genres, 1 if no two "
    "share one.",
    "popularity": "The share of all people who met the suggested items, on average.",
    "popularity_lift": "How much more (+) or less (-) popular the suggestions are than what the same people "
    "chose themselves.",
    "miscalibration": "How far the genres of the suggestions are from those of a person's own history; 0 is "
    "the same mixture.",
}

# Where a person has several right answers. The numbers are those of ``metrics.per_user``.
MEANINGS_OF_SEVERAL = {
    "ndcg": "How many of a person's right answers stand in the list of {k}, and how high: 1 if the list begins "
    "with right answers only, all of them or {k}; 0 if it holds none. A right answer counts 1 in first place, "
    "{second:.2f} in second, {last:.2f} in the last. Averaged over all people asked.",
    "recall": "The share of a person's right answers that are among the {k} shown, averaged over all people "
    "asked. Whoever has more than {k} right answers cannot reach 1.",
    "mrr": "One divided by the place of the first right answer: 1 in first, 1/2 in second, 0 if none is there.",
}


def metric_name(column: str) -> str:
    """Name a metric column for readers: ``ndcg@10`` is ``NDCG@10``."""
    metric, _, k = column.partition("@")
    return f"{NAMES.get(metric, metric)}@{k}"


def meaning(column: str, *, single: bool = True) -> str:
    """Say in plain words what a metric column measures. ``single``: each person has one right answer.

    A metric of one's own is described by the first paragraph of its docstring.
    """
    metric, _, k = column.partition("@")
    values = {"k": k, "second": 1 / math.log2(3), "last": 1 / math.log2(int(k) + 1)}
    known = MEANINGS if single else MEANINGS | MEANINGS_OF_SEVERAL
    if metric in known:
        return known[metric].format(**values)
    written = inspect.getdoc(METRICS[metric]) if metric in METRICS and metric not in NAMES else None
    return " ".join((written or "").split("\n\n")[0].split())


def encoding_meaning(encoding: str) -> str:
    """Say in plain words how a history is handed to the LLM."""
    return ENCODINGS[encoding].meaning if encoding in ENCODINGS else f"Encoding: {encoding}."


def duration(seconds: float | None) -> str:
    """Write seconds as a reader would: ``0.4 s``, ``52 s``, ``7 min 05 s``, ``3 h 10 min``."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def amount(value: float | None, unit: str = "") -> str:
    """Write a quantity with about three digits; – where it is not known."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return f"{text} {unit}".strip()


def format_p_value(p_value: float) -> str:
    """Write a p-value."""
    if p_value < 0.001:
        return "p < 0.001"
    return f"p = {p_value:.3f}" if p_value < 0.095 else f"p = {p_value:.2f}"
