"""Ask every model the same questions and judge the answers. Never asks what kind of model it has."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import numpy as np
import polars as pl

from llmrec.data import Fold, Histories, Split
from llmrec.data.columns import USER
from llmrec.data.leaks import guard
from llmrec.errors import DataError
from llmrec.evaluation.answering import Answered, answer, bar
from llmrec.evaluation.protocol import Protocol
from llmrec.evaluation.report import Report
from llmrec.evaluation.results import Asked, Comparison, Cost, PromptExample, Result
from llmrec.evaluation.significance import bootstrap, paired_p_value
from llmrec.metrics import per_user
from llmrec.models.base import Recommender
from llmrec.runtime import machine, versions


def evaluate(
    models: Mapping[str, Recommender],
    split: Split,
    *,
    protocol: str | Protocol = "leave-last-out",
    fold: Literal["test", "valid"] = "test",
    progress: bool = False,
    date: datetime.date | None = None,
    allow_leaks: Iterable[str] = (),
) -> Report:
    """Judge fitted models on the same questions and return a Report.

    The first model named is compared with each of the others by a paired test over users. ``date`` is
    written into the report; without it the report names no day. ``progress`` draws a bar. Raises DataError
    where there is nothing to judge or the split was not cut as the protocol says, LeakError where the leak
    guards find what ``allow_leaks`` does not name; their findings are among the report's notes.
    """
    rules = Protocol.load(protocol) if isinstance(protocol, str) else protocol
    questions = split.test if fold == "test" else split.valid
    _check(models, split, questions, rules, fold)
    leaks = guard(split, allow=allow_leaks)
    skip = not split.train.repeats_are_normal if rules.exclude_seen == "auto" else rules.exclude_seen
    tables: dict[str, pl.DataFrame] = {}
    results = []
    with bar(len(models) * len(questions.histories), show=progress) as advance:
        for name, model in models.items():
            answered = answer(model, questions.histories, rules.k, exclude_seen=skip, advance=advance(name))
            users = questions.histories.user_ids
            tables[name] = per_user(answered.recs, questions.answers, users=users, k=rules.k)
            results.append(_result(name, model, tables[name], answered, questions.histories, rules))
    return Report(
        results=tuple(results),
        compared=_compare(results, tables, rules),
        asked=_asked(split, questions, fold, rules, skip, date),
        versions=versions(),
        machine=machine(),
        notes=(*_notes(models, split), *_leak_notes(leaks)),
    )


def _check(models: Mapping[str, Recommender], split: Split, questions: Fold, rules: Protocol, fold: str) -> None:
    if not models:
        raise DataError("no models to evaluate; pass at least one, e.g. {'popularity': model}")
    if split.name != rules.split:
        raise DataError(
            f"protocol '{rules.name}' judges '{rules.split}' splits, this one is '{split.name}'; "
            "choose the protocol made for it"
        )
    if not len(questions.histories):
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
    rules: Protocol,
) -> Result:
    told = model.facts.get("cost", {})
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
            for column in rules.columns
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


def _compare(results: list[Result], tables: Mapping[str, pl.DataFrame], rules: Protocol) -> tuple[Comparison, ...]:
    first, *others = results
    compared = []
    for other in others:
        for column in rules.columns:
            one, two = (tables[result.model][column].to_numpy() for result in (first, other))
            mine, theirs = first.metrics[column], other.metrics[column]
            difference = bootstrap(one - two, samples=rules.bootstrap_samples, level=rules.level, seed=rules.seed)
            compared.append(
                Comparison(
                    metric=column,
                    model=first.model,
                    against=other.model,
                    difference=difference,
                    ratio=mine.mean / theirs.mean if theirs.mean else None,
                    p_value=paired_p_value(one, two, samples=rules.permutations, seed=rules.seed),
                    intervals_overlap=mine.overlaps(theirs),
                )
            )
    return tuple(compared)


def _asked(
    split: Split, questions: Fold, fold: str, rules: Protocol, skip: bool, date: datetime.date | None
) -> Asked:
    answers = questions.answers.unique()
    return Asked(
        data=split.train.name,
        fingerprint=split.train.fingerprint,
        people=split.train.n_users,
        items=len(split.train.catalog),
        events=split.train.events.height,
        split=split.name,
        split_hash=split.hash,
        fold=fold,
        users=len(questions.histories),
        answers=answers.height,
        single_answer=not answers[USER].is_duplicated().any(),
        exclude_seen=skip,
        protocol=rules,
        date=date.isoformat() if date else None,
    )


def _notes(models: Mapping[str, Recommender], split: Split) -> tuple[str, ...]:
    """Say what a reader must know before comparing rows."""
    notes = []
    for name, model in models.items():
        trained_on = model.facts.get("data", {}).get("fingerprint")
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
