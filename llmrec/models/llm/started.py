"""What an LLM recommender that starts from a run of another recipe takes of it: its head, and its user states."""

from __future__ import annotations

import itertools
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llmrec.data import Histories, Sequences
from llmrec.errors import RecipeError
from llmrec.models.continuation import take_over
from llmrec.models.llm.build import head_parameters
from llmrec.models.llm.files import head_arrays
from llmrec.models.llm.ranker import LLMRanker
from llmrec.models.start import Start
from llmrec.training.batching import Batch
from llmrec.training.distributed import is_first, on_first
from llmrec.training.plan import Plan
from llmrec.training.progress import Progress

if TYPE_CHECKING:
    import torch

    from llmrec.models.llm.state import LLMState
    from llmrec.models.responses.fields import EventFields

log = logging.getLogger(__name__)
ALIKE = 0.05  # encodings of item texts differ by less where the same blocks read the same words


def take_head(start: Start, state: LLMState) -> None:
    """Copy residuals, projections, biases and other heads of the run into an untrained state, by name and item.

    Raises RecipeError where the LLM of the run has another width.
    """
    before = model_of(start)
    trained, network = head_arrays(before.encoder.network), state.encoder.network
    here, there = network.user_projection.in_features, before.encoder.network.user_projection.in_features
    if here != there:
        raise RecipeError(
            f"the LLM of {start.run} is {there} wide, backbone.base={state.base.name} is {here} wide: start from "
            "a run of a base as wide, or fit without --from"
        )
    parameters, others = head_parameters(network), _of_other_fields(before.fields, state.fields)
    shared = {
        name: array
        for name, array in trained.items()
        if name in parameters and parameters[name].shape == array.shape and not name.startswith(others)
    }
    codes = before.catalog.codes(state.catalog.ids).astype(np.int64)
    take_over(parameters, shared, (np.arange(len(codes)), codes), len(codes))
    log.info("%s: %d of %d heads are those of the run", start.run, len(shared), len(parameters))
    difference = np.abs(before.state.encodings.texts[codes] - state.encodings.texts).mean()
    if difference > ALIKE:
        log.warning(
            "%s: item texts are encoded otherwise here (other blocks, prompts or weights): item vectors begin "
            "near those of the run, not at them",
            start.run,
        )


def _of_other_fields(before: EventFields, here: EventFields) -> tuple[str, ...]:
    """Return how the names of those heads begin that read or predict other fields of events than the run's."""
    alike = {"events.": before.bins == here.bins, "responses.": before.tasks.specs == here.tasks.specs}
    return tuple(name for name, same in alike.items() if not same)


def follow(
    start: Start,
    model: LLMRanker,
    sequences: Sequences,
    batches: Plan,
    *,
    work_dir: Path | None,
    progress: bool,
) -> dict[str, Any]:
    """Train ``model`` for ``train.follow_steps`` steps to have the user states of the run. Returns what it cost.

    The first batches of the plan are read by both models; the loss is 1 - cosine of the user vectors, a mean over
    the positions that have a target. Raises RecipeError where the run cannot read so long a window.
    """
    from llmrec.models.llm.following import FollowingNetwork
    from llmrec.training.job import TrainingJob
    from llmrec.training.trainer import train

    encoder, settings = model.encoder, model.recipe.train
    first = list(itertools.islice(itertools.cycle(batches), settings.follow_steps * settings.accumulation))
    leader = _Leader(start, model.histories)
    leader.check(first)

    def collate(batch: Batch) -> dict[str, torch.Tensor]:
        return {**encoder.collate(sequences, batch), "followed": leader.users(batch)}

    network = FollowingNetwork(encoder.network)
    schedule = "linear" if settings.schedule == "open_ended" else settings.schedule
    once = settings.model_copy(update={"schedule": schedule, "max_minutes": None})
    with tempfile.TemporaryDirectory() as temporary:
        folder = on_first(lambda: (work_dir or Path(temporary)) / "follow")
        folder.mkdir(parents=True, exist_ok=True)
        bar = Progress(f"following {start.run.name}", shown=progress and is_first())
        job = TrainingJob(Plan.of(first), collate, None, folder, bar)
        groups = encoder.network.parameter_groups(settings)
        train(network, job, settings=once, groups=groups, seed=model.recipe.seed)
    row = job.log[-1]
    return {"steps": row["step"], "loss": row["loss"], "seconds": sum(one["seconds"] for one in job.log)}


def model_of(start: Start) -> LLMRanker:
    """Return the model of the run."""
    assert isinstance(start.model, LLMRanker)
    return start.model


class _Leader:
    """The run's model over the same histories: its user vectors at every position of a batch."""

    def __init__(self, start: Start, histories: Histories) -> None:
        import torch

        self.run, self.model = start.run, model_of(start)
        self.sequences = self.model.sequences_of(histories)
        with torch.no_grad():
            self.vectors = self.model.encoder.network.items()

    def check(self, batches: list[Batch]) -> None:
        """Raise RecipeError where a window of these is longer than what the run reads."""
        encoder = self.model.encoder
        sizes = encoder.serializer.sizes(self.sequences)
        total = np.concatenate([[0], np.cumsum(sizes)])
        windows = np.concatenate([batch.windows for batch in batches])
        base = self.sequences.offsets[windows[:, 0]]
        longest = int((total[base + windows[:, 2]] - total[base + windows[:, 1]]).max(initial=0))
        if longest + encoder.serializer.overhead > encoder.max_tokens:
            raise RecipeError(
                f"train.follow_steps: windows of history.max_items events take up to {longest:,} positions in "
                f"{self.run}, which reads {encoder.max_tokens:,}; lower history.max_items, or set "
                "train.follow_steps=0"
            )

    def users(self, batch: Batch) -> torch.Tensor:
        """Return unit user vectors, [n, items + 1, dim]."""
        import torch

        encoder = self.model.encoder
        network, device = encoder.network, self.vectors.device
        tensors = {name: value.to(device) for name, value in encoder.collate(self.sequences, batch).items()}
        with torch.no_grad():
            written = tensors["tokens"], tensors["placeholders"]
            # A run that learned titles writes the last target, too, which may be cut; nobody asks what follows it.
            states = tensors["states"].clamp(max=written[0].shape[1] - 1)
            hidden = network.hidden(*written, self.vectors, tensors.get("bins"), states=states)
            rows = torch.arange(len(hidden), device=device)[:, None]
            return network.users(hidden[rows, states])
