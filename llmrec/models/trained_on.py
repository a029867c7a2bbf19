"""What a run was trained on, against a split: a model that may have seen the answers is refused."""

from __future__ import annotations

from collections.abc import Mapping

from llmrec.data import Dataset, Split
from llmrec.data.columns import ITEM
from llmrec.errors import DataError
from llmrec.models.base import Recommender


def check_trained_on(split: Split, run: str, model: Recommender) -> None:
    """Raise DataError where the model of ``run`` was trained on another split, or on other data."""
    recorded, this = model.metadata.get("split"), {"name": split.name, "hash": split.hash}
    # Without those who are forgotten a split has another hash; of another name it is another split.
    is_same_split = not recorded or recorded["name"] == split.name
    if model.metadata.get("forgotten") and is_same_split and _same_events(model, split.data):
        return
    if recorded and recorded["hash"] != split.hash:
        raise DataError(
            f"{run} was trained on the split {shown(recorded)}, which is not {shown(this)} of "
            f"'{split.data.name}': it may have seen the answers; name the data that it was fitted on, and leave "
            "out --split, or name the folder of its split"
        )
    if model.metadata["data"]["fingerprint"] != split.train.fingerprint:
        raise DataError(
            f"{run} was trained on other events than the training part of {split.name} of '{split.data.name}': it "
            "may have seen the answers; train it with: llmrec fit RECIPE --data DIR"
        )


def shown(split: Mapping[str, str]) -> str:
    """Name a split for a message."""
    return f"{split['name']} ({split['hash'][:12]})"


def _same_events(model: Recommender, data: Dataset) -> bool:
    """Whether data holds the items that a model knows of its users: of other data than it was trained on."""
    known, given = model.histories, data.histories
    return known.user_ids == given.user_ids and known.events[ITEM].equals(given.events[ITEM])
