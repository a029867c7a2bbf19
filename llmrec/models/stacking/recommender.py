"""Networks and counting rules in one recommender: what each adds is learned on validation answers."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.config import Recipe
from llmrec.data import Dataset, Fold, Histories, Sequences, Split
from llmrec.data.catalog_changes import CatalogChange
from llmrec.errors import DataError, RecipeError
from llmrec.models.base import Recommender
from llmrec.models.composite import summed_costs
from llmrec.models.continuation import Continues
from llmrec.models.fit_network import sample_of
from llmrec.models.ranker import Seeded
from llmrec.models.ranking import finite
from llmrec.models.stacking.conditional_logit import Choices, ConditionalLogit, mean_ndcg
from llmrec.models.stacking.features import (
    N_CONTEXTS,
    choices_of,
    contexts_of,
    feature_of,
    prior_weights,
    rows_at_once,
)
from llmrec.models.stacking.members import fit_members, load_members, member_recipes, members_before, save_members
from llmrec.models.stacking.sizes import Sizes
from llmrec.models.tensors import floats, integers, read_tensors, require, write_tensors
from llmrec.runtime import measured

log = logging.getLogger(__name__)

# Scores of histories by a member, [n, n_items].
MemberScores = Callable[[Recommender, Histories], Float32s]
UNWEIGHED = "its networks weigh alike and its rules nothing, or its rules alike where there is no network"


@dataclass(frozen=True, eq=False)
class _WithHistories(Sequences):
    """Sequences with the histories that they encode: members read these as each does."""

    histories: Histories = field(kw_only=True)


class StackedRecommender(Continues, Recommender):
    """Scores by the weighted logits of its members: trained networks, and rules that remember exactly.

    A member's weight depends on the query: how long the history is, how common its last item, and for a rule how
    much it knows of the history's items. The weights maximize the likelihood of the validation answers, which no
    member was trained on, so that a rule which memorized the training data gains nothing by it (stacking, Wolpert
    1992; conditional logit, McFadden 1974). Without a validation fold the networks weigh alike, the rules nothing.

    >>> from llmrec import Split
    >>> from llmrec.data import toy_films
    >>> from llmrec.models import MarkovRecommender, PopularityRecommender
    >>> split = Split.leave_last_out(toy_films())
    >>> members = [MarkovRecommender().fit(split.train), PopularityRecommender().fit(split.train)]
    >>> model = StackedRecommender.of(members, split)
    >>> model.recommend([["3", "4"]], 1)["item_id"].to_list()
    ['5']
    """

    kind = "stacked"
    sections = ("stack",)
    members: list[Recommender]
    logit: ConditionalLogit
    _counts: Int64s  # training events of each item

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raise RecipeError for a recipe without members."""
        super().check_recipe(recipe)
        if not recipe.stack.members:
            raise RecipeError(f"{recipe.name}: stack.members names no recipe to stack")

    @classmethod
    def from_recipe(cls, recipe: Recipe, *, load: Any) -> Self:
        """Make an unfitted model. Raises RecipeError for a member that cannot be made."""
        model = cls(recipe)
        member_recipes(recipe.stack.members, seed=recipe.seed)
        return model

    @classmethod
    def of(cls, members: Sequence[Recommender], split: Split, *, name: str = "stacked") -> Self:
        """Stack models that were fitted on the training part of a split, by the answers of its validation fold.

        Of a stacked one its members are taken. Raises DataError for models that were fitted on other events, and
        for none.
        """
        members = [part for one in members for part in (one.members if isinstance(one, cls) else [one])]
        if not all(isinstance(member, Recommender) and member.is_fitted for member in members) or not members:
            raise DataError("a stack needs fitted recommenders, at least one")
        if {member.metadata["data"]["fingerprint"] for member in members} != {split.train.fingerprint}:
            raise DataError(
                f"a stack needs models fitted on the training part of {split.name}; these were not all"
            )
        if any(member.catalog.ids != split.train.catalog.ids for member in members):
            raise DataError("a stack needs models of one catalog; some of these have taken in items")
        first, written = members[0], [member.recipe.name for member in members]
        model = cls(Recipe.of({"name": name, "model": cls.kind, "stack": {"members": written}}))
        model.catalog, model.histories, model.exclude_seen = first.catalog, first.histories, first.exclude_seen
        model.metadata = {key: first.metadata[key] for key in ("seed", "data", "positive", "exclude_seen")}
        model.metadata["split"] = {"name": split.name, "hash": split.hash}
        model._stack(members, split.train, split.valid)
        return model

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        before = members_before(self.continuation)
        # Sizes that follow the log must not follow its growth: weights would not fit.
        recipes = [one.model.recipe for one in before] or self.member_recipes_of(data)
        members = fit_members(
            recipes, data, valid=valid, work_dir=work_dir, progress=progress, continuations=before
        )
        self._stack(members, data, valid)

    def member_recipes_of(self, data: Dataset) -> list[Recipe]:
        """Return the members' recipes, with the sizes that a training set says where they follow the log."""
        stack, seed = self.recipe.stack, self.recipe.seed
        recipes = member_recipes(stack.members, seed=seed)
        if stack.sizes == "by_log" and any(recipe.train.model_fields_set for recipe in recipes):
            sizes = Sizes.of(data)
            log.info("%s: %s", self.recipe.name, sizes)
            recipes = member_recipes(stack.members, seed=seed, sizes=sizes)
        return recipes

    def _stack(self, members: list[Recommender], data: Dataset, valid: Fold | None) -> None:
        """Take members over that were fitted on ``data``, and weigh them."""
        self.members = members
        positive = Sequences.encode(data.histories, self.catalog).positives()
        self._counts = np.bincount(positive.codes, minlength=len(self.catalog))
        with measured() as spent:
            self._weigh(valid)
        weighing = {"train_seconds": spent.seconds, "peak_memory_gib": spent.peak_memory_gib}
        costs = [member.metadata.get("cost", {}) for member in members]
        self.metadata["cost"] = summed_costs([*costs, weighing])
        base = next((member.metadata["base"] for member in members if "base" in member.metadata), None)
        if base is not None:
            self.metadata["base"] = base

    def _weigh(self, valid: Fold | None) -> None:
        """Fit the weights; write what each member and the stack reach in validation to the metadata."""
        prior = prior_weights(self.members)
        nothing = np.ones((1, len(self.members), N_CONTEXTS), dtype=np.float32)
        self.logit = ConditionalLogit.prior(prior, nothing)
        names = [member.recipe.name for member in self.members]
        self.metadata["stack"] = {"members": names}
        if valid is None or not len(valid.histories):
            log.warning("%s: without validation answers %s", self.recipe.name, UNWEIGHED)
            return
        seed = self.recipe.seed
        fold = sample_of(valid, self.recipe.stack.valid_users, seed=seed)
        choices = choices_of(self.members, fold, self._counts, exclude_seen=self.exclude_seen, seed=seed)
        if not len(choices):
            log.warning("%s: no validation answer can be ranked: %s", self.recipe.name, UNWEIGHED)
            return
        start = ConditionalLogit.prior(prior, choices.contexts)
        self.logit, held_out = start.tuned(choices, seed=seed)
        self._report(choices, held_out)

    def _report(self, choices: Choices, held_out: Float32s) -> None:
        """Write each member's mean weight and validation NDCG@10, and the stack's, to log and metadata."""
        weights = [round(float(mean), 4) for mean in self.logit.multipliers(choices.contexts).mean(axis=0)]
        out_of = np.isneginf(choices.log_weight)
        members = [np.where(out_of, -np.inf, one) for one in choices.features.swapaxes(0, 1)]
        alone = [round(mean_ndcg(one, choices.targets), 6) for one in members]
        stacked = round(mean_ndcg(held_out, choices.targets), 6)
        names = self.metadata["stack"]["members"]
        listed = ", ".join(f"{name} {w:.2f} ({n:.3f})" for name, w, n in zip(names, weights, alone, strict=True))
        log.info(
            "%s: weights, and NDCG@10 alone on %d validation users: %s; stacked, cross-validated: %.3f",
            *(self.recipe.name, len(choices), listed, stacked),
        )
        reached = {"members": alone, "stacked, cross-validated": stacked}
        self.metadata["stack"] |= {"weights": weights, "valid_ndcg@10": reached}

    def sequences_of(self, histories: Histories) -> Sequences:
        """Return histories as the model reads them, with themselves."""
        encoded = Sequences.encode(histories, self.catalog)
        return _WithHistories(encoded.codes, encoded.offsets, positive=encoded.positive, histories=histories)

    def _score(self, sequences: Sequences) -> Float32s:
        assert isinstance(sequences, _WithHistories)
        return self._scored(sequences.histories, lambda member, part: member.score(part))

    def score_variants(self, histories: Histories) -> Float32s:
        """See ``Ranker.score_variants``: every member scores so."""
        if not len(histories):
            return self.score(histories)
        return finite(self._scored(histories, lambda member, part: member.score_variants(part)))

    def _scored(self, histories: Histories, by: MemberScores) -> Float32s:
        step = rows_at_once(len(self.members), len(self.catalog))
        parts = [self._score_part(histories[start : start + step], by) for start in range(0, len(histories), step)]
        return np.concatenate(parts)

    def _score_part(self, histories: Histories, by: MemberScores) -> Float32s:
        sequences = Sequences.encode(histories, self.catalog)
        total = np.zeros((len(histories), len(self.catalog)), dtype=np.float32)
        scores = [by(member, histories) for member in self.members]
        weights = self.logit.multipliers(contexts_of(self.members, scores, sequences, self._counts))
        for n, (member, one) in enumerate(zip(self.members, scores, strict=True)):
            total += weights[:, n, None] * feature_of(member, one)
        return total

    def check_change(self, change: CatalogChange) -> None:
        for member in self.members:
            member.check_change(change)

    def _take_change(self, change: CatalogChange) -> None:
        """Let every member make the change; nobody has met a new item."""
        self.members = [member._with_change(change) for member in self.members]
        self._counts = np.pad(self._counts, (0, change.n_added))

    def _forget(self, user_id: str) -> None:
        super()._forget(user_id)
        self.members = [copy.copy(member) for member in self.members]
        for member in self.members:
            member._forget(user_id)

    def prepare(self) -> Self:
        """Read what members read when it is first needed, and return self."""
        for member in self.members:
            member.prepare()
        return self

    def for_scores(self) -> Self:
        """See ``Ranker.for_scores``, of every member."""
        self.members = [member.for_scores() for member in self.members]
        return self

    def item_vectors(self) -> Float32s | None:
        """Return the item vectors of the first member that has some, float32 [n_items, dim]."""
        vectors = (member.item_vectors() for member in self.members)
        return next((one for one in vectors if one is not None), None)

    def _likeness(self, codes: Int64s) -> Float32s | None:
        """Return what the first member knows that weighs items by items."""
        likeness = (member._likeness(codes) for member in self.members)
        return next((one for one in likeness if one is not None), None)

    def _index_rows(self) -> None:
        """Index nothing: a stack scores by all its members, and those that have vectors index them."""

    @property
    def seeded(self) -> Seeded:
        """The settings of all members, and the stack's seed."""
        settings = [member.seeded.settings for member in self.members]
        return Seeded(self.recipe.name, "---\n".join(settings), self.recipe.seed)

    @property
    def narration_base(self) -> str | None:
        """The base LLM of the first member that has one."""
        return next((member.narration_base for member in self.members if member.narration_base), None)

    @property
    def dtype(self) -> str | None:
        """What the first LLM among the members computes in."""
        return next((member.dtype for member in self.members if member.dtype), None)

    def _extra_columns(self) -> list[str]:
        return sorted({column for member in self.members for column in member._extra_columns()})

    def _card_rows(self) -> list[tuple[str, str]]:
        stack = self.metadata["stack"]
        weights = stack.get("weights", ["-"] * len(self.members))
        return [
            (
                "Members, mean weights",
                ", ".join(f"{n} {w}" for n, w in zip(stack["members"], weights, strict=True)),
            )
        ]

    def _save(self, folder: Path) -> None:
        save_members(self.members, folder)
        logit = self.logit
        arrays = {part.name: getattr(logit, part.name) for part in fields(logit)}
        write_tensors(folder / "model.safetensors", {**arrays, "counts": self._counts})

    def _load(self, folder: Path) -> None:
        self.members = load_members(folder, base=self.base_paths or None, histories=self.with_histories)
        path, shape = folder / "model.safetensors", (len(self.members), N_CONTEXTS)
        numbers = floats(*shape, dtype="float64")
        expected = {part.name: numbers for part in fields(ConditionalLogit)}
        tensors = read_tensors(path, {**expected, "counts": integers(len(self.catalog))})
        names = self.metadata.get("stack", {}).get("members", [])
        require(len(names) == len(self.members), path, "its manifest does not name its members")
        same = all(member.catalog.ids == self.catalog.ids for member in self.members)
        require(same, path, "a member ranks other items")
        require(bool((tensors["counts"] >= 0).all()), path, "a count is negative")
        require(bool((tensors["scale"] > 0).all()), path, "a scale is not positive")
        self.logit = ConditionalLogit(**{name: tensors[name] for name in expected})
        self._counts = tensors["counts"]
