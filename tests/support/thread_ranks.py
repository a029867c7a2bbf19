"""The processes of a training as threads of one process: what one sends, the others get."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch


class Threads:
    """Processes as threads: what one brings, the others get."""

    def __init__(self, size: int) -> None:
        self.size, self.here = size, threading.local()
        self.barrier, self.brought = threading.Barrier(size), list[torch.Tensor]([torch.zeros(0)] * size)

    def rank(self) -> int:
        return int(self.here.rank)

    def gathered(self, value: torch.Tensor) -> list[torch.Tensor]:
        self.brought[self.rank()] = value.clone()
        self.barrier.wait(10)
        values = list(self.brought)
        self.barrier.wait(10)
        return values

    def summed(self, value: torch.Tensor) -> torch.Tensor:
        return value.copy_(torch.stack(self.gathered(value)).sum(0))

    def largest(self, value: torch.Tensor) -> torch.Tensor:
        return value.copy_(torch.stack(self.gathered(value)).amax(0))

    def run(self, compute: Callable[[int], None]) -> None:
        """Compute on every rank; raise what one of them raised."""
        errors = list[BaseException]()

        def one(rank: int) -> None:
            self.here.rank = rank
            try:
                compute(rank)
            except BaseException as error:
                errors.append(error)
                self.barrier.abort()

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(self.size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
