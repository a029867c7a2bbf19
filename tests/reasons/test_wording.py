"""How titles are written inside a sentence."""

from __future__ import annotations

import pytest

from llmrec.reasons.wording import spoken


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Sting, The", "The Sting"),
        ("Fish Called Wanda, A", "A Fish Called Wanda"),
        ("Good, the Bad, The", "The Good, the Bad"),
        ("Me, Myself", "Me, Myself"),
        ("a\n b", "a b"),
        ("word " * 30, ("word " * 20).strip() + "…"),
        ("x" * 300, "x" * 50 + "…"),
    ],
)
def test_spoken_titles(title: str, said: str) -> None:
    assert spoken(title) == said
