"""Who answers the parts of a batch job: this process, or Ray's workers, of which one may die."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from llmrec.errors import EnvironmentFault, LlmrecError
from llmrec.jobs.answers import JobSpec
from llmrec.jobs.folder import write_part
from llmrec.jobs.user_parts import UserPart, read_part
from llmrec.models import Recommender
from llmrec.models.runs import load_run
from llmrec.reasons import Narrator
from llmrec.runtime import extra

# A part is tried so often again where its worker dies.
RETRIES = 3
# No data goes through Ray's store, only numbers of parts; it must have this much at the least.
_STORE_BYTES = 80 * 2**20


@dataclass(frozen=True)
class Work:
    """What a worker needs to answer any part: the run, the users' events, the folder and the spec."""

    run: Path
    base: tuple[Path, ...]
    events: Path
    folder: Path
    spec: JobSpec


class Worker:
    """Answers parts by the model, loaded at the first. It does not matter which worker writes a part."""

    def __init__(self, work: Work, *, threads: int | None = None) -> None:
        if threads is not None:
            import torch

            torch.set_num_threads(threads)
        self.work = work

    @cached_property
    def model(self) -> Recommender:
        """The run's model; what the run keeps of users is read only where reasons count over it."""
        return load_run(self.work.run, base=self.work.base or None, histories=self.work.spec.kind == "explain")

    @cached_property
    def narrator(self) -> Narrator | None:
        """Who words reasons."""
        return self.work.spec.narrator(self.model)

    def write(self, part: UserPart) -> UserPart:
        """Answer one part and write its file, whole or not at all."""
        histories = read_part(self.work.events, part)
        write_part(self.work.folder, part, self.work.spec.answer(self.model, histories, self.narrator))
        return part


def on_this_process(work: Work, parts: list[UserPart]) -> Iterator[UserPart]:
    """Answer one part after the other; yields each once it is written."""
    worker = Worker(work)
    for part in parts:
        yield worker.write(part)


def on_ray(work: Work, parts: list[UserPart], workers: int | None = None) -> Iterator[UserPart]:
    """Answer parts by ``workers`` processes of Ray; yields each once it is written, in any order.

    Uses the cluster that Ray is connected to or that RAY_ADDRESS names (run, data and folder must lie where all
    its machines see them), else one on this machine. A part whose worker dies is tried again. Raises what a worker
    raised, EnvironmentFault where workers keep dying, MissingExtra without Ray.
    """
    ray = extra("ray", "ray")
    began_here = not ray.is_initialized()
    if began_here:
        start(ray)
    try:
        count = min(workers or int(ray.cluster_resources().get("CPU", 1)), len(parts))
        remote = ray.remote(num_cpus=1, max_restarts=RETRIES, max_task_retries=RETRIES)(Worker)
        absolute = Work(work.run.resolve(), *_absolute(work), work.spec)
        started = [remote.remote(absolute, threads=1) for _ in range(count)]
        yield from _answered(ray, started, list(reversed(parts)))
    finally:
        if began_here:
            ray.shutdown()


def _answered(ray: Any, workers: list[Any], left: list[UserPart]) -> Iterator[UserPart]:
    """Keep every worker at one part; yield those that are written."""
    busy = {worker.write.remote(part): (worker, part) for worker in workers if left and (part := left.pop())}
    while busy:
        ready, _ = ray.wait(list(busy), num_returns=1)
        worker, part = busy.pop(ready[0])
        try:
            yield ray.get(ready[0])
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise (cause if isinstance(cause, LlmrecError | OSError) else error) from error
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            raise EnvironmentFault(
                f"a worker died {RETRIES + 1} times, at last at part {part.number}: where its memory runs out, "
                "take fewer --workers or --rows-per-part; the same command goes on"
            ) from error
        if left:
            following = left.pop()
            busy[worker.write.remote(following)] = worker, following


def _absolute(work: Work) -> tuple[tuple[Path, ...], Path, Path]:
    """Return base, events and folder as any process finds them."""
    return tuple(path.resolve() for path in work.base), work.events.resolve(), work.folder.resolve()


def start(ray: Any) -> None:
    """Connect to the cluster of RAY_ADDRESS, or start one on this machine, which sends no usage statistics."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet = {"log_to_driver": False, "logging_level": "error"}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**quiet)
    else:
        ray.init(address="local", include_dashboard=False, object_store_memory=_STORE_BYTES, **quiet)
