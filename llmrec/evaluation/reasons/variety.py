"""Measure how reasons read: how many forms they have, how alike they are, what they tell, how long they are."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from llmrec.arrays import Float64s
from llmrec.errors import DataError
from llmrec.reasons import Explanation, Explanations
from llmrec.reasons.claims import read
from llmrec.reasons.statements.nodes import PRIVATE

# Forms are counted among so many reasons at a time: of more, ever fewer are new.
BLOCK = 100
_NUMBER = re.compile(r"\d[\d,.]*|\b(?:all|one|two|three|four|five|six|seven|eight|nine|ten)\b")
_PHRASE = re.compile("“[^”]*”")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_LONGEST = 4


def distinct_forms(explanations: Explanations) -> float:
    """Return how many distinct forms a hundred reasons have, 0 to 100: names, values and numbers are masked.

    The mean over blocks of a hundred, in order; fewer than a hundred are one block. Raises DataError without any.
    """
    masked = [form_of(one, explanations) for one in explanations]
    if not masked:
        raise DataError("there are no reasons to count forms of")
    starts = range(0, max(1, len(masked) - BLOCK + 1), BLOCK)
    blocks = [masked[start : start + BLOCK] for start in starts]
    return float(np.mean([100 * len(set(block)) / len(block) for block in blocks]))


def form_of(one: Explanation, explanations: Explanations) -> str:
    """Return a reason with one mark for each name, attribute value, quoted word and number."""
    text = read(one.sentence, one.evidence, explanations.language).text
    return PRIVATE.sub("@", _NUMBER.sub("@", _PHRASE.sub("@", text)))


def self_bleu(explanations: Explanations) -> Float64s:
    """Return each reason's BLEU against the others of its user's list, float64, 0 to 1: lower is more varied.

    Zhu et al. 2018 ("Texygen"), here within the lists that people read; up to 4-grams, add-one smoothing beyond
    words. A list of one is left out.
    """
    lists = [
        [_tokens(one.sentence) for one in several]
        for _, several in groupby(explanations, key=lambda one: one.evidence.user_id)
    ]
    return np.array(
        [score for texts in lists if len(texts) > 1 for score in _against_others(texts)], dtype=np.float64
    )


def fact_bits(explanations: Explanations) -> Float64s:
    """Return how many bits the facts of each reason tell, the most telling one, float64 [n]; 0 for none."""
    return np.array(
        [max((fact.bits for fact in one.facts), default=0.0) for one in explanations], dtype=np.float64
    )


def tells_more(explanations: Explanations) -> Float64s:
    """Return 1 for each reason with a fact beyond one shared genre, or of 4 bits, else 0: float64 [n]."""
    return np.array([any(not fact.is_plain for fact in one.facts) for one in explanations], dtype=np.float64)


def n_words(explanations: Explanations) -> Float64s:
    """Return how many words each reason has, titles included, float64 [n]; of Chinese its characters."""
    sentences = [one.sentence for one in explanations]
    sizes = map(len, sentences) if explanations.language == "zh" else (len(text.split()) for text in sentences)
    return np.array(list(sizes), dtype=np.float64)


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _against_others(texts: Sequence[list[str]]) -> Iterator[float]:
    grams = [[Counter(_grams(text, n)) for n in range(1, _LONGEST + 1)] for text in texts]
    for row, text in enumerate(texts):
        others = [grams[n] for n in range(len(texts)) if n != row]
        logs = 0.0
        for n in range(_LONGEST):
            most = Counter[tuple[str, ...]]()
            for other in others:
                most |= other[n]
            total, hits = sum(grams[row][n].values()), sum((grams[row][n] & most).values())
            logs += math.log(max((hits + (n > 0)) / max(1, total + (n > 0)), 1e-9))
        closest = min((abs(len(other) - len(text)), len(other)) for k, other in enumerate(texts) if k != row)[1]
        brevity = min(0.0, 1 - closest / len(text)) if text else 0.0
        yield math.exp(brevity + logs / _LONGEST)


def _grams(text: list[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(text[start:] for start in range(n)), strict=False)
