"""A model declares the fields of a recipe that it reads, all of them and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from support.golden_cases import recipe_from, shop_events
from support.next_film import NextFilm
from support.recipe_reads import FIELDS, declared, recorded

from llmrec import Recipe, Split
from llmrec.data import Dataset
from llmrec.errors import RecipeError
from llmrec.models import Recommender, from_recipe
from llmrec.models.registry import SHIPPED, class_of

# With these values one fit reads all that a kind can read. The last epoch is not asked whether to stop after it.
_TRAINED = {"train.epochs": 2}
_WITH_TASKS = {**_TRAINED, "tasks": ["purchase", "rating"]}
EVERYTHING: dict[str, dict[str, Any]] = {
    "llm": {
        **_WITH_TASKS,
        "history.encoding": "text",
        "history.local_blocks": 1,
        "history.events": ["behavior"],
        "head.item_encoder": "finetuned",
    },
    "stacked": {"stack.members": ["popularity"]},
    **dict.fromkeys(("gru-events", "lstm-events", "gru-text-events"), _WITH_TASKS),
    **dict.fromkeys(("gru", "lstm", "sasrec", "esasrec", "bert4rec", "gru-text", "lstm-text"), _TRAINED),
}


def class_for(kind: str) -> type[Recommender]:
    model = class_of(kind)
    assert model is not None
    return model


def fields_read(model: Recommender) -> set[str]:
    """The fields that a model reads while it is fitted and recommends."""
    split = Split.leave_last_out(shop_events())
    with recorded() as read:
        model.fit(split.train, valid=split.valid).recommend(split.test.histories[:3])
    return read


@pytest.mark.parametrize("kind", SHIPPED)
def test_a_model_reads_what_it_declares_and_nothing_else(kind: str, tiny_base: Path) -> None:
    recipe = recipe_from(kind, {"model": kind, **EVERYTHING.get(kind, {})}, tiny_base)
    assert fields_read(from_recipe(recipe)) == declared(class_for(kind).sections)


class Overstated(NextFilm):
    """Declares a field that it does not read."""

    sections = ("counting.order",)


class Understated(NextFilm):
    """Reads fields that it does not declare."""

    sections: ClassVar[tuple[str, ...]] = ()

    def _fit(self, data: Dataset, **_: object) -> None:
        assert self.recipe.counting.order == 1
        assert not self.recipe.tasks
        super()._fit(data)


def test_a_false_declaration_is_noticed() -> None:
    assert fields_read(Overstated()) == set() != declared(Overstated.sections)
    assert fields_read(Understated()) == {"counting.order", "tasks"} != declared(Understated.sections)


@pytest.mark.parametrize("kind", SHIPPED)
def test_what_a_model_does_not_declare_is_refused_by_name(kind: str) -> None:
    read = declared(class_for(kind).sections)
    sections = {field.partition(".")[0] for field in read}
    unread = [field for field in FIELDS if field not in read]
    for path in unread:
        section, _, field = path.partition(".")
        default = getattr(Recipe(), section)
        value = {field: getattr(default, field)} if field else default
        refused = f"field {path}; of {section} it reads" if section in sections else f"section {section}; it reads"
        with pytest.raises(RecipeError) as error:
            from_recipe(Recipe.of({"model": kind, section: value}))
        assert str(error.value).startswith(f"{kind} reads no {refused} ")
        listed = {name for name in read if name.startswith(f"{section}.")} if section in sections else sections
        words = str(error.value).removesuffix(": leave it out").partition(" it reads ")[2].split(", ")
        assert set(words) == ({name.partition(".")[2] or name for name in listed} or {"none"})
    assert len(unread) == len(FIELDS) - len(read)
