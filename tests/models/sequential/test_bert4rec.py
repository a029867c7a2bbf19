"""Masks of BERT4Rec."""

from __future__ import annotations

import numpy as np
from support.letters import dataset

from llmrec.data import Sequences
from llmrec.models.sequential.bert4rec import masked
from llmrec.training.batching import IGNORE


def test_masks_hide_some_and_keep_the_rest() -> None:
    data = dataset(["abcdefgh", "ab", "c"])
    sequences = Sequences.encode(data.histories, data.catalog)
    windows = np.array([[0, 2, 6], [1, 0, 1], [2, 0, 0]])
    hidden = np.zeros(3, dtype=int)
    for seed in range(200):
        draw = np.random.default_rng(seed)
        inputs, targets = masked(sequences, windows, mask=99, share=0.3, draw=draw)
        assert inputs.shape == targets.shape == (3, 5)
        whole = np.where(inputs == 99, targets, inputs)
        assert whole.tolist() == [[2, 3, 4, 5, 6], [0, 1, -1, -1, -1], [2, -1, -1, -1, -1]]
        assert ((targets == IGNORE) == (inputs != 99)).all()
        assert ((inputs == 99).sum(axis=1) >= 1).all()
        hidden += (inputs == 99).sum(axis=1)
    assert hidden[2] == 200
    assert 0.25 < hidden[0] / 200 / 5 < 0.45
