"""Divided parameters: gathered in parts, by all ranks or by the first alone. Processes are threads here."""

from __future__ import annotations

import pytest
import torch
from support.thread_ranks import Threads

from llmrec.training import sharding


# Seven rows: of two processes three and four, of three one has one row, of five the last has none.
@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("numbers_at_once", [1, 4, 100])
def test_rows_are_gathered_in_parts(size: int, numbers_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world, table = Threads(size), torch.randn(7, 2)
    sent = list[int]()

    def gathered(value: torch.Tensor) -> list[torch.Tensor]:
        sent.append(value.numel())
        return world.gathered(value)

    monkeypatch.setattr(sharding, "SENT_AT_ONCE", numbers_at_once)
    for name, value in {"size": lambda: size, "rank": world.rank, "gathered": gathered}.items():
        monkeypatch.setattr(sharding, name, value)
    monkeypatch.setattr(sharding, "is_first", lambda: world.rank() == 0)
    monkeypatch.setattr(sharding, "is_divided", lambda value: True)
    monkeypatch.setattr(sharding, "local", lambda value: value[sharding.rows_of(len(value))])

    def compute(rank: int) -> None:
        torch.testing.assert_close(sharding.whole(table), table)
        of_first = sharding.whole_on_first(table)
        torch.testing.assert_close(of_first, table if rank == 0 else torch.empty(0, 2))

    world.run(compute)
    assert max(sent) <= max(numbers_at_once, 2)  # a row is sent whole
