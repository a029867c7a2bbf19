"""Examples run in an empty folder, and what they register is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmrec import metrics
from llmrec.data.readers import read
from llmrec.data.responses import TASKS
from llmrec.data.splits import NAMED_SPLITS
from llmrec.models import registry


@pytest.fixture
def example_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The empty folder that an example runs in."""
    monkeypatch.chdir(tmp_path)
    registered: list[dict[Any, Any]] = [metrics._METRICS, read._READERS, TASKS, NAMED_SPLITS, registry._registered]
    before = [dict(table) for table in registered]
    yield tmp_path
    for table, known in zip(registered, before, strict=True):
        table.clear()
        table.update(known)
