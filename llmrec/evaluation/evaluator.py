"""Evaluate every model on the same queries by the same code, whatever kind of model it is."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import get_args

import numpy as np
import polars as pl

from llmrec.data import Dataset, Fold, Histories, Split
from llmrec.data.columns import USER
from llmrec.data.splits.leaks import guard
from llmrec.data.splits.named import NONE
from llmrec.errors import DataError
from llmrec.evaluation.beyond_accuracy import beyond_accuracy
from llmrec.evaluation.compare import compare
from llmrec.evaluation.inference import TimedRecommendations, bar, recommend_timed
from llmrec.evaluation.positive_answers import positive_answers, positive_notes
from llmrec.evaluation.protocol import EvaluationProtocol
from llmrec.evaluation.queries import Queries, build_queries
from llmrec.evaluation.report.report import Report
from llmrec.evaluation.results import Cost, EvaluationContext, FoldName, PromptExample, Result
from llmrec.evaluation.seeds import compare_seeds, group_seeds
from llmrec.evaluation.slices import QuerySlice, slice_metric, slice_queries
from llmrec.metrics import METRICS, register_package_metrics
from llmrec.models.ranker import Ranker
from llmrec.runtime import machine, versions


def evaluate(
    models: Mapping[str, Ranker] | Ranker,
    split: Split,
    *,
    protocol: str | EvaluationProtocol | None = None,
    fold: FoldName = "test",
    progress: bool = False,
    date: datetime.date | None = None,
    allow_leaks: Iterable[str] = (),
) -> Report:
    """Evaluate fitted models by name, or one, on the same queries and return a Report.

    The first model named is compared with each of the others by a paired test over users. ``protocol``: by
    default the one called as the split is. ``date`` is written into the report; without it the report names no
    day. ``progress`` draws a bar. Raises DataError where there is nothing to judge or the split was not cut as
    the protocol says, LeakError where the leak guards report what ``allow_leaks`` does not name; their reports
    are among the notes.

    >>> from llmrec.data import toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> split = Split.leave_last_out(toy_films())
    >>> evaluate({"markov": MarkovRecommender().fit(split.train)}, split).table["ndcg@10"].to_list()
    [1.0]
    """
    models = _by_name(models, split)
    rules = protocol if isinstance(protocol, EvaluationProtocol) else _protocol(protocol, split)
    held_out = split.test if fold == "test" else split.valid
    _check(models, split, held_out, rules, fold)
    exclude_seen = not split.train.repeats_are_normal if rules.exclude_seen == "auto" else rules.exclude_seen
    queries = build_queries(split, held_out, rules, exclude_seen=exclude_seen)
    drawn = (queries.fold, queries.candidates) if rules.sampled and queries.candidates else None
    leaks = guard(split, allow=allow_leaks, candidates=drawn)
    histories, candidates = queries.fold.histories, queries.candidates
    # A list out of few candidates says little of what a model recommends.
    slices = slice_queries(queries.fold, split.train) if candidates is None else []
    tables, results = dict[str, pl.DataFrame](), list[Result]()
    with bar(len(models) * len(histories), show=progress) as advance:
        for name, model in models.items():
            timed = recommend_timed(
                model, histories, rules.k, exclude_seen=exclude_seen, candidates=candidates, advance=advance(name)
            )
            tables[name] = queries.metrics(timed.recs, k=rules.k)
            results.append(_result(name, model, tables[name], timed, queries, rules, slices, split.train))
    seeds = group_seeds(models, results, tables, rules)
    context = _context(split, queries, fold, rules, exclude_seen, date)
    noted = [_notes(models, split), _weak_notes(queries, rules, split), _leak_notes(leaks)]
    return Report(
        results=tuple(results),
        compared=compare({result.model: result.metrics for result in results}, tables, rules),
        seeds=seeds,
        seeds_compared=compare_seeds(seeds, tables, rules),
        context=context,
        versions=versions(),
        machine=machine(),
        notes=tuple(chain(positive_notes(split, fold), *noted)),
    )


def _protocol(name: str | None, split: Split) -> EvaluationProtocol:
    return EvaluationProtocol.for_split(split.name) if name is None else EvaluationProtocol.load(name)


def _by_name(models: object, split: object) -> Mapping[str, Ranker]:
    """Return models by name; a single one is called as its kind. Raises DataError for other things."""
    if not isinstance(split, Split):
        raise DataError(
            f"evaluate judges on a Split, not a {type(split).__name__}; write Split.leave_last_out(data)"
        )
    if split.name == NONE:
        raise DataError("the split none holds nothing out to judge by; write Split.leave_last_out(data)")
    if isinstance(models, Ranker):
        return {models.kind: models}
    if isinstance(models, Mapping) and all(isinstance(model, Ranker) for model in models.values()):
        return models
    example = "{'gru': gru, 'markov': markov}"
    raise DataError(f"evaluate takes a model, or models by name as in {example}, not a {type(models).__name__}")


def _check(
    models: Mapping[str, Ranker], split: Split, held_out: Fold, rules: EvaluationProtocol, fold: str
) -> None:
    if fold not in get_args(FoldName):
        raise DataError(f"there is no fold {fold!r} to evaluate on; there are {', '.join(get_args(FoldName))}")
    if not models:
        raise DataError("no models to evaluate; pass at least one, e.g. {'popularity': model}")
    register_package_metrics(rules.metrics)
    for metric in rules.metrics:
        if metric not in METRICS:
            raise DataError(
                f"protocol '{rules.name}': no metric '{metric}'; there are {', '.join(METRICS)}; "
                "add your own with llmrec.evaluation.register_metric"
            )
    if not rules.applies_to(split.name):
        raise DataError(
            f"protocol '{rules.name}' judges '{rules.split}' splits, this one is '{split.name}'; "
            "leave out the protocol to get the one made for it"
        )
    if not len(held_out.histories):
        raise DataError(
            f"{split.train.name}: the {fold} fold holds no users, so there is nothing to ask; "
            "a user needs at least three events to be held out"
        )


def _result(
    name: str,
    model: Ranker,
    table: pl.DataFrame,
    timed: TimedRecommendations,
    queries: Queries,
    rules: EvaluationProtocol,
    slices: list[QuerySlice],
    train: Dataset,
) -> Result:
    cost = model.metadata.get("cost", {})
    known = {key: cost.get(key) for key in ("train_seconds", "tokens_per_second", "peak_memory_gib", "device")}
    histories, fold = queries.fold.histories, queries.fold
    whole = queries.candidates is None
    return Result(
        model=name,
        kind=model.kind,
        users=table.height,
        items=len(model.catalog),
        metrics={
            column: rules.interval(table[column].to_numpy())
            for column in dict.fromkeys((*rules.columns, *(f"{metric}@{rules.k}" for metric in METRICS)))
        },
        beyond=beyond_accuracy(timed.recs, histories, train, k=rules.k, level=rules.level) if whole else None,
        slices=slice_metric(timed.recs, fold, slices, rules),
        cost=Cost(
            **known,
            dtype=model.dtype,
            trained_dtype=model.metadata.get("base", {}).get("dtype"),
            recommend_seconds=timed.seconds,
            latency_p50_ms=timed.p50_ms,
            latency_p95_ms=timed.p95_ms,
        ),
        learning=tuple(model.train_log),
        prompt=_prompt(model, histories),
    )


def _prompt(model: Ranker, histories: Histories) -> PromptExample | None:
    """Show one real prompt, of the user whose history is of middling length."""
    middle = int(np.argsort(histories.lengths(), kind="stable")[len(histories) // 2])
    example = model.prompt_example(histories.take([middle]))
    return None if example is None else PromptExample.model_validate(example)


def _context(
    split: Split,
    queries: Queries,
    fold: FoldName,
    rules: EvaluationProtocol,
    exclude_seen: bool,
    date: datetime.date | None,
) -> EvaluationContext:
    answers = queries.fold.answers.unique()
    return EvaluationContext(
        data=split.train.name,
        fingerprint=split.train.fingerprint,
        people=split.train.n_users,
        items=len(split.train.catalog),
        events=split.train.events.height,
        split=split.name,
        split_hash=split.hash,
        fold=fold,
        choices=queries.choices if queries.candidates is not None else None,
        users=len(set(queries.owners)),
        answers=answers.height,
        single_answer=not answers[USER].is_duplicated().any(),
        exclude_seen=exclude_seen,
        protocol=rules,
        date=date.isoformat() if date else None,
        positive=positive_answers(split, fold),
    )


def _notes(models: Mapping[str, Ranker], split: Split) -> tuple[str, ...]:
    """Say what a reader must know before comparing rows."""
    notes = []
    for name, model in models.items():
        cut = model.metadata.get("split", {}).get("hash", split.hash)
        if cut != split.hash:
            notes.append(f"{name} was trained on another split ({cut[:12]}): it may have seen the answers.")
        trained_on = model.metadata.get("data", {}).get("fingerprint")
        if trained_on not in {None, split.train.fingerprint}:
            notes.append(
                f"{name} was not trained on this split's training data (fingerprint {trained_on[:12]}, here "
                f"{split.train.fingerprint[:12]}): it may have seen the answers."
            )
        trained_in = model.metadata.get("base", {}).get("dtype", model.dtype)
        if trained_in != model.dtype:
            notes.append(f"{name} was trained in {trained_in} and computed in {model.dtype} here.")
        if len(model.catalog) != len(split.train.catalog):
            notes.append(
                f"{name} ranks {len(model.catalog):,} items, the data has {len(split.train.catalog):,}: "
                "its question was not the same."
            )
    return tuple(notes)


def _weak_notes(queries: Queries, rules: EvaluationProtocol, split: Split) -> Iterator[str]:
    """Say where numbers mean little: lists as long as what is ranked, and a single user."""
    ranked = len(split.train.catalog) if queries.candidates is None else queries.choices
    if ranked <= rules.k:
        yield (
            f"The lists have {rules.k} ranks and {ranked:,} items are ranked: every list holds all of them, so "
            f"recall@{rules.k} says nothing; choose a k well below {ranked:,}."
        )
    if len(set(queries.owners)) == 1:
        yield "One user is asked: there is no interval, and nothing is known about other users."


def _leak_notes(leaks: Iterable[Mapping[str, object]]) -> Iterator[str]:
    for leak in leaks:
        allowed = "allowed by --allow-leak, results cannot be trusted: " if leak["allowed"] else ""
        yield f"{leak['name']}: {allowed}{leak['message']}."
