"""The members of a stacked model: their recipes, and fitting them so that an interrupted fit goes on."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path

from llmrec.artifact import MANIFEST
from llmrec.config import Recipe
from llmrec.data import Dataset, Fold
from llmrec.errors import DataError, RecipeError
from llmrec.models.base import BasePaths, Recommender
from llmrec.models.registry import complete_recipe, from_recipe, load
from llmrec.models.stacking.sizes import Sizes

log = logging.getLogger(__name__)


def member_recipes(members: list[str], *, seed: int, sizes: Sizes | None = None) -> list[Recipe]:
    """Load the recipe of each member, a name or file with changes after it: "item-knn counting.half_life=30".

    ``sizes`` replace what the recipe says, unless a change after its name says it. Raises RecipeError for one that
    is not there or not right, and for a stacked one.
    """
    recipes = []
    for written in members:
        name, *changes = shlex.split(written) or [""]
        recipe = complete_recipe(Recipe.load(name, set=[*changes, f"seed={seed}"]))
        if sizes is not None:
            recipe = complete_recipe(Recipe.load(name, set=[*sizes.changes(recipe), *changes, f"seed={seed}"]))
        if recipe.model == "stacked":
            raise RecipeError(f"stack.members: {written} is stacked itself; name its members")
        recipes.append(recipe)
    return recipes


def fit_members(
    recipes: list[Recipe], data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool
) -> list[Recommender]:
    """Fit every member; one that the data cannot feed is left out and said. Raises DataError where none is left.

    With ``work_dir`` a fitted member is kept there as a run, and loaded when the fit is repeated.
    """
    members, refusal = list[Recommender](), None
    for n, recipe in enumerate(recipes):
        try:
            members.append(_fitted(n, recipe, data, valid=valid, work_dir=work_dir, progress=progress))
        except DataError as error:
            refusal = error
            log.warning("%s is left out of the stack: %s", recipe.name, error)
    if not members and refusal is not None:
        raise refusal
    return members


def _fitted(
    n: int, recipe: Recipe, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool
) -> Recommender:
    model = from_recipe(recipe)
    if work_dir is None:
        return model.fit(data, valid=valid, progress=progress)
    run = work_dir / member_folder(n, model)
    if (run / MANIFEST).exists():
        return load(run)
    model.fit(data, valid=valid, work_dir=run.with_name(run.name + ".work"), progress=progress)
    model.save(run)
    return model


def member_folder(n: int, member: Recommender) -> str:
    """Return the name of a member's folder in a run."""
    return f"{n}-{member.kind}"


def load_members(folder: Path, *, base: BasePaths | None) -> list[Recommender]:
    """Load the members of a run in their order; only one that has a base model is given ``base``."""
    from llmrec import artifact

    runs = sorted(folder.iterdir(), key=lambda path: int(path.name.split("-", 1)[0]))
    with_base = [artifact.read(run, verify=False).metadata.get("base") is not None for run in runs]
    return [load(run, base=base if has_base else None) for run, has_base in zip(runs, with_base, strict=True)]
