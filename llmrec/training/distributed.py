"""Training in several processes, one a rank: what they share, and what only the first of them does.

In one process, which is the rule, nothing here does anything.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

from llmrec.errors import DataError, InputError, LlmrecError, TrainingError
from llmrec.runtime import device_name

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
RandomStates = dict[str, "torch.Tensor"]

# The others wait while the first validates or writes.
TIMEOUT = timedelta(hours=6)
# What a launcher says beside WORLD_SIZE; without it the processes would wait for each other in vain.
LAUNCHER = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")

# In a step: the random states that are equal on all ranks. Empty outside, and in one process.
_shared: list[RandomStates] = []


class FirstRankError(LlmrecError):
    """What the first rank could not do, on the other ranks: the first says what it was."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def size() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this process among them, from 0."""
    return int(os.environ.get("RANK", "0")) if size() > 1 else 0


def is_first() -> bool:
    """Whether this process writes, validates and prints; in one process it does."""
    return rank() == 0


def start(*, n_histories: int) -> None:
    """Join the other processes that were launched with this one.

    Raises DataError for more of them than histories, and InputError for a launcher that would shard the weights
    and for none.
    """
    if size() == 1:
        return
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true":
        raise InputError(
            "DeepSpeed is not supported: launch with --config_file finetune/accelerate/fsdp.yaml, which divides "
            "an LLM's blocks, or finetune/accelerate/ddp.yaml"
        )
    if missing := [name for name in LAUNCHER if name not in os.environ]:
        raise InputError(
            f"WORLD_SIZE is {size()}, but {', '.join(missing)} of a launcher are not set: launch with accelerate "
            "or torchrun, or unset WORLD_SIZE"
        )
    if size() > n_histories:
        raise DataError(
            f"{size()} processes for {n_histories} histories: some would have nothing to learn from; launch at "
            f"most {n_histories}: accelerate launch --num_processes {n_histories}"
        )
    from accelerate import PartialState

    PartialState(cpu=device_name() == "cpu", timeout=TIMEOUT)


def stop() -> None:
    """Leave the other processes, if this one has joined some."""
    torch = sys.modules.get("torch")
    if size() > 1 and torch is not None and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def require_one(what: str) -> None:
    """Raise InputError where several processes were launched for ``what`` cannot be trained by more than one."""
    if size() > 1:
        raise InputError(
            f"{what} cannot be trained by {size()} processes: launch one, accelerate launch --num_processes 1"
        )


@contextmanager
def lost_process() -> Iterator[None]:
    """Turn a lost connection to another process into a TrainingError that says how to go on."""
    try:
        yield
    except RuntimeError as error:
        lost = any(word in str(error).lower() for word in ("gloo", "nccl", "connection", "tcpstore"))
        if size() == 1 or not lost:
            raise
        reason = re.sub(r"^\[\S+\] ", "", str(error).splitlines()[0])  # without the place in gloo's source
        raise TrainingError(
            "another process of this training ended: see what it says; where there is a checkpoint, --resume goes "
            f"on from it, on any number of processes ({reason[:200]})"
        ) from error


def on_first(compute: Callable[[], T]) -> T:
    """Return on every rank what ``compute`` returns on the first; the others wait.

    Its error is raised there, and FirstRankError on the other ranks. Results must be picklable.
    """
    if size() == 1:
        return compute()
    from accelerate.utils import broadcast_object_list

    if not is_first():
        result, failure, exit_code = broadcast_object_list([None, None, None])
        if failure is not None:
            raise FirstRankError(f"rank 0: {failure}", exit_code=exit_code)
        return cast("T", result)
    try:
        result = compute()
    except Exception as error:
        exit_code = error.exit_code if isinstance(error, LlmrecError) else 1
        broadcast_object_list([None, f"{type(error).__name__}: {error}", exit_code])
        raise
    broadcast_object_list([result, None, None])
    return result


def wait() -> None:
    """Wait until every process has come here."""
    if size() > 1:
        import torch

        torch.distributed.barrier()


def flags_of_first(*flags: bool) -> list[bool]:
    """Return the first rank's flags: what depends on a clock is decided once."""
    if size() == 1:
        return list(flags)
    import torch

    values = torch.tensor(flags, dtype=torch.int64, device=_device())
    torch.distributed.broadcast(values, 0)
    return [bool(value) for value in values.tolist()]


def sums(*numbers: float | torch.Tensor) -> list[float]:
    """Return the sums over all ranks of numbers that each rank has."""
    if size() == 1:
        return [float(number) for number in numbers]
    import torch

    values = torch.tensor([float(number) for number in numbers], dtype=torch.float64, device=_device())
    torch.distributed.all_reduce(values)
    return [float(value) for value in values.tolist()]


def batch_sum(value: torch.Tensor) -> torch.Tensor:
    """Return the sum of a tensor without gradient over all shares of a batch: what a mean over it divides by."""
    if not _shared:
        return value
    import torch

    total = value.detach().clone()
    torch.distributed.all_reduce(total)
    return total


def batch_count(number: int) -> int:
    """Return the sum of a count over all shares of a batch."""
    return int(sums(number)[0]) if _shared else number


def batch_codes(codes: torch.Tensor) -> torch.Tensor:
    """Return the distinct item codes of all shares of a batch, sorted; ``codes`` are those of this one, sorted."""
    if not _shared:
        return codes
    import torch

    gathered = [codes.new_empty(0)] * size()
    torch.distributed.all_gather_object(gathered, codes.cpu())
    distinct: torch.Tensor = torch.unique(torch.cat(gathered)).to(codes.device)
    return distinct


@contextmanager
def global_batch(*key: int) -> Iterator[None]:
    """Compute the loss of a share of a batch: its means are over the whole batch, its draws are this rank's.

    The losses of the shares add up to that of the batch. Draws depend on ``key`` and the rank only, but those in
    ``shared_draws``, which go on from step to step as in one process.
    """
    if size() == 1:
        yield
        return
    import numpy as np
    import torch

    _shared.append(random_states())
    torch.manual_seed(int(np.random.SeedSequence((*key, rank())).generate_state(1)[0]))
    try:
        yield
    finally:
        set_random_states(_shared.pop())


@contextmanager
def shared_draws() -> Iterator[None]:
    """Draw the same on all ranks; each must draw equally much."""
    if not _shared:
        yield
        return
    of_rank = random_states()
    set_random_states(_shared[-1])
    try:
        yield
    finally:
        _shared[-1] = random_states()
        set_random_states(of_rank)


def follow_first(network: torch.nn.Module) -> None:
    """Take over what validating changed on the first rank: random states, and buffers that checkpoints keep."""
    if size() == 1:
        return
    import torch

    buffers = dict(network.named_buffers())
    for name in getattr(network, "checkpoint_buffers", ()):
        torch.distributed.broadcast(buffers[name], 0)
    set_random_states(on_first(random_states))


def random_states() -> RandomStates:
    """Return the state of the CPU's generator and, where there is one, of the accelerator's."""
    import torch

    states = {"cpu": torch.get_rng_state()}
    if device_name() != "cpu":
        states["device"] = torch.get_device_module().get_rng_state()
    return states


def set_random_states(states: RandomStates) -> None:
    """Put back what ``random_states`` returned."""
    import torch

    torch.set_rng_state(states["cpu"])
    if device_name() != "cpu" and "device" in states:
        torch.get_device_module().set_rng_state(states["device"])


def _device() -> torch.device:
    from accelerate import PartialState

    device: torch.device = PartialState().device
    return device
