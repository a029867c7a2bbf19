"""The shipped protocols load, and mistakes in one are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrec.data.splits.named import NAMED_SPLITS
from llmrec.errors import RecipeError
from llmrec.evaluation import protocol
from llmrec.evaluation.protocol import EvaluationProtocol, names


def test_every_shipped_protocol_loads_and_is_called_as_its_file() -> None:
    assert "leave-last-out" in names()
    for name in names():
        assert EvaluationProtocol.load(name).name == name


def test_leave_last_out_is_full_ranking_at_ten() -> None:
    loaded = EvaluationProtocol.load("leave-last-out")
    assert (loaded.k, loaded.candidates, loaded.exclude_seen) == (10, "all", "auto")
    assert loaded.columns == ["ndcg@10", "recall@10", "mrr@10"]


def test_every_way_to_cut_has_a_protocol_called_as_it_is() -> None:
    for mode in (*NAMED_SPLITS, "rolling-2-of-3"):
        loaded = EvaluationProtocol.for_split(mode)
        assert loaded.applies_to(mode)
        assert not loaded.applies_to("by hand")
        assert loaded.candidates == ("new" if mode == "cold-items" else "all")
    assert EvaluationProtocol.load("candidates-20").applies_to("by hand")


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"no protocol 'leave-one'; there are .*leave-last-out"):
        EvaluationProtocol.load("leave-one")
    with pytest.raises(RecipeError, match="no protocol"):
        EvaluationProtocol.load("../protocols/leave-last-out")


@pytest.mark.parametrize(
    ("line", "message"),
    [("kk: 10", "kk: Extra inputs"), ("k: 0", "k: Input should be greater"), ("k: [", "is not YAML")],
)
def test_a_mistake_names_file_and_field(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.yaml").write_text(f"name: bad\nsplit: s\nquestion: q\n{line}\n", encoding="utf-8")
    monkeypatch.setattr(protocol, "folder", lambda name: tmp_path)
    with pytest.raises(RecipeError, match=rf"bad\.yaml:? {message}"):
        EvaluationProtocol.load("bad")
