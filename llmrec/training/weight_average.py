"""A moving average of a network's weights, which needs no learning rate that falls to zero at a known end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from llmrec.training.checkpoints import NamedTensors, changing, read_trainable, save_divided
from llmrec.training.sharding import divided_like

AVERAGE = "average.safetensors"


class WeightAverage:
    """An average whose mean age is a fixed ``share`` of the steps so far (power function, Karras et al. 2024).

    What it forgets grows with the training: early weights, far from any good ones, are soon gone, and late ones
    are averaged over long enough to be as quiet as after a decay of the learning rate.
    """

    def __init__(self, network: torch.nn.Module, share: float) -> None:
        self.network, self.exponent = network, 1 / share - 1
        self.values: NamedTensors = {name: value.detach().clone() for name, value in changing(network).items()}

    def update(self, step: int) -> None:
        """Add the weights after ``step``, counted from 1."""
        rate = 1 - (1 - 1 / step) ** self.exponent
        with torch.no_grad():
            for name, value in changing(self.network).items():
                average = self.values[name]
                if average.device != value.device:  # the network was moved after this was made
                    average = self.values[name] = average.to(value.device)
                average.lerp_(value.to(average.dtype), rate) if value.is_floating_point() else average.copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the network the average for the length of the block."""
        trained = {name: value.detach().clone() for name, value in changing(self.network).items()}
        self._put(self.values)
        try:
            yield
        finally:
            self._put(trained)

    def save(self, folder: Path) -> None:
        """Write it beside a checkpoint's weights. Every process must call it, the first writes."""
        save_divided(self.values, folder / AVERAGE)

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote. Raises TrainingError for a damaged file."""
        state, present = read_trainable(folder / AVERAGE), changing(self.network)
        self.values = {name: divided_like(present[name], value) for name, value in state.items()}

    def _put(self, values: NamedTensors) -> None:
        with torch.no_grad():
            for name, value in changing(self.network).items():
                value.copy_(values[name])
