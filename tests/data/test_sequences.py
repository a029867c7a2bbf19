"""Encoded histories: item codes, flat, cut to the newest."""

from __future__ import annotations

import numpy as np

from llmrec.data import Histories, Sequences, toy_films

DATA = toy_films()


def test_items_outside_the_catalog_are_left_out_with_their_event_codes() -> None:
    histories = Histories.of([["3", "gone", "5"], [], ["4"]])
    event_codes = np.arange(4, dtype=np.int32)
    sequences = Sequences.encode(histories, DATA.catalog, event_codes=event_codes)
    assert [sequences[n].tolist() for n in range(3)] == [[3, 5], [], [4]]
    assert sequences.event_codes is not None
    assert sequences.event_codes.tolist() == [0, 2, 3]
    assert sequences.users().tolist() == [0, 0, 2]


def test_only_the_newest_items_are_kept() -> None:
    sequences = Sequences.encode(DATA.histories, DATA.catalog)
    newest = sequences.last(3)
    assert newest.lengths().tolist() == [3] * 60
    assert newest[7].tolist() == sequences[7][-3:].tolist()
    ragged = sequences.newest(np.arange(60) % 2)
    assert ragged[0].tolist() == []
    assert ragged[1].tolist() == sequences[1][-1:].tolist()
