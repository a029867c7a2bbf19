"""Networks and counting rules in one recommender: what each adds is learned on validation answers."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.config import Recipe
from llmrec.data import Dataset, Fold, Histories, Sequences, Split
from llmrec.data.catalog_changes import CatalogChange
from llmrec.errors import DataError, RecipeError
from llmrec.models.base import Recommender
from llmrec.models.composite import summed_costs, without_removed
from llmrec.models.continuation import Continues
from llmrec.models.fit_network import sample_of
from llmrec.models.ranker import Seeded
from llmrec.models.ranking import finite
from llmrec.models.stacking.conditional_logit import ConditionalLogit
from llmrec.models.stacking.features import (
    N_CONTEXTS,
    choices_of,
    item_counts,
    knots_of,
    prior_weights,
    rows_at_once,
)
from llmrec.models.stacking.files import read_weights, write_weights
from llmrec.models.stacking.forecast import announce
from llmrec.models.stacking.members import (
    fit_members,
    going_on,
    load_members,
    member_recipes,
    save_members,
    sized_recipes,
)
from llmrec.models.stacking.remarks import remarks
from llmrec.models.stacking.scoring import MemberScores, stacked_scores
from llmrec.models.stacking.stack import Stack
from llmrec.models.stacking.weighing import weigh
from llmrec.retrieval.filters import EVERY_ITEM, ItemRules
from llmrec.runtime import measured

if TYPE_CHECKING:
    from llmrec.models.stacking.session import StackSession

log = logging.getLogger(__name__)

# Arrays of all items for each history that are held at once, whatever the number of members.
SCORES_OF_A_PART = 3
UNWEIGHED = "its networks weigh alike and its rules nothing, or its rules alike where there is no network"


@dataclass(frozen=True, eq=False)
class _WithHistories(Sequences):
    """Sequences with the histories that they encode: members read these as each does."""

    histories: Histories = field(kw_only=True)


class StackedRecommender(Continues, Stack):
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
    _counts: Int64s  # training events of each item

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raise RecipeError for a recipe without members."""
        super().check_recipe(recipe)
        if not recipe.stack.members:
            raise RecipeError(f"{recipe.name}: stack.members names no recipe to stack")

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Self:
        """Make an unfitted model. Raises RecipeError for a member that cannot be made."""
        model = cls(recipe)
        member_recipes(recipe.stack.every_member, seed=recipe.seed)
        return model

    @classmethod
    def of(cls, members: Sequence[Recommender], split: Split, *, name: str = "stacked") -> Self:
        """Stack models that were fitted on the training part of a split, by the answers of its validation fold.

        Of a stacked one its members are taken, and all stay. Raises DataError for models that were fitted on other
        events, and for none.
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
        model.catalog = without_removed([member.catalog for member in members])
        model.histories, model.exclude_seen = first.histories, first.exclude_seen
        model.metadata = {key: first.metadata[key] for key in ("seed", "data", "positive", "exclude_seen")}
        model.metadata["split"] = {"name": split.name, "hash": split.hash}
        model._stack(members, split.train, split.valid, fall_back=False)
        return model

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        run = self.continuation
        recipes, runs = going_on(run, self.recipe) if run else (sized_recipes(self.recipe, data), [])
        if progress:
            announce(self.recipe.name, recipes, data, valid=valid, work_dir=work_dir, continuations=runs)
        members = fit_members(recipes, data, valid=valid, work_dir=work_dir, progress=progress, continuations=runs)
        self._stack(members, data, valid, fall_back=True)

    def __repr__(self) -> str:
        if not self.is_fitted or not self.members:
            return super().__repr__()
        left_out = self.metadata.get("stack", {}).get("left_out", [])
        without = f", without {', '.join(left_out)}" if left_out else ""
        return f"{super().__repr__()[:-1]}, of {', '.join(one.recipe.name for one in self.members)}{without})"

    def _stack(self, members: list[Recommender], data: Dataset, valid: Fold | None, *, fall_back: bool) -> None:
        """Take members over that were fitted on ``data``, and weigh them."""
        self.members = members
        self._counts = item_counts(data.histories, self.catalog)
        with measured() as spent:
            self._weigh(valid, fall_back=fall_back)
        weighing = {"train_seconds": spent.seconds, "peak_memory_gib": spent.peak_memory_gib}
        costs = [member.metadata.get("cost", {}) for member in members]
        self.metadata["cost"] = summed_costs([*costs, weighing])
        base = next((member.metadata["base"] for member in self.members if "base" in member.metadata), None)
        if base is not None:
            self.metadata["base"] = base

    def _weigh(self, valid: Fold | None, *, fall_back: bool) -> None:
        """Fit the weights, or keep the best member alone; write what each reaches to log and metadata."""
        prior = prior_weights(self.members)
        nothing = np.ones((1, len(self.members), N_CONTEXTS), dtype=np.float32)
        self.logit = ConditionalLogit.prior(prior, nothing, knots_of(self.members))
        self.metadata["stack"] = {"members": [member.recipe.name for member in self.members]}
        if valid is None or not len(valid.histories):
            log.warning("%s: without validation answers %s", self.recipe.name, UNWEIGHED)
            return
        seed = self.recipe.seed
        fold = sample_of(valid, self.recipe.stack.valid_users, seed=seed)
        choices = choices_of(self.members, fold, self._counts, exclude_seen=self.exclude_seen, seed=seed)
        if not len(choices):
            log.warning("%s: no validation answer can be ranked: %s", self.recipe.name, UNWEIGHED)
            return
        weighing = weigh(self.members, choices, fall_back=fall_back, seed=seed)
        for line in (*weighing.lines(), *remarks(self.members, weighing.members)):
            log.info("%s: %s", self.recipe.name, line)
        if weighing.best is not None:
            self.members = [self.members[weighing.best]]
        self.logit = weighing.logit
        self.metadata["stack"] = weighing.metadata()

    def sequences_of(self, histories: Histories) -> Sequences:
        """Return histories as the model reads them, with themselves."""
        encoded = Sequences.encode(histories, self.catalog)
        return _WithHistories(encoded.codes, encoded.offsets, positive=encoded.positive, histories=histories)

    def _score(self, sequences: Sequences) -> Float32s:
        assert isinstance(sequences, _WithHistories)
        return self.scored_by(sequences.histories, lambda member, part: member.score(part))

    def score_variants(self, histories: Histories) -> Float32s:
        """See ``Ranker.score_variants``: every member scores so."""
        if not len(histories):
            return self.score(histories)
        return finite(self.scored_by(histories, lambda member, part: member.score_variants(part)))

    def scored_by(self, histories: Histories, by: MemberScores) -> Float32s:
        """See ``Stack.scored_by``."""
        parts = [
            stacked_scores(self.members, self.logit, part, self._counts, by=by) for part in self._parts(histories)
        ]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def session(self, history: Sequence[str | Mapping[str, object]] = (), *, forget: float = 0.0) -> StackSession:
        """Open a user's live session, after item ids or events; see ``StackSession``, also for what is raised."""
        from llmrec.models.stacking.session import StackSession

        session = StackSession(self, forget=forget)
        session.extend(history)
        return session

    def _parts(self, histories: Histories) -> list[Histories]:
        step = rows_at_once(SCORES_OF_A_PART, len(self.catalog))
        return [histories[start : start + step] for start in range(0, max(len(histories), 1), step)]

    def _ranked(
        self, histories: Histories, k: int, *, exclude_seen: bool, rules: ItemRules = EVERY_ITEM
    ) -> tuple[Int64s, Float32s]:
        ranked = super()._ranked  # scores of a part are no longer held when the next one is scored
        parts = [ranked(part, k, exclude_seen=exclude_seen, rules=rules) for part in self._parts(histories)]
        codes, scores = zip(*parts, strict=True)
        return np.concatenate(codes), np.concatenate(scores)

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

    def prompt_example(self, histories: Histories) -> dict[str, Any] | None:
        """Show how a history is written for the first LLM among the members; None where there is none."""
        examples = (member.prompt_example(histories) for member in self.members)
        return next((one for one in examples if one is not None), None)

    def _extra_columns(self) -> list[str]:
        return sorted({column for member in self.members for column in member._extra_columns()})

    def _card_rows(self) -> list[tuple[str, str]]:
        stack = self.metadata["stack"]
        weights = stack.get("weights", ["-"] * len(self.members))
        members = ", ".join(f"{n} {w}" for n, w in zip(stack["members"], weights, strict=True))
        left_out = [("Left out, not better together", ", ".join(stack["left_out"]))] if "left_out" in stack else []
        return [("Members, mean weights at the top", members), *left_out]

    def _save(self, folder: Path) -> None:
        save_members(self.members, folder)
        write_weights(folder, self.logit, self._counts)

    def _load(self, folder: Path) -> None:
        self.members = load_members(folder, base=self.base_paths or None, histories=self.with_histories)
        names = self.metadata.get("stack", {}).get("members", [])
        self.logit, self._counts = read_weights(folder, self.members, self.catalog, names=names)
