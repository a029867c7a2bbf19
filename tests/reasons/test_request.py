"""What a prompt may say of the evidence."""

from __future__ import annotations

from llmrec.reasons import Cited, Evidence, Item, NarrationRequest
from llmrec.reasons.request import prompt_values


def test_prompt_values_are_the_strongest_distinct_titles_and_what_they_share() -> None:
    item = Item("1", "Sting, The", {"genres": ["Crime", "Drama"]})
    cited = (
        Cited("2", "A", {"genres": ["Drama"]}, 3.0),
        Cited("3", "A", {"genres": ["War"]}, 2.0),
        Cited("4", "B", {"genres": ["Drama"]}, 1.6),
        Cited("5", "C", {}, 1.5),
        Cited("6", "D", {"genres": ["Drama"]}, 1.4),
    )
    assert prompt_values(NarrationRequest(Evidence("u", item, cited)), named=2) == {
        "item": '"The Sting"',
        "chosen": '"A" and "B"',
        "count": 2,
        "shared": "Drama",
        "rival": "",
        "people": "",
        "tone": "plain",
    }
    assert prompt_values(NarrationRequest(Evidence("u", item, cited), "zh"))["chosen"] == "《A》、《B》、《C》"
    assert prompt_values(NarrationRequest(Evidence("u", item, cited)))["shared"] == ""
