"""An exported encoder gives the run's scores by numpy and onnxruntime alone."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import llmrec
from llmrec import Recipe, Split
from llmrec.cli.app import run
from llmrec.data import toy_films
from llmrec.errors import ArtifactError, DataError, MissingExtra, ModelError
from llmrec.models import Recommender, from_recipe
from llmrec.models.onnx import export
from llmrec.models.onnx.encoder import encoder_of
from llmrec.models.onnx.export import export_onnx
from llmrec.models.runs import change_items

# Once PyTorch's exporter is imported, a small training in the same process takes a quarter more CPU time (a full
# garbage collection visits more objects), and the default tests train by the hundred.
exports = pytest.mark.slow

TOY = toy_films(n_items=12, n_users=30)
SMALL = {"sequence": {"dim": 16, "layers": 2, "max_items": 6}, "train": {"epochs": 1}}
# What the README of an export runs, with the scores of several histories at once after it.
SEVERAL = """
import json, sys
for name in ("torch", "llmrec", "transformers", "onnx"):
    sys.modules[name] = None
{readme}
several = encoder.run(None, {{"items": np.array({rows}, dtype=np.int64)}})[0]
print(json.dumps((several @ items[:, :-1].T + items[:, -1]).tolist()))
"""


@pytest.fixture(autouse=True)
def _has_onnx() -> None:
    if any(find_spec(name) is None for name in export.PACKAGES):
        pytest.skip("needs pip install 'llmrec[onnx]'")


def fitted(kind: str, path: Path, **values: Any) -> Path:
    from_recipe(Recipe.of({"model": kind, **SMALL, **values})).fit(TOY).save(path)
    return path


def run_readme(
    folder: Path, rows: list[list[int]], history: list[str] | None = None
) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Run the code of an export's README without llmrec and torch: its printed ids, and scores of histories.

    ``history``: instead of that of the README.
    """
    text = (folder / "README.md").read_text(encoding="utf-8")
    if history is not None:
        text = text.replace(str(np.load(folder / "ids.npy")[:3].tolist()), str(history))
    code = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    script = SEVERAL.format(readme=code, rows=rows)
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *printed, scores = done.stdout.splitlines()
    return [line.split()[0] for line in printed], np.array(json.loads(scores))


def padded_rows(model: Recommender, lists: list[list[str]], most: int) -> list[list[int]]:
    codes = [[model.catalog.code(item) for item in one][-most:] for one in lists]
    longest = max(map(len, codes))
    return [one + [-1] * (longest - len(one)) for one in codes]


def same_by_its_readme(folder: Path, model: Recommender, most: int) -> None:
    ids = model.catalog.ids
    printed, _ = run_readme(folder, [[0]])
    assert printed[:5] == model.recommend([ids[:3]], k=5, exclude_seen=True)["item_id"].to_list()
    lists = [list(ids[:9]), ["4"], [], ["7", "7", "2"]]
    _, scores = run_readme(folder, padded_rows(model, lists, most))
    np.testing.assert_allclose(scores, model.score(llmrec.Histories.of(lists)), atol=1e-4)


@exports
def test_a_gru_ranks_as_its_run_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fitted("gru", tmp_path / "gru")
    assert run(["export", str(folder), "--to", "onnx", "--out", str(tmp_path / "out")]) == 0
    assert "its README.md says how they are used" in capsys.readouterr().out
    same_by_its_readme(tmp_path / "out", llmrec.load(folder), 6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gru", "out"]


@exports
def test_an_llm_over_item_vectors_ranks_as_its_run_does(
    tmp_path: Path, tiny_recipe: Callable[..., Recipe]
) -> None:
    recipe = tiny_recipe("soft", "train.epochs=1")
    llmrec.fit(recipe, TOY, Split.leave_last_out(TOY), tmp_path / "llm", progress=False)
    export_onnx(tmp_path / "llm", tmp_path / "out")
    same_by_its_readme(tmp_path / "out", llmrec.load(tmp_path / "llm"), 8)
    export_onnx(tmp_path / "llm", tmp_path / "small", int8=True)
    written = [(tmp_path / name / "encoder.onnx").read_bytes() for name in ("out", "small")]
    assert [b"DynamicQuantizeLinear" in one for one in written] == [False, True]
    assert "in 8 bits (of a user's ten best items " in (tmp_path / "small/README.md").read_text(encoding="utf-8")
    files = {"README.md", "encoder.onnx", "ids.npy", "items.npy"}
    assert {path.name for path in (tmp_path / "small").iterdir()} == files


@exports
def test_weights_beside_the_network_are_8_bits_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "BESIDE_FROM", 0)
    folder = fitted("sasrec", tmp_path / "sasrec", sequence={"dim": 64, "layers": 1, "max_items": 6})
    for name, int8 in (("out", False), ("small", True)):
        export_onnx(folder, tmp_path / name, int8=int8)
        assert sorted(path.name for path in (tmp_path / name).glob("e*")) == ["encoder.onnx", "encoder.onnx.data"]
    exact, small = ((tmp_path / name / "encoder.onnx.data").stat().st_size for name in ("out", "small"))
    assert small < exact / 2
    run_readme(tmp_path / "small", [[0]])


def test_others_are_heard_meanwhile(caplog: pytest.LogCaptureFixture) -> None:
    with export._quiet():
        logging.warning("onnxruntime's own")
        logging.getLogger("torch.onnx").warning("PyTorch's own")
        logging.getLogger("llmrec.serve").warning("a request")
        logging.error("an error")
    logging.warning("afterwards")
    assert caplog.messages == ["a request", "an error", "afterwards"]


@exports
@pytest.mark.parametrize("kind", ["lstm", "sasrec", "esasrec", "bert4rec"])
def test_networks_over_items(kind: str, tmp_path: Path) -> None:
    folder = fitted(kind, tmp_path / kind)
    export_onnx(folder, tmp_path / "out")
    same_by_its_readme(tmp_path / "out", llmrec.load(folder), 6)


@exports
def test_removed_items_are_not_recommended(tmp_path: Path) -> None:
    folder = fitted("gru", tmp_path / "gru")
    model = llmrec.load(folder)
    best = model.recommend([["1", "2", "3"]], k=1)["item_id"][0]
    change_items(folder, "remove", pl.DataFrame({"item_id": [best]}))
    export_onnx(folder, tmp_path / "out")
    printed, scores = run_readme(tmp_path / "out", [[0]])
    assert best not in printed[:5]
    assert np.isneginf(scores[0, model.catalog.code(best)])
    assert np.isfinite(scores[0]).sum() == 11


@exports
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_items_before_the_window_come_again_only_if_the_run_says_so(exclude_seen: bool, tmp_path: Path) -> None:
    model = from_recipe(Recipe.of({"model": "gru", **SMALL})).fit(TOY)
    model.exclude_seen = model.metadata["exclude_seen"] = exclude_seen
    model.save(tmp_path / "gru")
    export_onnx(tmp_path / "gru", tmp_path / "out")
    for history in (list(model.catalog.ids[:9]), ["3", "no such item", "3"], []):
        printed, _ = run_readme(tmp_path / "out", [[0]], history)
        assert printed == model.recommend([history], k=10)["item_id"].to_list()


@exports
@pytest.mark.parametrize("wrong_by", [1e-3, np.nan])
def test_a_network_that_scores_otherwise_is_not_written(
    wrong_by: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fitted("gru", tmp_path / "gru")

    def wrong(model: Any, run: Path) -> Any:
        encoder = encoder_of(model, run)
        return replace(encoder, biases=encoder.biases + np.eye(12, dtype=np.float32)[0] * np.float32(wrong_by))

    monkeypatch.setattr(export, "encoder_of", wrong)
    with pytest.raises(ModelError, match=rf"scores are not the run's \(apart by up to {wrong_by}\)"):
        export_onnx(folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["gru"]


def test_what_has_no_such_form(
    tmp_path: Path, tiny_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    from_recipe(Recipe.of({"model": "popularity"})).fit(TOY).save(tmp_path / "popularity")
    fitted("gru", tmp_path / "gru", history={"repeat_bias": True})
    for kind, message in [
        ("popularity", "holds a popularity model; only histories of networks over items"),
        ("gru", "what repeats say"),
    ]:
        with pytest.raises(DataError, match=message):
            export_onnx(tmp_path / kind, tmp_path / "out")
    recipe = tiny_recipe("text", "train.epochs=1")
    llmrec.fit(recipe, TOY, Split.leave_last_out(TOY), tmp_path / "text", progress=False)
    with pytest.raises(DataError, match="reads histories as text; only those of item vectors"):
        export_onnx(tmp_path / "text", tmp_path / "out")
    model = llmrec.load(tmp_path / "text")
    model.recipe = model.recipe.with_values({"history.encoding": "soft", "backbone.quantize": "4bit"})
    with pytest.raises(DataError, match="has a 4-bit base, into which no adapter is merged"):
        encoder_of(model, tmp_path / "text")
    with pytest.raises(ArtifactError, match="exists already"):
        export_onnx(tmp_path / "gru", tmp_path)
    monkeypatch.setattr(export, "PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(MissingExtra, match=r"needs no_such_package: pip install 'llmrec\[onnx\]'"):
        export_onnx(tmp_path / "gru", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_options_of_other_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fitted("gru", tmp_path / "gru")
    assert run(["export", str(folder), "--items", "--int8", "--out", str(tmp_path / "out")]) == 2
    assert "--int8 is of onnx: add --to onnx" in capsys.readouterr().err
    assert run(["export", str(folder), "--to", "onnx"]) == 2
    assert "say where to write: --out DIR" in capsys.readouterr().err
