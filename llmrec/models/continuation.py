"""Go on from a finished run: what it has learned already, and its weights in a network for a grown catalog."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import polars as pl

from llmrec.arrays import Arrays, Int64s
from llmrec.config import Recipe
from llmrec.data import Catalog, Dataset, Split
from llmrec.data.cleaning.positives import settled_otherwise
from llmrec.data.columns import ITEM, USER
from llmrec.data.histories import offsets_of
from llmrec.data.splits.parts import TEST, VALID
from llmrec.errors import ArtifactError, DataError, RecipeError
from llmrec.models.base import Recommender
from llmrec.models.learned_events import LearnedEvents
from llmrec.models.registry import load
from llmrec.models.responses.fields import EventFields
from llmrec.models.run_files import BasePaths, read_items
from llmrec.retrieval.index_files import run_fingerprint
from llmrec.training.plan import Learned

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

ANEW = "fit anew, without --continue"
# What a recipe may change when it goes on from a run: how it is trained, not what is trained. Which of the further
# members a stack has, the run says.
_OF_STACKS = {"stack.sizes", "stack.max_minutes", "stack.valid_users", "stack.unordered_members"}
MAY_DIFFER = {"name", "seed", "train", *_OF_STACKS}
# The parameters of networks that have a row for each item; what an embedding has besides is copied, too.
PER_ITEM = {"bias", "items.weight", "ids.weight", "items.ids.weight", "repeat_bias.of_item.weight"}


@dataclass(frozen=True, eq=False)
class Continuation:
    """A finished run, its model, and the events of each user that it was trained on.

    ``catalog``: the items as they were written with the weights, whatever became of them since.
    """

    recorded_as: ClassVar[str] = "continued"
    run: Path
    fingerprint: str
    model: Recommender
    learned_events: LearnedEvents
    catalog: Catalog

    @classmethod
    def of(cls, run: str | Path, *, base: BasePaths | None = None) -> Self:
        """Read a finished run. Raises ArtifactError as ``load`` does."""
        folder = Path(run)
        model = load(folder, base=base)
        learned = LearnedEvents.of(folder, model.histories)
        return cls(folder, run_fingerprint(folder), model, learned, read_items(folder))

    def member(self, run: Path, model: Recommender) -> Continuation:
        """Return the same for a member of the run, which is a run in it."""
        return Continuation(run, run_fingerprint(run), model, self.learned_events, read_items(run))

    @property
    def steps(self) -> int:
        """How many steps the run's weights are of, with those of the run that it went on from."""
        from llmrec.training.checkpoints import best_row

        log, before = self.model.train_log, self.model.metadata.get("continued", {})
        return (int(best_row(log)["step"]) if log else 0) + int(before.get("steps", 0))

    @property
    def epochs(self) -> int:
        """For how many epochs the run was trained, or the first one, from which it went on; 0: in none."""
        log, before = self.model.train_log, self.model.metadata.get("continued", {})
        return int(before.get("epochs", 0)) or (int(log[-1]["epoch"]) if log else 0)

    def begin(self, model: Recommender, split: Split) -> Split:
        """Let an unfitted model go on from this run, where it has weights that can; return its split.

        Nobody is validated on an answer that these weights have learned. Raises RecipeError unless its recipe
        makes the network that the run has, and DataError for another log, one without anything new, and where a
        test answer was learned.
        """
        self._check(model.recipe)
        otherwise = settled_otherwise(split.data.positive, self.model.metadata.get("positive", {}))
        if otherwise:
            log.warning(
                "%s and %s do not agree on what a right answer is: %s; to keep the run's rule, say it with "
                "--positive to llmrec data prepare",
                *(split.data.name, self.run, otherwise),
            )
        if isinstance(model, Continues):
            model.continuation = self
        else:
            log.info("%s: %s models count all events anew", model.recipe.name, model.kind)
        members = getattr(self.model, "members", [self.model])
        return self._without_learned(split) if any(isinstance(one, Continues) for one in members) else split

    def recorded(self) -> dict[str, Any]:
        """Return what the manifest of a run that goes on from this one says of it."""
        learned = self.learned_events.histories.events.height
        steps = {"steps": self.steps, "epochs": self.epochs} if self.steps else {}  # a stack's are its members'
        return {"run": self.run.name, "fingerprint": self.fingerprint, "events": learned} | steps

    def _check(self, recipe: Recipe) -> None:
        mine, its = _values(recipe), _values(self.model.recipe)
        for name in ["model", *sorted(mine.keys() | its.keys())]:
            if mine.get(name) != its.get(name):
                raise RecipeError(
                    f"{recipe.name} cannot go on from {self.run}: {name} is {mine.get(name)!r} here and "
                    f"{its.get(name)!r} there; continue by its own recipe, {self.run / 'recipe.yaml'}, or {ANEW}"
                )

    def learned(self, data: Dataset) -> dict[str, int]:
        """Return how many of the first events of each user of ``data`` the run was trained on.

        Nothing of a user whose events are others than they were.
        """
        return self.learned_events.first_of(data.histories).n_events

    def _without_learned(self, split: Split) -> Split:
        """Return the split without people of whom the run has learned a validation answer; it is logged.

        So is who has other events than the run was trained on. Raises DataError where that are most people, where
        the run has learned a test answer, and where there is nothing that it has not.
        """
        name, marked = split.data.name, self.learned_events.marked(split)
        first = self.learned_events.first_of(split.train.histories)
        if first.changed > first.unchanged or not first.unchanged:
            raise DataError(
                f"{name} does not hold the events that {self.run} was trained on ({first.unchanged:,} people have "
                f"theirs, {first.changed:,} have others): give all events, the old ones and the new; llmrec data "
                "prepare reads a folder that holds both logs"
            )
        self._check_unseen(marked)
        if not split.train.events.height > sum(first.n_events.values()):
            raise DataError(
                f"{name} holds no event that {self.run} was not trained on; there is nothing to continue with"
            )
        if first.changed:
            log.warning(
                "%s: %d people have other events than %s was trained on: theirs are learned anew",
                *(name, first.changed, self.run),
            )
        n_validated = marked.learned_answers(VALID)[USER].n_unique()
        if n_validated:
            log.warning(
                "%s: %s was trained on validation answers of %d people, who are not validated on; %d others are",
                *(name, self.run, n_validated, len(marked.valid.histories)),
            )
        return marked

    def _check_unseen(self, split: Split) -> None:
        seen = split.learned_answers(TEST)
        if len(seen):
            raise DataError(
                f"{self.run} was trained on {len(seen):,} of the test answers of {split.name} of "
                f"'{split.data.name}', e.g. '{seen[ITEM][0]}' of user '{seen[USER][0]}': it may have seen the "
                f"answers; {self._remedy(split, seen[USER])}{ANEW}"
            )

    def _remedy(self, split: Split, users: pl.Series) -> str:
        """Say what to do about users of whom a test answer was learned, besides fitting anew."""
        its = self.model.metadata.get("split", {}).get("name")
        if its not in (None, split.name):
            return f"hold out what it held out, with --split {its}, or "
        learned, known = (
            dict(zip(one.user_ids, one.lengths().tolist(), strict=True))
            for one in (self.learned_events.histories, self.model.histories)
        )
        if its is None or any(learned.get(user) != known.get(user) for user in users):
            return ""
        return (
            f"{users.n_unique():,} people had too few events to hold one out, and the events that came since are "
            "older: leave these out (--drop-where of llmrec data prepare), hold nothing out (--split none), or "
        )

    def stay_removed(self, data: Dataset) -> list[str]:
        """Return the items of ``data`` that were removed from the run and have no new events; it is logged.

        A log holds the old events of a removed item: that it is there does not say that it is back.
        """
        catalog = self.model.catalog
        if catalog.removed is None:
            return []
        removed = catalog.table.filter(catalog.removed)[ITEM]
        removed = removed.filter(pl.Series(data.catalog.codes(removed) >= 0))
        before, now = (_n_events_of(removed, events) for events in (self.model.histories.events, data.events))
        back = removed.filter(now > before).to_list()
        if back:
            log.warning(
                "%s: %d removed items of %s have new events and are back, e.g. '%s'; to remove them again: llmrec "
                "catalog remove RUN FILE",
                *(data.name, len(back), self.run, back[0]),
            )
        stay = removed.filter(now <= before).to_list()
        if stay:
            log.warning(
                "%s: %d removed items of %s stay removed, e.g. '%s'; to take them back: llmrec catalog add RUN "
                "FILE",
                *(data.name, len(stay), self.run, stay[0]),
            )
        return stay

    def rows(self, catalog: Catalog) -> tuple[Int64s, Int64s]:
        """Return the rows of a new catalog that the run's catalog has, too, and their rows there."""
        there = self.catalog.codes(catalog.ids).astype(np.int64)
        here = np.flatnonzero(there >= 0)
        return here, there[here]


class Continues:
    """A recommender whose training can go on from a finished run: ``continuation``, set before ``fit``."""

    continuation: Continuation | None = None

    def _learned(self, data: Dataset, catalog: Catalog, *, replay: float | None) -> Learned | None:
        """Return which targets among the known items of ``data`` an earlier training had; None without one."""
        if self.continuation is None:
            return None
        histories, of_user = data.histories, self.continuation.learned(data)
        n_events = np.array([of_user[user] for user in histories.user_ids], dtype=np.int64)
        known = offsets_of(catalog.codes(histories.events[ITEM]) >= 0)
        starts = histories.offsets[:-1]
        return Learned(known[starts + n_events] - known[starts], replay)


def fields_of(continuation: Continuation | None) -> EventFields | None:
    """Return the event fields of the model that training goes on from, None without one that reads events."""
    return None if continuation is None else getattr(continuation.model, "fields", None)


def steps_before(model: Recommender) -> int:
    """Return how many steps the weights are of that a model's training begins at, 0 where it begins anew."""
    return model.continuation.steps if isinstance(model, Continues) and model.continuation else 0


def take_over(
    parameters: dict[str, torch.nn.Parameter],
    trained: dict[str, Arrays],
    rows: tuple[Int64s, Int64s],
    n_items: int,
    *,
    share: float = 1.0,
) -> None:
    """Copy trained values into a network's parameters; those of items by ``rows``, here and there.

    Less than their whole ``share``: the rest is of what the parameters were.

    ``n_items`` is how many items the trained ones have; a table's further rows, as that of the start of a history,
    are copied, too. Rows of new items stay as they are. Raises ArtifactError where a shape differs.
    """
    import torch

    here, there = (torch.from_numpy(part) for part in rows)
    for name, array in trained.items():
        if name not in parameters:
            raise ArtifactError(f"the run has '{name}', the recipe that goes on from it makes none; {ANEW}")
        into = parameters[name].data
        values = torch.from_numpy(array).to(into)
        if name in PER_ITEM and len(values) >= n_items:
            here, extra = here.to(into.device), len(values) - n_items
            into[here] = torch.lerp(into[here], values[there.to(into.device)], share)
            into[len(into) - extra :] = torch.lerp(into[len(into) - extra :], values[n_items:], share)
        elif into.shape == values.shape:
            into.lerp_(values, share)
        else:
            raise ArtifactError(
                f"'{name}' is {list(values.shape)} in the run and {list(into.shape)} in the network that goes on "
                f"from it; {ANEW}"
            )


def _values(recipe: Recipe) -> dict[str, object]:
    """Return the fields that say what is trained, by their names with those of their sections."""
    flat: dict[str, object] = {}
    for section, value in recipe.model_dump().items():
        flat |= (
            {f"{section}.{name}": one for name, one in value.items()}
            if isinstance(value, dict)
            else {section: value}
        )
    return {name: value for name, value in flat.items() if not {name, name.split(".")[0]} & MAY_DIFFER}


def _n_events_of(items: pl.Series, events: pl.DataFrame) -> pl.Series:
    """Count the events of each of some items."""
    counts = events.select(pl.col(ITEM).cast(pl.String)).group_by(ITEM).len()
    return items.to_frame().join(counts, on=ITEM, how="left", maintain_order="left")["len"].fill_null(0)
