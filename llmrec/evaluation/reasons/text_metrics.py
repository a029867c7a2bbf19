"""Measure texts: against a reference, against each other, and how easily they read. One number per text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from llmrec.arrays import Float64s
from llmrec.errors import DataError
from llmrec.llm.texts import encode_texts
from llmrec.prompting import Language
from llmrec.runtime import extra

_VOWELS = re.compile(r"[aeiouy]+", re.IGNORECASE)
_ENDS = re.compile(r"[.!?。！？]+")
_HAN = re.compile("([\u4e00-\u9fff])")


def rouge_l(texts: Sequence[str], references: Sequence[str], *, language: Language = "en") -> Float64s:
    """F-measure of the longest common subsequence of words (Lin 2004), float64 [n], 0 to 1.

    By the rouge-score package, without stemming; Chinese is compared by character.
    """
    _paired(texts, references)
    scorer = extra("rouge_score.rouge_scorer", "text").RougeScorer(
        ["rougeL"], tokenizer=_Words() if language == "zh" else None
    )
    pairs = zip(references, texts, strict=True)
    return np.array([scorer.score(reference, text)["rougeL"].fmeasure for reference, text in pairs])


def bleu(texts: Sequence[str], references: Sequence[str], *, language: Language = "en") -> Float64s:
    """Sentence BLEU (Papineni et al. 2002) with sacrebleu's default smoothing, float64 [n], 0 to 1."""
    _paired(texts, references)
    metric = extra("sacrebleu.metrics.bleu", "text").BLEU(
        effective_order=True, tokenize="zh" if language == "zh" else "13a"
    )
    pairs = zip(texts, references, strict=True)
    return np.array([metric.sentence_score(text, [reference]).score / 100 for text, reference in pairs])


def similarity(texts: Sequence[str], references: Sequence[str]) -> Float64s:
    """Cosine of all-MiniLM-L6-v2 embeddings, float64 [n]; English only. The model is fetched once.

    Raises EnvironmentFault where it cannot be fetched.
    """
    _paired(texts, references)
    vectors, _ = encode_texts([*texts, *references], "minilm-l6", encoder_type="sentence")
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray((units[: len(texts)] * units[len(texts) :]).sum(axis=1), dtype=np.float64)


def reading_ease(texts: Sequence[str]) -> Float64s:
    """Flesch reading ease of English texts (Flesch 1948), float64 [n]: 60 to 70 is plain, higher is easier.

    Syllables are counted as groups of vowels. A text without a word gets NaN.
    """
    return np.array([_ease(text) for text in texts], dtype=np.float64)


def unique_ratio(texts: Sequence[str]) -> float:
    """Share of distinct texts (Li et al. 2020, "USR"). Raises DataError without a text."""
    if not texts:
        raise DataError("there is no text to look at")
    return len(set(texts)) / len(texts)


def _ease(text: str) -> float:
    words = re.findall(r"[A-Za-z']+", text)
    if not words:
        return float("nan")
    sentences = max(1, len(_ENDS.findall(text)))
    # A silent "e" at the end makes no syllable: "because".
    syllables = sum(max(1, len(_VOWELS.findall(re.sub(r"(?<=[a-z])e$", "", word)))) for word in words)
    return 206.835 - 1.015 * len(words) / sentences - 84.6 * syllables / len(words)


def _paired(texts: Sequence[str], references: Sequence[str]) -> None:
    if len(texts) != len(references):
        raise DataError(f"{len(texts)} texts and {len(references)} references; give one reference for each text")


class _Words:
    """Splits Chinese into characters and everything else at spaces."""

    def tokenize(self, text: str) -> list[str]:
        return _HAN.sub(r" \1 ", text.lower()).split()
