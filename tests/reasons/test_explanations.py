"""Reasons as values: the evidence behind each is kept, the table is made from them."""

from __future__ import annotations

import pytest
from support.linear import Linear

import llmrec
from llmrec.data import Histories
from llmrec.reasons import Explanation, Explanations, NarrationRequest, add_facts, occlusion
from llmrec.reasons.tellable import add_tellable

HISTORIES = Histories.of({"u": ["a", "b"], "v": ["d"]})


def test_the_evidence_is_that_of_the_occlusion(model: Linear) -> None:
    recs = model.recommend(HISTORIES, 2)
    why = llmrec.explain(model, recs, HISTORIES)
    gathered = add_tellable(add_facts(occlusion(model, HISTORIES, recs), model), model, HISTORIES)
    assert why.evidence == gathered
    assert [one.evidence for one in why] == why.evidence
    assert [one.rank for one in why] == recs["rank"].to_list()


def test_it_reads_as_a_table_and_as_values(model: Linear) -> None:
    why = llmrec.explain(model, model.recommend(HISTORIES, 2), HISTORIES)
    assert len(why) == why.table.height == 4
    assert why["sentence"].to_list() == [one.sentence for one in why]
    assert why["user_id"].to_list() == [one.evidence.user_id for one in why]
    assert why.to_pandas()["item_id"].tolist() == [one.evidence.item.item_id for one in why]
    assert repr(why) == repr(why.table)
    assert "<table" in why._repr_html_()
    assert why.table is why.table  # made once


def test_who_wrote_a_sentence(model: Linear) -> None:
    (evidence,) = occlusion(model, HISTORIES, model.recommend(HISTORIES[:1], 1))
    plain, passed, second, replaced = (
        Explanation(evidence, 1, "A.", backend, faults)
        for backend, faults in (("template", ()), ("llm", ()), ("llm", ("a fault",)), ("template", ("a fault",)))
    )
    assert [one.first_try for one in (plain, passed, second, replaced)] == [True, True, False, False]
    assert [one.replaced for one in (plain, passed, second, replaced)] == [False, False, False, True]
    assert Explanations((plain, second))["first_try"].to_list() == [True, False]


class Nonsense:
    """A narrator of whose sentences none passes the audit."""

    backend = "llm"

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        return ["We suggest the award-winning East Wind." for _ in requests]


def test_how_many_were_refused_is_said_once(model: Linear, caplog: pytest.LogCaptureFixture) -> None:
    recs = model.recommend(HISTORIES, 2)
    why = llmrec.explain(model, recs, HISTORIES, narrator=Nonsense())
    refused = [one.faults[0] for one in why if one.replaced]
    (warning,) = (record.getMessage() for record in caplog.records)
    assert warning.startswith("2 of 4 reasons are worded by the template: what was written did not pass the audit")
    assert len(refused) == 2 and warning.endswith(refused[0])
    caplog.clear()
    llmrec.explain(model, recs, HISTORIES)
    assert not caplog.records


def test_the_language_and_the_form_are_kept(model: Linear) -> None:
    why = llmrec.explain(model, model.recommend(HISTORIES, 1), HISTORIES, language="zh", form="paragraph")
    assert (why.language, why.form) == ("zh", "paragraph")
