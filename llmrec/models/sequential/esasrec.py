"""eSASRec: SASRec in LiGR blocks, which may also read the times of a history's events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llmrec.arrays import Int64s
from llmrec.data import Dataset, Fold, Histories, Sequences
from llmrec.data.columns import TIME
from llmrec.errors import DataError
from llmrec.models.sequential.event_seconds import seconds_of
from llmrec.models.sequential.sasrec import SASRecRecommender, attention_shape
from llmrec.training.batching import Batch, inputs_of, padded

if TYPE_CHECKING:
    import torch

    from llmrec.models.sequential.ligr import LiGRNetwork


class ESASRecRecommender(SASRecRecommender):
    """Causal self-attention in LiGR blocks (eSASRec, Tikhonovich et al. 2025), with exact cross-entropy.

    With ``sequence.time_bias`` attention also weighs the gaps between the events of a history, see ``GapBias``.
    The time of the request is not read: in offline evaluation it is the answer's. Raises DataError then for a log
    without times.
    """

    kind = "esasrec"
    sections = (*SASRecRecommender.sections, "sequence.time_bias")

    def sequences_of(self, histories: Histories) -> Sequences:
        """Return items and, with ``sequence.time_bias``, each event's second as its event code."""
        seconds = seconds_of(histories) if self.recipe.sequence.time_bias else None
        return Sequences.encode(histories, self.catalog, event_codes=seconds)

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        if self.recipe.sequence.time_bias and data.order_only:
            raise DataError(
                f"{data.name} only has an order, no times, which sequence.time_bias reads: set it to false"
            )
        super()._fit(data, valid=valid, work_dir=work_dir, progress=progress)

    def _network(self) -> LiGRNetwork:
        from llmrec.models.sequential.ligr import LiGRNetwork

        sequence = self.recipe.sequence
        return LiGRNetwork(len(self.catalog), time_bias=sequence.time_bias, **attention_shape(sequence))

    def _collate(self, sequences: Sequences, batch: Batch) -> dict[str, torch.Tensor]:
        import torch

        tensors = super()._collate(sequences, batch)
        if sequences.event_codes is not None:
            seconds = inputs_of(sequences.event_codes, sequences, batch.windows, tensors["inputs"].shape[1])
            tensors["seconds"] = torch.from_numpy(seconds)
        return tensors

    def _more_inputs(self, sequences: Sequences, rows: Int64s, device: torch.device) -> dict[str, torch.Tensor]:
        import torch

        if sequences.event_codes is None:
            return {}
        seconds = padded(Sequences(sequences.event_codes, sequences.offsets), rows)
        return {"seconds": torch.from_numpy(seconds).to(device)}

    def _extra_columns(self) -> list[str]:
        timed = self.recipe.sequence.time_bias and TIME in self.histories.events.columns
        return [TIME] if timed else []
