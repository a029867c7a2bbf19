"""Evaluate the predicted responses of whole runs, beside the prior and a Markov chain."""

from __future__ import annotations

from collections.abc import Mapping

from llmrec.data import Split
from llmrec.data.responses import TaskSet, TaskSpec
from llmrec.evaluation.responses.judge import ResponsePredictor, judge_responses, response_queries
from llmrec.evaluation.responses.report import ResponseReport
from llmrec.models.ranker import Ranker
from llmrec.models.responses.baselines import MarkovResponses, PriorResponses
from llmrec.models.responses.recommender import RespondingRecommender


def responses_of(models: Mapping[str, Ranker], split: Split) -> ResponseReport | None:
    """Evaluate every model whose recipe has tasks on the split's test events; None where none has.

    The tasks are those of all the models together; a model is evaluated on those it predicts.
    """
    predicting: dict[str, ResponsePredictor] = {}
    specs: dict[str, TaskSpec] = {}
    positive: tuple[str, ...] = ()
    for name, model in models.items():
        if isinstance(model, RespondingRecommender) and model.tasks.specs:
            predicting[name] = model
            specs |= {spec.name: spec for spec in model.tasks.specs}
            positive = positive or model.tasks.positive
    if not predicting:
        return None
    tasks = TaskSet(specs=tuple(specs.values()), positive=positive)
    baselines = {kind.name: kind().fit(split.train, tasks) for kind in (PriorResponses, MarkovResponses)}
    queries = response_queries(split, tasks)
    return judge_responses(predicting | baselines, queries, tasks, about=split.data.name, split=split.name)
