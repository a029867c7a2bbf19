"""What is added to an index, updated in it or removed from it, as its journal holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np

from llmrec.arrays import Float32s
from llmrec.errors import DataError
from llmrec.retrieval.inputs import finite, unique_ids

Action = Literal["add", "update", "remove"]
ACTIONS: dict[Any, Action] = {action: action for action in get_args(Action)}


@dataclass(frozen=True, eq=False)
class RowChange:
    """One change: an action on ids, each there once, and their rows [n, width]; none where they are removed."""

    action: Action
    ids: list[str]
    rows: Float32s | None = None

    def record(self) -> tuple[dict[str, Any], bytes]:
        """Return what a journal writes."""
        width = 0 if self.rows is None else self.rows.shape[1]
        content = b"" if self.rows is None else self.rows.astype("<f4").tobytes()
        return {"action": self.action, "ids": self.ids, "width": width}, content

    @classmethod
    def of_record(cls, record: Mapping[str, Any], content: bytes, noun: str) -> Self:
        """Read what ``record`` wrote. Raises DataError for anything else."""
        action, ids, width = (record.get(name) for name in ("action", "ids", "width"))
        if not isinstance(action, str) or action not in ACTIONS or not ids or not isinstance(ids, list):
            raise DataError("it is no change of an index")
        listed = unique_ids(ids, noun).to_list()
        if (
            type(width) is not int
            or len(content) != 4 * width * len(listed)
            or (action == "remove") != (width == 0)
        ):
            raise DataError(f"its {noun}s and their vectors do not fit together")
        if action == "remove":
            return cls(ACTIONS[action], listed)
        rows = np.frombuffer(content, dtype="<f4").reshape(len(listed), width)
        return cls(ACTIONS[action], listed, finite(rows, f"vectors of {noun}s"))
