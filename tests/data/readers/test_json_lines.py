"""JSON lines: a name that only late objects have is a column like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrec.data.readers import json_lines
from llmrec.data.readers.json_lines import read_json_lines

FIRST = '{"user_id": "u", "item_id": "i"}\n'
LATE = {
    "plain": '{"user_id": "v", "item_id": "i", "price": 3}\n',
    "blank before the colon": '{"user_id": "v", "item_id": "i", "price" : 3}\n',
    "tab before the colon": '{"user_id":"v","item_id":"i","price"\t:3}\n',
    "escaped": '{"user_id": "v", "item_id": "i", "pr\\u0069ce": 3}\n',
    "after text with quotes": '{"user_id": "say \\"price\\": 4", "item_id": "i", "price": 3}\n',
    "of another type": '{"user_id": "v", "item_id": "i", "price": 3}\n{"price": {"a": 1}, "user_id": "w"}\n',
}


@pytest.mark.parametrize("name", LATE)
def test_a_late_name_is_not_lost(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_SAMPLED_LINES", 5)
    path = tmp_path / "log.jsonl"
    path.write_text(FIRST * 20 + LATE[name] + FIRST, encoding="utf-8")
    table = read_json_lines(path)
    assert table["price"][20] == "3"
    assert table["price"].null_count() == table.height - 1 - (name == "of another type")


def test_nothing_more_is_read_where_counting_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_SAMPLED_LINES", 5)
    monkeypatch.delattr(json_lines, "_all_names")
    path = tmp_path / "log.jsonl"
    path.write_text(FIRST * 20, encoding="utf-8")
    assert read_json_lines(path).height == 20
