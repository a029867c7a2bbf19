"""The LLM recommender: one pass over a serialized history trains every position at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from llmrec.config import Recipe
from llmrec.data import Dataset, Fold, Histories, Sequences
from llmrec.errors import DataError
from llmrec.llm.bases import absolute_name
from llmrec.llm.recorded_base import recorded_base
from llmrec.models.continuation import Continues, fields_of
from llmrec.models.fit_network import fit_network, read_log, training_sequences, write_log
from llmrec.models.llm.files import write_llm
from llmrec.models.llm.prepare import untrained_state
from llmrec.models.llm.ranker import LLMRanker
from llmrec.models.llm.recipe import check_llm_recipe
from llmrec.models.llm.started import follow, take_head
from llmrec.models.llm.state import LLMState
from llmrec.models.llm.unread import UnreadState
from llmrec.models.llm.whole import whole_state
from llmrec.models.responses.fields import EventFields
from llmrec.models.responses.files import read_fields
from llmrec.models.responses.labels import batch_labels
from llmrec.models.start import StartsFromRun, check_follow
from llmrec.training.batching import Batch
from llmrec.training.fsdp import divides_blocks
from llmrec.training.plan import Plan, plan

if TYPE_CHECKING:
    from llmrec.models.llm.session import UserSession


log = logging.getLogger(__name__)


class LLMRecommender(Continues, StartsFromRun, LLMRanker):
    """A LoRA-tuned causal LLM that scores every catalog item after every history.

    ``s(u, i) = tau * cos(W u, v_i) + b_i``, trained by exact softmax over the catalog at every item boundary;
    ``v_i`` joins the LLM's own encoding of the item's text and a learned residual.

    >>> from llmrec import Recipe
    >>> LLMRecommender(Recipe.load("quickstart", set={"train.epochs": 1}))
    LLMRecommender(not fitted)
    """

    kind = "llm"
    sections = ("backbone", "lora", "history", "head", "tasks", "responses", "train")

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raise RecipeError for values that do not go together."""
        super().check_recipe(recipe)
        check_llm_recipe(recipe)

    @classmethod
    def with_absolute_paths(cls, recipe: Recipe) -> Recipe:
        """Return the recipe with an absolute path where its base is a folder or file of this machine."""
        name = absolute_name(recipe.backbone.base)
        return recipe if name == recipe.backbone.base else recipe.with_values({"backbone.base": name})

    @property
    def narration_base(self) -> str:
        """The base model that words reasons: without the adapter and at full depth."""
        if not self.is_fitted:
            return self.recipe.backbone.base
        base = self._unread.base if self._unread is not None else self.state.base
        return base.name if base.revision is None else base.location

    def generate(
        self,
        histories: Histories,
        k: int = 10,
        *,
        beams: int | None = 20,
        exclude_seen: bool | None = None,
        candidates: Mapping[str, list[str]] | None = None,
    ) -> pl.DataFrame:
        """Recommend the items whose titles the LLM would write next; the table and the rest as ``recommend``.

        See ``GenerativeRanking``, which judges and fuses this ranking. Raises ModelError for a model that was
        not trained to write titles.
        """
        from llmrec.models.llm.generative import GenerativeRanking

        ranking = GenerativeRanking(self, beams=beams)
        return ranking.recommend(histories, k, exclude_seen=exclude_seen, candidates=candidates)

    def session(self, history: Sequence[str | Mapping[str, object]] = (), *, forget: float = 0.0) -> UserSession:
        """Open a user's live session, after the item ids or events of ``history``; see ``UserSession``.

        Raises DataError for an item that is not in the catalog, and for a model that ranks by more than relevance.
        """
        from llmrec.models.llm.session import UserSession

        if not self.is_fitted:
            raise DataError(f"this {self.kind} model has not been fitted; call fit or llmrec.load first")
        self._require_whole("opens no session")
        rank_by = self.recipe.responses.rank_by
        if rank_by != "relevance":
            raise DataError(
                f"{self.recipe.name} ranks by responses.rank_by={rank_by}, and a session by relevance alone: it "
                "would answer otherwise than recommend; call recommend with the whole history"
            )
        session = UserSession(self, forget=forget)
        session.extend(history)
        return session

    def set_cold_bias(self, quantile: float) -> None:
        """Give items never trained on another bias: that quantile, 0 to 1, of the known items' biases."""
        self.recipe = self.recipe.with_values({"head.cold_bias": quantile})
        self.encoder.network.cold_bias = quantile
        self._hold(self.state.refreshed())

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        from llmrec.llm.backbone import merge
        from llmrec.runtime import seed_everything

        if self.start is None and self.continuation is None:
            check_follow(self.recipe)
        seed_everything(self.recipe.seed)
        before = self.continuation
        fields = EventFields.fit(data, self.recipe, like=fields_of(before))
        self._hold(untrained_state(self.recipe, data, fields, work_dir=work_dir, continuation=before))
        if self.start is not None:
            take_head(self.start, self.state)
        self.metadata["base"] = self.state.base.recorded() | {"dtype": self.dtype}
        sequences, targets = training_sequences(self, data), self.fields.targets(data)
        settings, encoder = self.recipe.train, self.encoder
        encoder.check_room(for_training=True)  # all that training events say has been met by now
        batches = self._plan(data, sequences)

        def collate(batch: Batch) -> dict[str, Any]:
            tensors: dict[str, Any] = encoder.collate(sequences, batch)
            return tensors if targets is None else {**tensors, "labels": batch_labels(targets, sequences, batch)}

        if settings.follow_steps and self.start is not None:
            cost = follow(self.start, self, sequences, batches, work_dir=work_dir, progress=progress)
            self.metadata["started"] = {"followed": cost}
        fit_network(
            self,
            encoder.network,
            batches,
            collate,
            groups=encoder.network.parameter_groups(settings),
            valid=valid,
            work_dir=work_dir,
            progress=progress,
            validation_context=self._as_finished,
            responses=self._validation(valid),
        )
        if divides_blocks():
            self._hold(whole_state(self.recipe, self.state))
        # For good: the adapter's own weights stay, to be saved.
        merge(self.encoder.network.eval().model)
        self._hold(self.state.refreshed())

    def _plan(self, data: Dataset, sequences: Sequences) -> Plan:
        """Plan the batches of a training on ``data``, whose sequences these are."""
        settings, encoder = self.recipe.train, self.encoder
        return plan(
            sequences,
            costs=encoder.serializer.sizes(sequences),
            epochs=settings.epochs,
            max_items=encoder.max_items,
            max_tokens=encoder.max_tokens,
            batch_tokens=settings.batch_tokens,
            overhead=len(encoder.serializer.prefix),
            newest=encoder.serializer.newest_costs(sequences),
            ahead=settings.title_loss > 0,
            learned=self._learned(data, self.catalog, replay=settings.replay),
            seed=self.recipe.seed,
        )

    @contextmanager
    def _as_finished(self) -> Iterator[None]:
        """Score by the network's present weights with the adapter merged, as the finished model would."""
        from llmrec.llm.backbone import merged

        with merged(self.encoder.network.model):
            self._hold(self.state.refreshed())
            yield

    def _card_rows(self) -> list[tuple[str, str]]:
        recipe, base = self.recipe, self.metadata["base"]
        layers = recipe.backbone.layers
        depth = (
            f"its first {layers} blocks only: the adapter has no weights for the others"
            if layers
            else "all blocks"
        )
        return [
            ("Base model", f"{base['name']} ({base['identity']}), {depth}"),
            ("Adapter", f"LoRA r={recipe.lora.r}, alpha={recipe.lora.alpha}, targets {recipe.lora.targets}"),
            ("Histories", f"{recipe.history.encoding}, newest {recipe.history.max_items} items"),
        ]

    def _save(self, folder: Path) -> None:
        self._require_whole("cannot be saved")
        write_llm(self.state, folder)
        write_log(folder, self.train_log)

    def _load(self, folder: Path) -> None:
        base = recorded_base(self.metadata["base"], folder, given=self.base_paths)
        self.fields = read_fields(folder, self.recipe, n_items=len(self.catalog))
        self._unread = UnreadState.of(folder, self.recipe, self.catalog, base)
        self.train_log = read_log(folder)

    def _hold(self, state: LLMState) -> None:
        unread = self._unread
        super()._hold(state)
        trained = self.metadata.get("base", {}).get("dtype", self.dtype)
        if unread is not None and trained != self.dtype:
            run = unread.folder
            log.info("%s was trained in %s, here it computes in %s: scores differ", run, trained, self.dtype)
