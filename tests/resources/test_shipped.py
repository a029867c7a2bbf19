"""The data folders that ship with the package."""

from __future__ import annotations

import pytest

from llmrec.errors import EnvironmentFault
from llmrec.resources.shipped import folder


def test_a_folder_that_does_not_ship() -> None:
    assert folder("prompts").is_dir()
    with pytest.raises(EnvironmentFault, match="reinstall llmrec"):
        folder("no-such-folder")
