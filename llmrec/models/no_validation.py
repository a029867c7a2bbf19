"""Training on all events: nothing is held out, so nothing says when to stop."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from llmrec import artifact
from llmrec.config import Recipe
from llmrec.data import Split
from llmrec.data.splits.named import NONE
from llmrec.errors import ArtifactError, DataError, RecipeError
from llmrec.models.fit_network import read_log
from llmrec.models.registry import complete_recipe

log = logging.getLogger(__name__)


def complete_for(recipe: Recipe, split: Split) -> Recipe:
    """Return a recipe with all fields set, and say how long it trains on a split without validation.

    Raises RecipeError as ``complete_recipe`` does, and for a stack, which needs validation.
    """
    complete = complete_recipe(recipe)
    if split.name != NONE:
        return complete
    if complete.model == "stacked":
        raise RecipeError(
            f"{recipe.name} weighs its members on validation answers, and the split none holds none out: fit it "
            "with another split (its run knows all histories), or fit one of its members"
        )
    if complete.train.model_fields_set:
        epochs = complete.train.epochs
        log.info("%s: nothing is held out: all %d epochs (train.epochs) are trained", recipe.name, epochs)
    return complete


def require_epochs(recipe: Recipe, split: str) -> None:
    """Raise DataError where a recipe trains until validation no longer improves and nobody says how long."""
    settings = complete_recipe(recipe).train
    if split == NONE and settings.model_fields_set and settings.schedule == "open_ended":
        raise DataError(
            f"{recipe.name} trains until validation no longer improves, and --split none leaves nothing to "
            "validate on: say how long by --epochs N, or --epochs RUN for as many as were best in a run of it"
        )


def with_epochs(recipe: Recipe, epochs: str, *, goes_on: bool = False) -> Recipe:
    """Return a recipe that trains so many epochs: a number, or a run whose best epoch says it.

    Raises DataError for neither, and for a run that went on from another unless this training ``goes_on``, too:
    from new weights its few epochs are too few. RecipeError for a model that is not trained in epochs,
    ArtifactError for a run that was not validated.
    """
    if not complete_recipe(recipe).train.model_fields_set:
        raise RecipeError(f"{recipe.name} is not trained in epochs, and reads no train.epochs: leave out --epochs")
    if epochs.isdecimal() and int(epochs) > 0:
        return recipe.with_values({"train.epochs": int(epochs)})
    run = Path(epochs)
    if not run.is_dir():
        raise DataError(f"--epochs {epochs}: that is neither a number of epochs nor a run")
    best = _best_row(run)
    if best is not None and not goes_on and _went_on(run):
        raise DataError(
            f"--epochs {epochs}: that run went on from another, by few epochs, which are too few for new weights; "
            "name a run that did not, or a number of epochs"
        )
    if best is None:
        raise ArtifactError(f"--epochs {epochs}: that run was not validated; name another, or a number of epochs")
    log.info("%s: as many epochs as were best in %s: %d", recipe.name, run, best["epoch"])
    return recipe.with_values({"train.epochs": best["epoch"]})


def _went_on(run: Path) -> bool:
    return (run / artifact.MANIFEST).is_file() and "continued" in artifact.read(run, verify=False).metadata


def _best_row(run: Path) -> dict[str, Any] | None:
    """Return the row of a run's log whose weights it has; None where nothing was validated."""
    rows = [row for row in read_log(run) if "valid_ndcg@10" in row]
    if not rows:
        return None
    from llmrec.training.checkpoints import NEXT_ITEM, best_row

    metric: tuple[str, ...] = NEXT_ITEM
    if "valid_responses" in rows[-1]:
        from llmrec.models.responses.recommender import EARLY_STOPPING_METRICS

        metric = EARLY_STOPPING_METRICS[Recipe.load(run / "recipe.yaml").responses.early_stopping_metric]
    return best_row(rows, metric)
