"""What the quickstart tunes: the recipe of its options, and the folder of its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrec.cli import quickstart
from llmrec.errors import ModelError


def test_another_base_and_encoding_have_their_run(tiny_base: Path, tmp_path: Path) -> None:
    recipe, folder = quickstart._of_llm(None, None, ["head.dim=8"])
    assert (recipe.backbone.base, recipe.head.dim, folder) == ("smollm2-135m", 8, "llm")
    link = tmp_path / "my base: 1"
    link.symlink_to(tiny_base)
    recipe, folder = quickstart._of_llm("text", str(link), None)
    assert (recipe.backbone.base, recipe.history.encoding) == (str(link), "text")
    assert folder == "llm-text-my-base--1"
    with pytest.raises(ModelError, match="there is no model folder"):
        quickstart._of_llm(None, str(tmp_path / "nowhere"), None)
