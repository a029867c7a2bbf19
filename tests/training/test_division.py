"""What training in divided parts takes and gives back, seen from one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from llmrec import Recipe, Split
from llmrec.models import from_recipe
from llmrec.training import trainer
from llmrec.training.division import Division


def test_an_optimizer_keeps_nothing_of_a_mapped_file(tmp_path: Path) -> None:
    """It is removed with its checkpoint; some systems remove no file that is mapped."""
    network = torch.nn.Linear(2, 3)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(2)).sum().backward()
    optimizer.step()
    division = Division(network, blocks=False, items=True)
    torch.save(division.optimizer_state(optimizer), tmp_path / "optimizer.pt")
    state = torch.load(tmp_path / "optimizer.pt", weights_only=True, mmap=True)
    mapped = [dict(of_one) for of_one in state["state"].values()]
    again = torch.optim.AdamW(network.parameters())
    division.load_optimizer_state(again, state)
    for parameter, read in zip(network.parameters(), mapped, strict=True):
        for name, value in read.items():
            held = again.state[parameter][name]
            torch.testing.assert_close(held, value)
            assert held.data_ptr() != value.data_ptr(), name


def test_the_optimizer_is_forgotten_before_items_are_made_whole(
    toy_split: Split, gru_with: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, held = list[torch.optim.Optimizer](), list[tuple[str, bool]]()
    plain = trainer._JobTrainer.create_optimizer

    def create(self: Any, model: Any = None) -> torch.optim.Optimizer:
        made.append(plain(self, model))
        return made[-1]

    def noting(when: str) -> Callable[[Division], bool]:
        def note(_: Division) -> bool:
            held.append((when, bool(made[-1].state)))
            return True

        return note

    monkeypatch.setattr(trainer._JobTrainer, "create_optimizer", create)
    monkeypatch.setattr(Division, "is_finite", noting("checkpoint"))
    monkeypatch.setattr(Division, "unite_items", noting("end"))
    from_recipe(gru_with(epochs=1)).fit(toy_split.train)
    assert held == [("checkpoint", True), ("end", False)]
