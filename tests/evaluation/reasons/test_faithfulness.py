"""Reasons judged in a world where every contribution is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import llmrec
from llmrec.arrays import Float32s
from llmrec.data import Catalog, Dataset, Fold, Histories, Sequences
from llmrec.errors import DataError
from llmrec.evaluation import deletion_test, faithfulness, judge_reasons
from llmrec.evaluation.reasons.faithfulness import as_json
from llmrec.models.base import Recommender
from llmrec.reasons import Explanations, NarrationRequest

ITEMS = [f"i{n}" for n in range(10)]


class Sum(Recommender):
    """The score of i9 is the sum of what each history item adds: i0 adds 8, i1 adds 4, the others nothing."""

    kind = "sum"
    adds = np.array([8, 4, 0, 0, 0, 0, 0, 0, 0, 0], dtype=np.float32)

    def __init__(self) -> None:
        super().__init__()
        genres = ["War", "War", *(["Drama"] * 7), "War"]
        titles = [f"Film {chr(65 + n)}" for n in range(10)]
        self.catalog = Catalog(pl.DataFrame({"item_id": ITEMS, "title": titles, "genres": genres}))

    def _score(self, sequences: Sequences) -> Float32s:
        scores = np.zeros((len(sequences), 10), dtype=np.float32)
        scores[:, 9] = [self.adds[sequences[n]].sum() for n in range(len(sequences))]
        return scores

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        raise NotImplementedError

    def _save(self, folder: Path) -> None:
        raise NotImplementedError

    def _load(self, folder: Path) -> None:
        raise NotImplementedError


HISTORIES = Histories.of({"u": ITEMS[:9], "v": ["i2", "i3", "i4"]})
RECS = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["i9", "i9"]})


class Wrong:
    """Names an item that counts for less, or one that is not there."""

    backend = "llm"

    def __init__(self, text: str) -> None:
        self.text = text

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        return [self.text] * len(requests)


def test_what_is_named_moves_the_score_more_than_chance() -> None:
    model = Sum()
    why = llmrec.explain(model, RECS, HISTORIES)
    tested = deletion_test(model, why, HISTORIES, draws=4)
    # v has no item that counts: nothing is named, nothing is tested.
    assert tested.rows(named=True) == [
        {
            "user_id": "u",
            "item_id": "i9",
            "named": 2,
            "deletion_better": 1.0,
            "deletion_gap": 12.0,
            "sufficiency_better": 1.0,
            "sufficiency_gap": 12.0,
        }
    ]


def test_a_reason_that_names_the_weaker_item_does_not_always_win() -> None:
    model = Sum()
    told = Wrong('We suggest "Film J" because you chose "Film B".')
    why = llmrec.explain(model, RECS, HISTORIES, narrator=told)
    assert why["backend"][0] == "llm"
    tested = deletion_test(model, why, HISTORIES, draws=200)
    # One of eight others is i0, which counts for more: 7/8 of the draws are won.
    assert tested["deletion_better"][0] == pytest.approx(7 / 8, abs=0.08)
    assert tested["deletion_gap"][0] == pytest.approx(4 - 8 / 8, abs=0.7)


def test_judgement_of_explanations() -> None:
    model = Sum()
    why = llmrec.explain(model, RECS, HISTORIES)
    found = judge_reasons(model, why, HISTORIES, references=None)
    assert found["unique_ratio"] == 1.0
    assert found["feature_coverage"] == 0.5  # War of War and Drama
    assert found["feature_diversity"] == 0.0
    plain = as_json(found)
    assert (plain["faithful"]["mean"], plain["without_template"]["mean"], plain["first_try"]["mean"]) == (1, 0, 1)
    assert plain["deletion_better"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    with pytest.raises(DataError, match="no reasons to judge"):
        judge_reasons(model, Explanations(()), HISTORIES)


def test_references_add_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "llmrec.evaluation.reasons.faithfulness.similarity", lambda texts, references: np.ones(len(texts))
    )
    model = Sum()
    why = llmrec.explain(model, RECS, HISTORIES)
    plain = as_json(judge_reasons(model, why, HISTORIES, references=why["sentence"].to_list()))
    assert (plain["rouge_l"]["mean"], plain["similarity"]["mean"]) == (1.0, 1.0)
    assert plain["bleu"]["mean"] == pytest.approx(1.0)


def test_a_sentence_beyond_its_evidence_is_not_faithful() -> None:
    model = Sum()
    why = llmrec.explain(model, RECS, HISTORIES)
    famous = 'We suggest the famous "Film J" because you chose "Film A".'
    changed = replace(why, explanations=tuple(replace(one, sentence=famous) for one in why))
    assert faithfulness(why).tolist() == [1.0, 1.0]
    assert faithfulness(changed).tolist() == [0.0, 0.0]
