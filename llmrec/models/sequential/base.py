"""A network over item ids, trained at all positions with exact cross-entropy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from llmrec.arrays import Float32s
from llmrec.data import Dataset, Fold, Sequences
from llmrec.models.arguments import HistoriesLike
from llmrec.models.base import Recommender
from llmrec.models.continuation import Continues, take_over
from llmrec.models.fit_network import Validation, fit_network, read_log, training_sequences, write_log
from llmrec.models.tensors import expected_state, read_tensors, write_tensors
from llmrec.training.batching import Batch, context_positions_of, inputs_and_targets, padded
from llmrec.training.fields import RECOMMENDER_FIELDS
from llmrec.training.plan import plan
from llmrec.training.shapes import shapes_only

if TYPE_CHECKING:
    import torch

    from llmrec.models.sequential.networks import SequenceNetwork

SCORED_AT_ONCE = 128


class SequentialRecommender(Continues, Recommender):
    """A network over item ids; a subclass builds it."""

    sections: ClassVar[tuple[str, ...]] = (
        "sequence.dim",
        "sequence.layers",
        "sequence.dropout",
        "sequence.max_items",
        "history.repeat_bias",
        *RECOMMENDER_FIELDS,
        "train.shrink",
    )
    scores_are_logits = True
    network: SequenceNetwork

    @abstractmethod
    def _network(self) -> SequenceNetwork:
        """Return the network that the recipe describes, untrained."""

    def _add_parts(self) -> None:
        """Add the optional parts that the recipe asks for to the network."""
        from torch import nn

        from llmrec.training.repeat_bias import RepeatBias

        dim = self.recipe.sequence.dim
        if self.recipe.history.repeat_bias:
            self.network.repeat_bias = RepeatBias(len(self.catalog), dim)
        if self.recipe.train.targets == "both":
            self.network.in_basket = nn.Linear(dim, dim)

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        from llmrec.runtime import seed_everything

        seed_everything(self.recipe.seed)
        self.network = self._network()
        self._add_parts()
        settings, most = self.recipe.train, self.recipe.sequence.max_items
        self._start_from_run(settings.shrink)
        sequences = training_sequences(self, data)
        collate = self._collator(data, sequences)
        batches = plan(
            sequences,
            epochs=settings.epochs,
            max_items=most,
            max_tokens=most + 1,
            batch_tokens=settings.batch_tokens,
            learned=self._learned(data, self.catalog, replay=settings.replay),
            seed=self.recipe.seed,
        )
        groups = [
            {
                "params": list(self.network.parameters()),
                "lr": settings.learning_rate,
                "weight_decay": settings.weight_decay,
            }
        ]
        fit_network(
            self,
            self.network,
            batches,
            collate,
            groups=groups,
            valid=valid,
            work_dir=work_dir,
            progress=progress,
            responses=self._validation(valid),
        )

    def _start_from_run(self, share: float) -> None:
        """Copy the weights of the run that training goes on from, if there is one; the rest of them stays new."""
        if self.continuation is None:
            return
        before = self.continuation.model
        assert isinstance(before, SequentialRecommender)
        trained = {name: value.detach().cpu().numpy() for name, value in before.network.named_parameters()}
        rows = self.continuation.rows(self.catalog)
        take_over(dict(self.network.named_parameters()), trained, rows, len(before.catalog), share=share)

    def _validation(self, valid: Fold | None) -> Validation | None:
        """Return how responses are validated; None for a network that predicts none."""
        return None

    def _collator(self, data: Dataset, sequences: Sequences) -> Callable[[Batch], dict[str, Any]]:
        """Return what makes the arguments of the network's forward of a batch."""
        return lambda batch: self._collate(sequences, batch)

    def _collate(self, sequences: Sequences, batch: Batch) -> dict[str, torch.Tensor]:
        """Return the tensors of the windows of a batch."""
        import torch

        inputs, targets = inputs_and_targets(sequences, batch.windows)
        tensors: dict[str, Any] = {"inputs": torch.from_numpy(inputs), "targets": torch.from_numpy(targets)}
        if sequences.n_visible is not None:
            tensors["context_positions"] = torch.from_numpy(
                context_positions_of(sequences.n_visible, sequences, batch.windows)
            )
        return {**tensors, "n_tokens": torch.tensor(int((inputs >= 0).sum()) + len(inputs))}

    def _score(self, sequences: Sequences) -> Float32s:
        import torch

        sequences = sequences.last(self.recipe.sequence.max_items)
        scores = np.empty((len(sequences), len(self.catalog)), dtype=np.float32)
        device = next(self.network.parameters()).device
        order = np.argsort(sequences.lengths(), kind="stable")
        with torch.inference_mode():
            for start in range(0, len(order), SCORED_AT_ONCE):
                rows = order[start : start + SCORED_AT_ONCE]
                inputs = torch.from_numpy(padded(sequences, rows)).to(device)
                n_read = torch.from_numpy(sequences.lengths()[rows]).to(device)
                each = torch.arange(len(rows), device=device)
                last = self.network.states(inputs)[each, n_read]
                scores[rows] = self.network.scores_after(last, inputs, each, n_read).float().cpu().numpy()
        return scores

    def item_vectors(self) -> Float32s:
        """Return the item embeddings, float32 [n_items, dim]."""
        vectors: Float32s = self.network.table()[:-1].detach().cpu().numpy()
        return vectors

    def embed_users(self, histories: HistoriesLike) -> Float32s:
        """Return the state after each history, float32 [n, dim]; what repeats add to scores is not in it."""
        return self._states(self._sequences_like(histories))

    def _index_rows(self) -> tuple[Float32s, Float32s]:
        biases: Float32s = self.network.bias.detach().cpu().numpy()
        return self.item_vectors(), biases

    def _states(self, sequences: Sequences) -> Float32s:
        """Return the state after each sequence, float32 [n, dim]."""
        import torch

        sequences = sequences.last(self.recipe.sequence.max_items)
        states = np.empty((len(sequences), self.network.out.out_features), dtype=np.float32)
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            for start in range(0, len(sequences), SCORED_AT_ONCE):
                rows = np.arange(start, min(start + SCORED_AT_ONCE, len(sequences)))
                read = self.network.states(torch.from_numpy(padded(sequences, rows)).to(device))
                states[rows] = read[np.arange(len(rows)), sequences.lengths()[rows]].cpu().numpy()
        return states

    def _save(self, folder: Path) -> None:
        state = self.network.state_dict()
        write_tensors(folder / "model.safetensors", {name: v.cpu().numpy() for name, v in state.items()})
        write_log(folder, self.train_log)

    def _load(self, folder: Path) -> None:
        import torch

        with shapes_only():  # the sizes in the recipe take no memory until the file proves to have them
            self.network = self._network()
            self._add_parts()
        tensors = read_tensors(folder / "model.safetensors", expected_state(self.network.state_dict()))
        self.network = self._network()
        self._add_parts()
        self.network.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
        self.network.eval()
        self.train_log = read_log(folder)
