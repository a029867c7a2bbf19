"""Reasons as values: each with the evidence it rests on, all of them as one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from llmrec.data.columns import ITEM, RANK, USER
from llmrec.prompting import Language
from llmrec.reasons.evidence import Evidence
from llmrec.reasons.fact import Fact
from llmrec.reasons.request import ReasonForm

if TYPE_CHECKING:
    import pandas as pd

# Who wrote a sentence that no narrator wrote.
TEMPLATE = "template"

_TEXT, _NUMBER, _COUNT = pl.String(), pl.Float64(), pl.Int64()
_SCHEMA: dict[str, pl.DataType] = {
    USER: _TEXT,
    ITEM: _TEXT,
    RANK: pl.Int32(),
    "sentence": _TEXT,
    "evidence": pl.List(
        pl.Struct(
            {"item_id": _TEXT, "title": _TEXT, "contribution": _NUMBER, "weight": _TEXT, "rank_without": _COUNT}
        )
    ),
    "backend": _TEXT,
    "first_try": pl.Boolean(),
    "faults": pl.List(_TEXT),
    "pairs": pl.List(pl.Struct({"item_ids": pl.List(_TEXT), "interaction": _NUMBER, "rank_without": _COUNT})),
    "shared": pl.List(pl.Struct({"name": _TEXT, "value": _TEXT, "item_ids": pl.List(_TEXT)})),
    "together": pl.List(pl.Struct({"item_id": _TEXT, "both": _COUNT, "chose": _COUNT})),
    "instead_id": _TEXT,
    "facts": pl.List(
        pl.Struct(
            {
                "kind": _TEXT,
                "item_ids": pl.List(_TEXT),
                "name": _TEXT,
                "values": pl.List(_TEXT),
                "count": _COUNT,
                "of": _COUNT,
                "times": _NUMBER,
                "bits": _NUMBER,
            }
        )
    ),
    "theme": _TEXT,
}


@dataclass(frozen=True)
class Explanation:
    """Why one item was recommended to one user: evidence, the words for it, and who wrote them.

    ``faults``: what the audit objected to in the sentences that were not shown. ``facts``: what the sentence tells
    beside what was chosen, as data; ``theme``: a heading that it could stand under.

    >>> from llmrec.reasons import Cited, Item
    >>> one = Evidence("ann", Item("7", "Alien"), (Cited("3", "Blade Runner", contribution=0.7),))
    >>> why = Explanation(one, 1, 'We suggest "Alien" because you chose "Blade Runner".', "template")
    >>> why.first_try, why.replaced
    (True, False)
    """

    evidence: Evidence
    rank: int
    sentence: str
    backend: str
    faults: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    theme: str = ""

    @property
    def first_try(self) -> bool:
        """Whether what was written first passed the audit."""
        return not self.faults

    @property
    def replaced(self) -> bool:
        """Whether the template's words stand here because a narrator's failed the audit."""
        return self.backend == TEMPLATE and bool(self.faults)


@dataclass(frozen=True)
class Explanations:
    """What ``explain`` returns, in the order of the recommendations. ``["sentence"]`` is a column of the table.

    ``language`` and ``form`` are those that were asked for: the audit reads each sentence by them.

    >>> from llmrec import Histories, explain
    >>> from llmrec.data import toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> model, histories = MarkovRecommender().fit(toy_films()), Histories.of({"ann": ["1", "2"]})
    >>> why = explain(model, model.recommend(histories, 2), histories)
    >>> len(why), why["backend"].to_list()
    (2, ['template', 'template'])
    """

    explanations: tuple[Explanation, ...]
    language: Language = "en"
    form: ReasonForm = "sentence"

    @cached_property
    def table(self) -> pl.DataFrame:
        """One row each: ``user_id, item_id, rank, sentence``, evidence, and how the sentence came about.

        ``evidence``: the history items without which the score falls most, with the fall, what they weigh beside
        each other, and where the item would stand without them. ``facts``: what the sentence tells. ``backend``:
        who wrote the sentence. ``first_try``: whether what it wrote first passed the audit. ``faults``: what the
        audit objected to. ``pairs, shared, together, instead_id``: the rest of the evidence.
        """
        return pl.DataFrame([_row(one) for one in self], schema=_SCHEMA, orient="row")

    @property
    def evidence(self) -> list[Evidence]:
        """The evidence of each explanation."""
        return [one.evidence for one in self]

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a pandas frame."""
        return self.table.to_pandas()

    def __len__(self) -> int:
        return len(self.explanations)

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self.explanations)

    def __getitem__(self, column: str) -> pl.Series:
        return self.table[column]

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def counts(explanations: Explanations) -> dict[str, int]:
    """Count how the sentences came about.

    ``written_by_llm`` passed the audit (at the first or second try), ``replaced_by_template`` did not,
    ``written_by_template`` never went to an LLM.

    >>> from llmrec import Histories, explain
    >>> from llmrec.data import toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> model, histories = MarkovRecommender().fit(toy_films()), Histories.of({"ann": ["1", "2"]})
    >>> counts(explain(model, model.recommend(histories, 2), histories))
    {'written_by_llm': 0, 'replaced_by_template': 0, 'written_by_template': 2}
    """
    template = [one for one in explanations if one.backend == TEMPLATE]
    replaced = sum(one.replaced for one in template)
    return {
        "written_by_llm": len(explanations) - len(template),
        "replaced_by_template": replaced,
        "written_by_template": len(template) - replaced,
    }


def cited_rows(evidence: Evidence) -> list[dict[str, object]]:
    """Return the cited items as rows: ``item_id, title, contribution, weight, rank_without``."""
    return [
        {
            "item_id": item.item_id,
            "title": item.title,
            "contribution": item.contribution,
            "weight": evidence.weight(n),
            "rank_without": item.rank_without,
        }
        for n, item in enumerate(evidence.cited)
    ]


def _row(one: Explanation) -> tuple[object, ...]:
    evidence = one.evidence
    facts = (
        [asdict(fact) for fact in several] for several in (evidence.pairs, evidence.shared, evidence.together)
    )
    return (
        evidence.user_id,
        evidence.item.item_id,
        one.rank,
        one.sentence,
        cited_rows(evidence),
        one.backend,
        one.first_try,
        list(one.faults),
        *facts,
        evidence.rival.item_id if evidence.rival else None,
        [asdict(fact) for fact in one.facts],
        one.theme,
    )
