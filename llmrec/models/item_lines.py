"""What a recipe's model reads of an item: which columns of the catalog, as what line, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl

from llmrec.config import Recipe
from llmrec.data import Catalog
from llmrec.data.columns import ITEM, TITLE
from llmrec.errors import PromptError
from llmrec.models.registry import complete_recipe
from llmrec.models.stacking.members import member_recipes
from llmrec.prompting import Language, Prompt, item_texts

# So many items say which columns a prompt writes.
SAMPLE = 100
# Of which items a prompt writes the lines, where a model has several prompts.
WHERE = {"history.item_prompt": "of an item in a history", "head.item_prompt": "of an item that it ranks"}


@dataclass(frozen=True)
class ItemLines:
    """The columns of the catalog that a prompt writes, those that it does not, and one item's line.

    ``field``: the recipe field that names the prompt. ``where``: of which items.
    """

    field: str
    prompt: str
    read: tuple[str, ...]
    unread: tuple[str, ...]
    example: str
    where: str = "of an item"

    def __str__(self) -> str:
        lines = f"{self.where} it reads " + (f"{', '.join(self.read)}: {self.example}" if self.read else "nothing")
        if not self.unread:
            return lines
        return f"{lines}\nnot read: {', '.join(self.unread)} ({self.field}={self.prompt} says what is)"


def item_lines(recipe: Recipe, catalog: Catalog) -> list[ItemLines]:
    """Return what a recipe's model, or a stack's members, read of items: nothing for those that read ids only.

    Raises PromptError for a prompt that is not there.
    """
    fields = {(name, language): field for field, name, language in _prompts(complete_recipe(recipe))}
    several = [_lines(field, name, language, catalog) for (name, language), field in fields.items()]
    return (
        several if len(several) < 2 else [replace(one, where=WHERE.get(one.field, one.where)) for one in several]
    )


def _prompts(recipe: Recipe) -> Iterator[tuple[str, str, Language]]:
    """Yield the field that names a prompt of items, the prompt and its language."""
    if recipe.model == "stacked":
        for member in member_recipes(recipe.stack.every_member, seed=recipe.seed):
            yield from _prompts(member)
    elif recipe.model == "llm":
        yield "history.item_prompt", recipe.history.item_prompt, recipe.history.language
        if recipe.head.item_prompt is not None:
            yield "head.item_prompt", recipe.head.item_prompt, recipe.history.language
    elif "text" in recipe.model_fields_set:
        yield "text.prompt", recipe.text.prompt, recipe.text.language


def _blank(table: pl.DataFrame, column: str) -> pl.Expr:
    """Return a column without its values, but that an item must have a title."""
    value = "?" if column == TITLE else None
    return pl.lit(value, dtype=table.schema[column]).alias(column)


def _lines(field: str, name: str, language: Language, catalog: Catalog) -> ItemLines:
    prompt, table = Prompt.load(name, language), catalog.table.head(SAMPLE)
    texts = item_texts(Catalog(table), prompt)

    def is_read(column: str) -> bool:
        try:
            return item_texts(Catalog(table.with_columns(_blank(table, column))), prompt) != texts
        except PromptError:  # the prompt does not go without it
            return True

    read = [column for column in table.columns if column != ITEM and is_read(column)]
    unread = [column for column in table.columns if column not in (ITEM, *read)]
    return ItemLines(field, name, tuple(read), tuple(unread), texts[0].rstrip("\n"))
