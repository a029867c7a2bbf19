"""Ask every model the same questions and judge the answers. Never asks what kind of model it has."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import numpy as np
import polars as pl

from llmrec.data import Fold, Histories, Split
from llmrec.data.columns import USER
from llmrec.data.splits.leaks import guard
from llmrec.errors import DataError
from llmrec.evaluation.beyond_accuracy import beyond_accuracy
from llmrec.evaluation.compare import compare
from llmrec.evaluation.inference import Answered, answer, bar
from llmrec.evaluation.protocol import EvaluationProtocol
from llmrec.evaluation.queries import Questions, questions
from llmrec.evaluation.report.report import Report
from llmrec.evaluation.results import Cost, EvaluationContext, PromptExample, Result
from llmrec.evaluation.seeds import compare_seeds, grouped
from llmrec.evaluation.significance import bootstrap
from llmrec.evaluation.slices import sliced
from llmrec.metrics import METRICS
from llmrec.models.base import Recommender
from llmrec.runtime import machine, versions


def evaluate(
    models: Mapping[str, Recommender],
    split: Split,
    *,
    protocol: str | EvaluationProtocol | None = None,
    fold: Literal["test", "valid"] = "test",
    progress: bool = False,
    date: datetime.date | None = None,
    allow_leaks: Iterable[str] = (),
) -> Report:
    """Judge fitted models on the same questions and return a Report.

    The first model named is compared with each of the others by a paired test over users. ``protocol``: by
    default the one called as the split is. ``date`` is written into the report; without it the report names no
    day. ``progress`` draws a bar. Raises DataError where there is nothing to judge or the split was not cut as
    the protocol says, LeakError where the leak guards find what ``allow_leaks`` does not name; their findings
    are among the report's notes.
    """
    rules = protocol if isinstance(protocol, EvaluationProtocol) else _named(protocol, split)
    held_out = split.test if fold == "test" else split.valid
    _check(models, split, held_out, rules, fold)
    exclude_seen = not split.train.repeats_are_normal if rules.exclude_seen == "auto" else rules.exclude_seen
    asked = questions(split, held_out, rules, exclude_seen=exclude_seen)
    drawn = (asked.fold, asked.candidates) if rules.sampled and asked.candidates else None
    leaks = guard(split, allow=allow_leaks, candidates=drawn)
    histories = asked.fold.histories
    tables: dict[str, pl.DataFrame] = {}
    results = []
    with bar(len(models) * len(histories), show=progress) as advance:
        for name, model in models.items():
            answered = answer(
                model,
                histories,
                rules.k,
                exclude_seen=exclude_seen,
                candidates=asked.candidates,
                advance=advance(name),
            )
            tables[name] = asked.judged(answered.recs, k=rules.k)
            found = _result(name, model, tables[name], answered, histories, rules)
            if asked.candidates is None:  # a list out of few candidates says little of what a model suggests
                told = beyond_accuracy(answered.recs, histories, split.train, k=rules.k, level=rules.level)
                slices = sliced(answered.recs, asked.fold, split.train, rules)
                found = found.model_copy(update={"beyond": told, "slices": slices})
            results.append(found)
    seeds = grouped(models, results, tables, rules)
    return Report(
        results=tuple(results),
        compared=compare({result.model: result.metrics for result in results}, tables, rules),
        seeds=seeds,
        seeds_compared=compare_seeds(seeds, tables, rules),
        context=_context(split, asked, fold, rules, exclude_seen, date),
        versions=versions(),
        machine=machine(),
        notes=(*_notes(models, split), *_leak_notes(leaks)),
    )


def _named(protocol: str | None, split: Split) -> EvaluationProtocol:
    return EvaluationProtocol.for_split(split.name) if protocol is None else EvaluationProtocol.load(protocol)


def _check(
    models: Mapping[str, Recommender], split: Split, held_out: Fold, rules: EvaluationProtocol, fold: str
) -> None:
    if not models:
        raise DataError("no models to evaluate; pass at least one, e.g. {'popularity': model}")
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
    model: Recommender,
    table: pl.DataFrame,
    answered: Answered,
    histories: Histories,
    rules: EvaluationProtocol,
) -> Result:
    told = model.metadata.get("cost", {})
    known = {key: told.get(key) for key in ("train_seconds", "tokens_per_second", "peak_memory_gib")}
    return Result(
        model=name,
        kind=model.kind,
        users=table.height,
        items=len(model.catalog),
        metrics={
            column: bootstrap(
                table[column].to_numpy(), samples=rules.bootstrap_samples, level=rules.level, seed=rules.seed
            )
            for column in dict.fromkeys((*rules.columns, *(f"{metric}@{rules.k}" for metric in METRICS)))
        },
        cost=Cost(
            **known,
            device=told.get("device"),
            recommend_seconds=answered.seconds,
            latency_p50_ms=answered.p50_ms,
            latency_p95_ms=answered.p95_ms,
        ),
        learning=tuple(model.train_log),
        prompt=_prompt(model, histories),
    )


def _prompt(model: Recommender, histories: Histories) -> PromptExample | None:
    """Show one real prompt, of the user whose history is of middling length."""
    write = getattr(model, "prompt_example", None)
    if write is None:
        return None
    middle = int(np.argsort(histories.lengths(), kind="stable")[len(histories) // 2])
    return PromptExample.model_validate(write(histories.take([middle])))


def _context(
    split: Split,
    asked: Questions,
    fold: str,
    rules: EvaluationProtocol,
    exclude_seen: bool,
    date: datetime.date | None,
) -> EvaluationContext:
    answers = asked.fold.answers.unique()
    return EvaluationContext(
        data=split.train.name,
        fingerprint=split.train.fingerprint,
        people=split.train.n_users,
        items=len(split.train.catalog),
        events=split.train.events.height,
        split=split.name,
        split_hash=split.hash,
        fold=fold,
        choices=asked.choices if asked.candidates is not None else None,
        users=len(set(asked.owners)),
        answers=answers.height,
        single_answer=not answers[USER].is_duplicated().any(),
        exclude_seen=exclude_seen,
        protocol=rules,
        date=date.isoformat() if date else None,
    )


def _notes(models: Mapping[str, Recommender], split: Split) -> tuple[str, ...]:
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
        if len(model.catalog) != len(split.train.catalog):
            notes.append(
                f"{name} ranks {len(model.catalog):,} items, the data has {len(split.train.catalog):,}: "
                "its question was not the same."
            )
    return tuple(notes)


def _leak_notes(leaks: Iterable[Mapping[str, object]]) -> Iterator[str]:
    for leak in leaks:
        allowed = "allowed by --allow-leak, results cannot be trusted: " if leak["allowed"] else ""
        yield f"{leak['name']}: {allowed}{leak['message']}."
