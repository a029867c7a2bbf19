"""How large the networks of a stack are, and how they are trained, by the size of the log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec.config import Recipe
from llmrec.data import Dataset

# A window holds this share of the histories whole, within these bounds.
WINDOW_SHARE = 0.9
WINDOW = (20, 200)
# An epoch has about so many batches, of so many events within these bounds: with larger ones a network has too few
# steps in its minutes, see eval/LOG.md. What reads texts projects the catalog's for each batch, and an LLM's step
# costs most. Where softmax is sampled, above 50,000 items, a step costs nearly the same whatever its batch.
BATCHES_AN_EPOCH = 40
ID_BATCH, TEXT_BATCH, LLM_BATCH = (300, 600), (300, 1200), (300, 2400)
SAMPLED_BATCH = (300, 4800)
# Width of networks over item ids by training events: fewer events than the bound.
WIDTHS = ((30_000, 64), (3_000_000, 128))
WIDEST = 256
# What the minutes of a network grow to, a million events: a GRU learns so long on MovieLens 1M, see eval/LOG.md.
MINUTES_A_MILLION = 60


def id_batch(text_batch: int) -> int:
    """Return the events a batch of a network over ids where one over texts has so many."""
    return text_batch if text_batch > TEXT_BATCH[1] else min(text_batch, ID_BATCH[1])


@dataclass(frozen=True)
class Sizes:
    """What the log says of the sizes of networks. ``str`` says why.

    ``n_items``: of the catalog. ``most_minutes``: how far ``train.max_minutes`` of a network may grow with the
    log; None: it does not.
    """

    n_events: int
    window_needed: int
    n_items: int
    most_minutes: float | None = None

    @classmethod
    def of(cls, data: Dataset, *, most_minutes: float | None = None) -> Sizes:
        """Measure a training set."""
        lengths = data.histories.lengths()
        needed = int(np.ceil(np.quantile(lengths, WINDOW_SHARE))) if len(lengths) else 1
        return cls(data.events.height, needed, len(data.catalog), most_minutes)

    @property
    def window(self) -> int:
        """How many of the newest events are read."""
        return int(np.clip(self.window_needed, *WINDOW))

    @property
    def width(self) -> int:
        """Width of a network over item ids."""
        return next((width for below, width in WIDTHS if self.n_events < below), WIDEST)

    def batch(self, bounds: tuple[int, int]) -> int:
        """Events a batch, to the hundred."""
        return int(np.clip(round(self.n_events / BATCHES_AN_EPOCH, -2), *bounds))

    def network_batch(self, *, texts: bool) -> int:
        """Events a batch of a network over item ids, or over their ``texts``."""
        from llmrec.training.losses import EXACT_UP_TO

        if self.n_items > EXACT_UP_TO:
            return self.batch(SAMPLED_BATCH)
        return self.batch(TEXT_BATCH if texts else ID_BATCH)

    def changes(self, recipe: Recipe) -> list[str]:
        """Return the fields of a member's recipe that follow the log, as ``field=value``; rules have none."""
        if recipe.model == "llm":
            # Texts are counted in tokens, of which nothing is known here.
            soft = recipe.history.encoding == "soft"
            batch = f"train.batch_tokens={self.batch(LLM_BATCH)}"
            return [f"history.max_items={self.window}", batch] if soft else []
        if "sequence" not in recipe.model_fields_set:
            return []
        return [
            f"sequence.max_items={self.window}",
            f"sequence.dim={self.width}",
            f"train.batch_tokens={self.network_batch(texts='text' in recipe.model_fields_set)}",
        ]

    def longer(self, recipe: Recipe) -> list[str]:
        """Return the minutes of a network whose line bounds them, as ``field=value``, where the log wants more."""
        written = recipe.train.max_minutes
        if written is None or self.most_minutes is None:
            return []
        grown = min(float(round(self.n_events * MINUTES_A_MILLION / 1_000_000)), self.most_minutes)
        return [f"train.max_minutes={grown:g}"] if grown > written else []

    def __str__(self) -> str:
        ids, texts = (self.network_batch(texts=reads) for reads in (False, True))
        return (
            f"{self.n_events:,} training events, nine of ten histories of at most {self.window_needed} events: "
            f"windows of {self.window}, networks {self.width} wide, batches of {ids:,} events "
            f"({texts:,} where texts are read, {self.batch(LLM_BATCH):,} for an LLM)"
        )
