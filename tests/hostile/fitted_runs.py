"""Tiny fitted runs, one of each kind of file that a run may hold: what hostile changes are made to."""

from __future__ import annotations

from pathlib import Path

from support.golden_cases import CASES, recipe_of, shop_events
from support.tiny_base import build_tiny_base

from llmrec import Split
from llmrec.data import toy_films
from llmrec.models.runs import fit_run

# By case of support.golden_cases: the LLM's files, event fields and tasks, a network, counts, sparse counts.
EVENTS = ("llm-events", "gru-events")
FILMS = ("llm-soft", "gru", "popularity", "markov", "item-knn")


def fit_runs(folder: Path, cases: tuple[str, ...] = (*EVENTS, *FILMS)) -> dict[str, Path]:
    """Fit each case into ``folder``, and the base model of those that need one. Returns the runs."""
    base = build_tiny_base(folder / "base" / "tiny-llama")
    splits = {False: Split.leave_last_out(toy_films(n_items=12, n_users=30))}
    splits[True] = Split.leave_last_out(shop_events())
    runs = {}
    for case in cases:
        split, made = splits[case in EVENTS], recipe_of(case, base)
        if "train" in CASES[case]:
            made = made.with_values({"train.epochs": 1})
        runs[case] = folder / case
        fit_run(made, split.data, split, runs[case], progress=False)
    return runs
