"""In a plan every event is a target once an epoch, within the budgets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec.data import Sequences
from llmrec.data.histories import offsets_of
from llmrec.training.batching import IGNORE, Batch, inputs_and_targets, pack
from llmrec.training.plan import Plan, plan

LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=12).filter(any)
BUDGETS = st.fixed_dictionaries(
    {
        "max_items": st.integers(1, 12),
        "max_tokens": st.integers(4, 60),
        "batch_tokens": st.integers(5, 200),
        "overhead": st.integers(1, 3),
        "seed": st.integers(0, 5),
    }
)


def sequences_of(lengths: list[int]) -> Sequences:
    """Every event has a code of its own, so that targets are distinct."""
    return Sequences(np.arange(sum(lengths), dtype=np.int32), offsets_of(lengths))


def by_epoch(batches: Plan) -> dict[int, list[Batch]]:
    return {epoch: [b for b in batches if b.epoch == epoch] for epoch in sorted({b.epoch for b in batches})}


@settings(max_examples=60, deadline=None)
@given(lengths=LENGTHS, budgets=BUDGETS)
def test_every_event_is_a_target_once_an_epoch(lengths: list[int], budgets: dict[str, Any]) -> None:
    sequences = sequences_of(lengths)
    epochs = by_epoch(plan(sequences, epochs=3, **budgets))
    assert list(epochs) == [0, 1, 2]
    for batches in epochs.values():
        targets_of_batches = [inputs_and_targets(sequences, batch.windows)[1] for batch in batches]
        targets = np.concatenate([part[part != IGNORE] for part in targets_of_batches])
        assert sorted(targets.tolist()) == list(range(sum(lengths)))


@settings(max_examples=60, deadline=None)
@given(lengths=LENGTHS, budgets=BUDGETS, data=st.data())
def test_windows_and_batches_keep_their_budgets(
    lengths: list[int], budgets: dict[str, Any], data: st.DataObject
) -> None:
    sequences = sequences_of(lengths)
    costs = np.array(data.draw(st.lists(st.integers(1, 9), min_size=sum(lengths), max_size=sum(lengths))))
    for batch in plan(sequences, costs=costs, epochs=2, **budgets):
        sizes = []
        for user, start, stop in batch.windows:
            inside = slice(sequences.offsets[user] + start, sequences.offsets[user] + stop)
            sizes.append(budgets["overhead"] + int(costs[inside].sum()))
            assert stop - start <= budgets["max_items"]
            # An item that alone exceeds the budget still is in a window, alone.
            assert sizes[-1] <= budgets["max_tokens"] or stop - start == 1
        assert max(sizes) * len(sizes) <= budgets["batch_tokens"] or len(sizes) == 1


@settings(max_examples=40, deadline=None)
@given(lengths=LENGTHS, budgets=BUDGETS, data=st.data())
def test_there_is_room_for_the_event_after_a_window(
    lengths: list[int], budgets: dict[str, Any], data: st.DataObject
) -> None:
    sequences = sequences_of(lengths)
    costs = np.array(data.draw(st.lists(st.integers(1, 9), min_size=sum(lengths), max_size=sum(lengths))))
    for batch in plan(sequences, costs=costs, epochs=2, ahead=True, **budgets):
        base = sequences.offsets[batch.windows[:, 0]]
        sizes = [
            budgets["overhead"] + int(costs[first + start : first + stop + 1].sum())
            for first, (_, start, stop) in zip(base, batch.windows, strict=True)
        ]
        assert max(sizes) * len(sizes) <= budgets["batch_tokens"] or len(sizes) == 1
        for size, (_, start, stop) in zip(sizes, batch.windows, strict=True):
            assert size <= budgets["max_tokens"] or stop - start <= 1


@settings(max_examples=20, deadline=None)
@given(lengths=LENGTHS, budgets=BUDGETS)
def test_the_same_arguments_give_the_same_plan(lengths: list[int], budgets: dict[str, Any]) -> None:
    one, two = (plan(sequences_of(lengths), epochs=2, **budgets) for _ in range(2))
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        assert a.epoch == b.epoch
        np.testing.assert_array_equal(a.windows, b.windows)


def test_windows_start_elsewhere_in_each_epoch() -> None:
    sequences = sequences_of([100, 100])
    batches = plan(sequences, epochs=6, max_items=20, max_tokens=999, batch_tokens=999)
    firsts = {tuple(sorted(batch.windows[:, 1].tolist())) for batch in batches}
    assert len(firsts) >= 5


def test_a_plan_of_fewer_epochs_is_the_beginning_of_a_longer_one() -> None:
    arguments: dict[str, Any] = {"max_items": 5, "max_tokens": 9, "batch_tokens": 20, "seed": 3}
    short, long = (plan(sequences_of([9, 4, 17]), epochs=n, **arguments) for n in (2, 4))
    for a, b in zip(short, list(long)[: len(short)], strict=True):
        np.testing.assert_array_equal(a.windows, b.windows)


def test_inputs_and_targets_by_hand() -> None:
    sequences = Sequences(np.array([10, 11, 12, 13, 20], dtype=np.int32), np.array([0, 4, 5]))
    windows = np.array([[0, 0, 2], [0, 2, 3], [1, 0, 0]])
    inputs, targets = inputs_and_targets(sequences, windows)
    assert inputs.tolist() == [[10, 11], [12, -1], [-1, -1]]
    # The second window continues where the first stopped: its first input was a target there.
    assert targets.tolist() == [[10, 11, 12], [IGNORE, 13, IGNORE], [20, IGNORE, IGNORE]]


@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=40), budget=st.integers(1, 120))
@settings(max_examples=40, deadline=None)
def test_packing_loses_no_window(sizes: list[int], budget: int) -> None:
    groups = pack(np.array(sizes), budget, np.random.default_rng(0))
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(sizes)))
    assert all(max(sizes[n] for n in rows) * len(rows) <= budget or len(rows) == 1 for rows in groups)


@pytest.mark.parametrize("lengths", [[1], [1, 1, 0]])
def test_histories_of_one_event_have_the_first_target(lengths: list[int]) -> None:
    (batch,) = plan(sequences_of(lengths), epochs=1, max_items=3, max_tokens=9, batch_tokens=99)
    inputs, targets = inputs_and_targets(sequences_of(lengths), batch.windows)
    assert inputs.size == 0
    assert sorted(targets[:, 0].tolist()) == list(range(sum(lengths)))
