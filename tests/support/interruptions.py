"""Interrupt or spoil training in the middle, and compare how it ended."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from llmrec import Split
from llmrec.models import Recommender
from llmrec.training import trainer


class Stop(BaseException):
    """What a test raises in the middle of training."""


def stop_at(monkeypatch: pytest.MonkeyPatch, module: object, name: str, call: int) -> None:
    """Let ``module.name`` raise Stop when it is called for the ``call``-th time."""
    plain, calls = getattr(module, name), [0]

    def counted(*args: object, **named: object) -> object:
        calls[0] += 1
        if calls[0] == call:
            raise Stop
        return plain(*args, **named)

    monkeypatch.setattr(module, name, counted)


def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step leave a NaN weight although its loss is finite."""
    plain = trainer._JobTrainer.compute_loss

    def poisoned(self: trainer._JobTrainer, model: torch.nn.Module, *rest: Any, **named: Any) -> torch.Tensor:
        loss = plain(self, model, *rest, **named)
        model.get_parameter("bias").data[0] = float("nan")
        return loss

    monkeypatch.setattr(trainer._JobTrainer, "compute_loss", poisoned)


def assert_same_model(one: Recommender, other: Recommender, split: Split) -> None:
    np.testing.assert_array_equal(one.score(split.test.histories), other.score(split.test.histories))
    drop = {"seconds"}
    logs = [[{k: v for k, v in row.items() if k not in drop} for row in model.train_log] for model in (one, other)]
    assert logs[0] == logs[1]
    assert logs[0]
