"""Prompts from YAML, item texts of one line each, and a token budget."""

from llmrec.prompting.budget import newest_that_fit, newest_that_fit_each
from llmrec.prompting.item_text import item_texts, one_line, plain_row
from llmrec.prompting.prompt import Language, Part, Prompt, names

__all__ = [
    "Language",
    "Part",
    "Prompt",
    "item_texts",
    "names",
    "newest_that_fit",
    "newest_that_fit_each",
    "one_line",
    "plain_row",
]
