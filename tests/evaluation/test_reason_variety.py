"""How reasons read, on sentences whose forms, words and bits are counted by hand."""

from __future__ import annotations

import pytest

from llmrec.errors import DataError
from llmrec.evaluation.reasons.variety import distinct_forms, fact_bits, n_words, self_bleu, tells_more
from llmrec.reasons import Cited, Evidence, Explanation, Explanations, Fact, Item


def reasons(*sentences: str, facts: tuple[Fact, ...] = (), user: str = "u") -> Explanations:
    one = Evidence(user, Item("1", "Fargo", {"genres": "Crime"}), (Cited("2", "Alien", {"genres": "Crime"}, 1.0),))
    return Explanations(tuple(Explanation(one, 1, text, "template", facts=facts) for text in sentences))


def test_names_and_numbers_make_no_new_form() -> None:
    same = ('7 of 9 chose "Fargo".', '8 of 12 chose "Alien".', 'All chose "Alien".')
    assert distinct_forms(reasons(*same)) == pytest.approx(200 / 3)
    assert distinct_forms(reasons(*same[:2])) == 50
    with pytest.raises(DataError, match="no reasons"):
        distinct_forms(reasons())


def test_equal_sentences_are_alike_and_others_are_not() -> None:
    text = 'You chose "Alien", so we suggest "Fargo".'
    assert self_bleu(reasons(text, text)).tolist() == pytest.approx([1, 1])
    other = "Nothing here says anything of that kind at all"
    assert max(self_bleu(reasons(text, other))) < 0.2
    assert self_bleu(reasons(text)).tolist() == []


def test_what_is_told_and_how_long() -> None:
    plain, rare = (
        Fact("same", ("2",), "genres", ("Crime",), bits=2.0),
        Fact("rank", ("2",), count=1, of=9, bits=3.2),
    )
    both, neither = reasons("A b c.", facts=(plain, rare)), reasons("A b.", facts=(plain,))
    assert (tells_more(both).tolist(), tells_more(neither).tolist()) == ([1], [0])
    assert (fact_bits(both).tolist(), fact_bits(reasons("A.")).tolist()) == ([3.2], [0])
    assert n_words(both).tolist() == [3]
