"""What an LLM recommender's recipe must not say at once."""

from __future__ import annotations

from llmrec.config import Recipe
from llmrec.errors import RecipeError
from llmrec.llm.encodings import encoding_of, title_encodings


def check_llm_recipe(recipe: Recipe) -> None:
    """Raise RecipeError for an unknown encoding, and for values that do not go together."""
    history, settings = recipe.history, recipe.train
    encoding = encoding_of(history)
    _check_local_blocks(recipe)
    if history.events and settings.title_loss:
        raise RecipeError("history.events and train.title_loss do not go together yet; set one of them to none")
    if not (settings.item_loss or settings.title_loss):
        raise RecipeError("train.item_loss and train.title_loss are both 0: nothing to learn")
    if settings.title_loss and not encoding.writes_titles:
        raise RecipeError(
            f"train.title_loss={settings.title_loss}, but history.encoding={history.encoding} writes no titles to "
            f"learn; choose {title_encodings()}, or set train.title_loss=0"
        )


def _check_local_blocks(recipe: Recipe) -> None:
    history, layers = recipe.history, recipe.backbone.layers
    if not history.local_blocks:
        if history.boundary_states != "last":
            raise RecipeError(
                f"history.boundary_states={history.boundary_states} needs history.local_blocks above 0"
            )
        return
    if history.encoding == "hybrid" and history.boundary_states == "mean":
        raise RecipeError(
            "history.boundary_states=mean is over the words, which leaves out the vector that ends a hybrid line; "
            "choose last or both, or history.encoding=text"
        )
    if recipe.train.title_loss:
        raise RecipeError(
            f"history.local_blocks={history.local_blocks}: a title's words see no other title, so none can be "
            "generated; set train.title_loss=0, or history.local_blocks=0"
        )
    if layers is not None and history.local_blocks >= layers:
        raise RecipeError(
            f"history.local_blocks={history.local_blocks} of backbone.layers={layers}: at least one block must "
            f"read the history; set at most {layers - 1}"
        )
