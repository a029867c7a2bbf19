"""Lines of Python dictionaries: read as data, never run, refused where they are too large, deep or no data."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrec.data import Dataset
from llmrec.data.readers import json_lines
from llmrec.data.readers.json_lines import read_json_lines
from llmrec.errors import DataError

EVENTS = [
    {"username": "jo", "product_id": "10", "date": "2015-01-02", "text": 'it\'s "ok"\n', "early": False},
    {"username": "al", "product_id": "20", "date": "2015-01-03", "text": None, "tags": ("a", "b"), "hours": -1.5},
]


def test_dictionaries_are_read_as_their_objects(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="llmrec")
    path = tmp_path / "reviews.json"
    path.write_text("\n".join(["", *map(repr, EVENTS), "", "{u'username': u'é', u'product_id': u'10'}", ""]))
    rows = read_json_lines(path).to_dicts()
    assert rows[0]["text"] == 'it\'s "ok"\n'
    assert (rows[1]["tags"], rows[1]["hours"], rows[1]["text"]) == ("a, b", "-1.5", None)
    assert rows[2]["username"] == "é"
    assert "Python dictionaries" in caplog.text
    assert Dataset.from_files(path, columns={"user_id": "username"}, drop_bad_times=True).events.height == 2


def test_titles_of_items_with_both_quotes(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id\nu,a\nu,b\n")
    items = [{"asin": "a", "title": 'A "lamp"'}, {"asin": "b", "title": "B's lamp"}]
    (tmp_path / "meta.json").write_text("".join(f"{item!r}\n" for item in items))
    data = Dataset.from_files(tmp_path / "log.csv", items=tmp_path / "meta.json")
    assert data.catalog.table["title"].to_list() == ['A "lamp"', "B's lamp"]


REFUSED = {
    "a call": "{'a': __import__('os').getcwd()}",
    "a set": "{'a': {1, 2}}",
    "bytes": "{'a': b'x'}",
    "infinite": "{'a': 1e999}",
    "a number as a name": "{1: 'a'}",
    "deep": "{'a': " + "[" * 150 + "]" * 150 + "}",
    "signs": "{'a': " + "-" * 5000 + "1}",
    "cut": "{'a': 'b",
    "long": "{'a': '" + "x" * (1 << 22) + "'}",
    "no dictionary": "['a']",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_data_is_refused_by_its_line(tmp_path: Path, case: str) -> None:
    path = tmp_path / "log.json"
    path.write_text("{'a': 'fine'}\n\n" + REFUSED[case] + "\n")
    with pytest.raises(DataError, match="line 3 is no Python dictionary") as caught:
        read_json_lines(path)
    assert len(str(caught.value)) < 400
    path.write_text(REFUSED[case] + "\n")
    with pytest.raises(DataError, match="line 1 is not"):
        read_json_lines(path)


def test_lines_are_numbered_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_BLOCK_BYTES", 64)
    path = tmp_path / "log.json"
    path.write_text("{'user_id': 'u', 'n': None}\n" * 30 + "{'user_id'}\n")
    with pytest.raises(DataError, match="line 31 is no Python dictionary"):
        read_json_lines(path)
