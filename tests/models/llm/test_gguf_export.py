"""A merged model as GGUF, by a stand-in for llama.cpp's converter, and by that itself where LLAMA_CPP names it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import llmrec
from llmrec import Recipe, Split
from llmrec.cli.app import run
from llmrec.data import toy_films
from llmrec.errors import DataError, EnvironmentFault, ModelError
from llmrec.models.baselines.markov import MarkovRecommender
from llmrec.models.llm.export import export_run
from llmrec.models.llm.gguf_converter import convert_to_gguf, find_converter

TOY = toy_films(n_items=12, n_users=30)
STAND_IN = Path(__file__).parents[2] / "support" / "stand_in_converter.py"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, tiny_recipe: Callable[..., Recipe]) -> Path:
    """An LLM run, cut to one layer."""
    path = tmp_path_factory.mktemp("gguf") / "llm"
    recipe = tiny_recipe("soft", "train.epochs=1", "backbone.layers=1")
    llmrec.fit(recipe, TOY, Split.leave_last_out(TOY), path, progress=False)
    return path


def logits_of(folder: Path, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens of a written history, and their logits."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
    tokens = tokenizer("The user saw, in this order:\nFilm 01: Silent Harbor\n", return_tensors="pt").input_ids
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)
    with torch.inference_mode():
        return tokens, model(tokens).logits


def test_transformers_reads_the_same_logits(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLAMA_CPP", str(STAND_IN))
    assert run(["export", str(fitted), "--to", "gguf", "--out", str(tmp_path / "out")]) == 0
    assert "README.md says how it is loaded" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"README.md", "tiny-soft.gguf"}
    assert "llama-cli -m tiny-soft.gguf" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    export_run(fitted, tmp_path / "merged", to="transformers")
    tokens, logits = logits_of(tmp_path / "merged")
    read_tokens, read_logits = logits_of(tmp_path / "out", gguf_file="tiny-soft.gguf")
    assert read_tokens.tolist() == tokens.tolist()
    torch.testing.assert_close(read_logits, logits, atol=1e-3, rtol=0)


@pytest.mark.slow
@pytest.mark.skipif("LLAMA_CPP" not in os.environ, reason="LLAMA_CPP names no folder of llama.cpp")
def test_the_real_converter(tmp_path: Path) -> None:
    from llmrec.llm.bases import find_base

    base = Path(find_base("smollm2-135m").location)  # llama.cpp knows no tokenizer of ours
    convert_to_gguf(find_converter(os.environ["LLAMA_CPP"]), base, tmp_path / "model.gguf")
    (tokens, logits), (read_tokens, read_logits) = logits_of(base), logits_of(tmp_path, gguf_file="model.gguf")
    assert read_tokens.tolist() == tokens.tolist()
    torch.testing.assert_close(read_logits, logits, atol=1e-3, rtol=0)


def test_a_converter_that_fails_leaves_nothing(fitted: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"failed: NotImplementedError: BPE pre-tokenizer was not recognized; exp"
    ):
        convert_to_gguf(STAND_IN, tmp_path / "unknown", tmp_path / "model.gguf")
    (tmp_path / "model.gguf").unlink()
    (tmp_path / "silent.py").touch()
    (tmp_path / "no-program").touch()
    for name, message in [
        ("silent.py", "silent.py failed: it said nothing; export --to transformers"),
        ("no-program", "cannot be run: Permission denied; name another by --llama-cpp"),
    ]:
        with pytest.raises(ModelError, match=message):
            export_run(fitted, tmp_path / "out", to="gguf", llama_cpp=tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"silent.py", "no-program"}


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "full.py").write_text("raise OSError(28, 'No space left on device')")
    with pytest.raises(EnvironmentFault, match=r"writing .*model.gguf failed: no space left; free some"):
        convert_to_gguf(tmp_path / "full.py", tmp_path / "model", tmp_path / "model.gguf")


def test_a_program_beside_is_not_one_of_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, said in (("bin", "that of the path"), ("my tools", "this one")):
        program = tmp_path / folder / "convert"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho {said}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path / "my tools")
    with pytest.raises(ModelError, match="failed: this one;"):
        convert_to_gguf(find_converter("./convert"), tmp_path / "model", tmp_path / "model.gguf")


def test_a_recipe_s_name_is_no_path(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = llmrec.load(fitted)
    model.recipe = model.recipe.with_values({"name": f"{tmp_path}/my model"})
    monkeypatch.setattr("llmrec.models.llm.export.load_run", lambda *_, **__: model)
    out = export_run(fitted, tmp_path / "out", to="gguf", llama_cpp=STAND_IN)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(list(out.glob("*-my-model.gguf"))) == 1


def test_a_run_without_an_llm_is_refused_before_a_converter_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    MarkovRecommender().fit(toy_films(n_items=12, n_users=30)).save(tmp_path / "markov")
    with pytest.raises(DataError, match="holds a markov model; only a run of an LLM recipe is exported"):
        export_run(tmp_path / "markov", tmp_path / "out", to="gguf")


def test_where_the_converter_is_looked_for(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    assert run(["export", str(fitted), "--to", "gguf", "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "convert_hf_to_gguf.py is not on the PATH; git clone --depth 1 https://github.com/ggml-org" in error
    with pytest.raises(DataError, match=r"holds no convert_hf_to_gguf\.py; git clone"):
        find_converter(tmp_path)
    script = tmp_path / "convert_hf_to_gguf.py"
    script.touch(mode=0o755)
    assert find_converter() == find_converter(tmp_path) == find_converter(script) == script
