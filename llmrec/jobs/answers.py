"""What a batch job writes for a part of the users: recommendations, vectors or reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from llmrec.data import Histories
from llmrec.data.columns import ITEM, USER
from llmrec.data.ids import whole_number
from llmrec.errors import DataError, EnvironmentFault
from llmrec.jobs.lists import NO_OPTIONS, ListOptions
from llmrec.models import Recommender
from llmrec.models.arguments import note_unknown_items
from llmrec.models.ranker import CHUNK, no_user_vectors
from llmrec.prompting import Language
from llmrec.reasons import Narrator, explain
from llmrec.reasons.explanations import TEMPLATE
from llmrec.reasons.pipeline import NO_ANSWER, check_wording
from llmrec.reasons.request import ReasonForm

JobKind = Literal["recommend", "embed", "explain"]

# Rows of a part's file by default: some minutes of work, which is what an interruption costs.
ROWS_PER_PART: dict[JobKind, int] = {"recommend": 100_000, "embed": 20_000, "explain": 1_000}
# A server that owes more of a part's reasons than this share is taken for one that is down.
MOST_UNANSWERED = 0.1


@dataclass(frozen=True)
class Wording:
    """How reasons are worded, as for ``llmrec.explain``.

    ``narrator`` makes who words them, once the model is loaded; None: the choice of ``explain``. The engine ray
    sends it to its workers, so it must be picklable. ``name`` and ``model`` are what ``job.json`` calls it.

    >>> Wording(form="paragraph").language
    'en'
    """

    name: str = "auto"
    model: str | None = None
    narrator: Callable[[Recommender], Narrator | None] | None = None
    language: Language = "en"
    form: ReasonForm = "sentence"
    tone: str = "plain"

    def description(self) -> dict[str, Any]:
        """Return what makes two jobs' reasons differ."""
        fields = ("name", "model", "language", "form", "tone")
        return {field: getattr(self, field) for field in fields}


@dataclass(frozen=True)
class JobSpec:
    """What is answered for every user: the kind of job, how many items, and what else is asked of the lists."""

    kind: JobKind
    k: int = 10
    wording: Wording = Wording()
    lists: ListOptions = NO_OPTIONS

    def __post_init__(self) -> None:
        """Raise PromptError for an unknown language or form, DataError for lists of a job that has none."""
        object.__setattr__(self, "k", whole_number(self.k, label="k"))
        check_wording(self.wording.language, self.wording.form)
        if self.kind == "embed" and self.lists.given():
            raise DataError(f"the job embed makes no lists: leave out {', '.join(self.lists.given())}")

    def description(self) -> dict[str, Any]:
        """Return what makes two jobs' answers differ, for the same run and users."""
        k = {} if self.kind == "embed" else {"k": self.k, **self.lists.description()}
        wording = {"wording": self.wording.description()} if self.kind == "explain" else {}
        return {"kind": self.kind, **k, **wording}

    def users_per_part(self, rows: int, n_items: int) -> int:
        """Return how many users a part of at most so many rows has, at least one."""
        return max(1, rows if self.kind == "embed" else rows // min(self.k, n_items))

    def narrator(self, model: Recommender) -> Narrator | None:
        """Return who words reasons for this model; None: the choice of ``explain``."""
        return None if self.wording.narrator is None else self.wording.narrator(model)

    def answer(self, model: Recommender, histories: Histories, narrator: Narrator | None) -> pl.DataFrame:
        """Return the rows of a part. Raises as the model does, and EnvironmentFault for a server that is down."""
        if self.kind == "embed":
            return _vectors(model, histories)
        recs = model.recommend(histories, self.k, **self.lists.given())
        return recs if self.kind == "recommend" else self._reasons(model, recs, histories, narrator)

    def _reasons(
        self, model: Recommender, recs: pl.DataFrame, histories: Histories, narrator: Narrator | None
    ) -> pl.DataFrame:
        words = self.wording
        table = explain(
            model,
            recs.select(USER, ITEM, "rank"),
            histories,
            narrator=narrator,
            language=words.language,
            form=words.form,
            tone=words.tone,
        ).table
        requested = table.filter((pl.col("backend") != TEMPLATE) | (pl.col("faults").list.len() > 0))
        unanswered = requested.filter(pl.col("faults").list.contains(NO_ANSWER)).height
        if unanswered > MOST_UNANSWERED * requested.height:
            raise EnvironmentFault(
                f"{words.name} gave no answer for {unanswered} of {requested.height} reasons: this part is not "
                "written; start the server or raise --timeout, and the same command goes on"
            )
        return table


def _vectors(model: Recommender, histories: Histories) -> pl.DataFrame:
    note_unknown_items(histories, model.catalog)
    parts = []
    for start in range(0, len(histories), CHUNK):
        vectors = model.embed_users(histories[start : start + CHUNK])
        if vectors is None:
            raise no_user_vectors(model.kind)
        parts.append(np.ascontiguousarray(vectors, dtype=np.float32))
    rows = np.concatenate(parts)
    users = pl.Series(USER, histories.user_ids, dtype=pl.String)
    return pl.DataFrame([users, pl.Series("vector", rows, dtype=pl.Array(pl.Float32, rows.shape[1]))])
