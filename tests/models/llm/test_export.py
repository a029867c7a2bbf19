"""Exports load in other libraries and give the same states and vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import llmrec
from llmrec import Recipe, Split
from llmrec.cli.app import run
from llmrec.data import toy_films
from llmrec.errors import ArtifactError, DataError
from llmrec.models import LLMRecommender
from llmrec.models.baselines.markov import MarkovRecommender
from llmrec.models.llm.export import export_run
from llmrec.prompting.item_text import item_texts

TOY = toy_films(n_items=12, n_users=30)
ODD = ["<|im_end|><|im_start|>system", "  Two  words ", "第一部 电影 🚀", "é" * 90, "\nline\nbreaks"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, tiny_recipe: Callable[..., Recipe]) -> Path:
    """An LLM run whose histories are text, cut to one layer."""
    path = tmp_path_factory.mktemp("export") / "llm"
    recipe = tiny_recipe("text", "train.epochs=1", "backbone.layers=1")
    llmrec.fit(recipe, TOY, Split.leave_last_out(TOY), path, progress=False)
    return path


def loaded(path: Path) -> LLMRecommender:
    model = llmrec.load(path)
    assert isinstance(model, LLMRecommender)
    return model


def last_states(causal: Any, model: LLMRecommender) -> np.ndarray[Any, Any]:
    """The last state of each of three written histories, by another library's model."""
    states = []
    for n in range(3):
        tokens = model.encoder.serialized(model.sequences_of(TOY.histories), n).tokens
        with torch.inference_mode():
            output = causal(input_ids=torch.from_numpy(tokens), output_hidden_states=True)
        states.append(output.hidden_states[-1][0, -1].numpy())
    return np.stack(states)


def expected_states(model: LLMRecommender) -> np.ndarray[Any, Any]:
    encoder = model.encoder
    return encoder.states(encoder.windows(model.sequences_of(TOY.histories.take([0, 1, 2]))))


def test_transformers_loads_the_merged_model(fitted: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    export_run(fitted, tmp_path / "out", to="transformers")
    causal, model = AutoModelForCausalLM.from_pretrained(tmp_path / "out"), loaded(fitted)
    assert last_states(causal, model) == pytest.approx(expected_states(model), abs=1e-4)
    assert not [name for name in causal.state_dict() if "lora" in name]
    assert AutoTokenizer.from_pretrained(tmp_path / "out")("Film")["input_ids"]
    assert "AutoModelForCausalLM.from_pretrained" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_peft_loads_the_adapter_on_its_base(fitted: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    export_run(fitted, tmp_path / "out", to="peft")
    base = json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))
    assert base["base_model_name_or_path"] == str(tmp_path / "out" / "base")  # cut to one layer
    plain = AutoModelForCausalLM.from_pretrained(base["base_model_name_or_path"])
    model = loaded(fitted)
    assert last_states(plain, model) != pytest.approx(expected_states(model), abs=1e-3)
    adapted = PeftModel.from_pretrained(plain, str(tmp_path / "out"))
    assert last_states(adapted, model) == pytest.approx(expected_states(model), abs=1e-4)


@pytest.mark.parametrize("item_encoder", ["frozen", "finetuned"])
def test_sentence_transformers_encodes_new_items_as_the_run_does(
    item_encoder: str, tmp_path: Path, tiny_recipe: Callable[..., Recipe]
) -> None:
    import sentence_transformers as library

    recipe = tiny_recipe("soft", "train.epochs=1", f"head.item_encoder={item_encoder}")
    llmrec.fit(recipe, TOY, Split.leave_last_out(TOY), tmp_path / "llm", progress=False)
    export_run(tmp_path / "llm", tmp_path / "out", to="sentence-transformers")
    model = loaded(tmp_path / "llm")
    model.add_items(pl.DataFrame({"item_id": [f"new{n}" for n in range(len(ODD))], "title": ODD}))
    texts = [text.rstrip("\n") for text in item_texts(model.catalog, model.state.prompts.item)][-len(ODD) :]
    vectors = library.SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(texts)
    assert vectors == pytest.approx(model.item_vectors()[-len(ODD) :], abs=1e-4)


def test_sentence_transformers_encodes_written_histories(fitted: Path, tmp_path: Path) -> None:
    import sentence_transformers as library

    export_run(fitted, tmp_path / "out", to="sentence-transformers-users")
    model = loaded(fitted)
    texts = [model.prompt_example(TOY.histories.take([n]))["text"] for n in range(5)]
    vectors = library.SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(texts)
    assert vectors == pytest.approx(model.embed_users(TOY.histories.take(range(5))), abs=1e-4)
    assert texts[0][:30] in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_histories_of_vectors_are_no_text(
    tmp_path: Path, tiny_recipe: Callable[..., Recipe], fitted: Path
) -> None:
    recipe = tiny_recipe("soft", "train.epochs=1")
    llmrec.fit(recipe, TOY, Split.leave_last_out(TOY), tmp_path / "soft", progress=False)
    with pytest.raises(DataError, match="soft reads histories as soft: only those of"):
        export_run(tmp_path / "soft", tmp_path / "out", to="sentence-transformers-users")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_exported(fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MarkovRecommender().fit(TOY).save(tmp_path / "markov")
    with pytest.raises(DataError, match="holds a markov model; only a run of an LLM recipe is exported"):
        export_run(tmp_path / "markov", tmp_path / "out", to="peft")
    with pytest.raises(DataError, match="--to tflite: there is no such form; choose peft, transformers"):
        export_run(fitted, tmp_path / "out", to="tflite")  # type: ignore[arg-type]
    assert run(["export", str(fitted), "--to", "peft"]) == 2
    assert "say where to write: --out DIR" in capsys.readouterr().err
    with pytest.raises(ArtifactError, match="exists already"):
        export_run(fitted, tmp_path, to="peft")
    assert [path.name for path in tmp_path.iterdir()] == ["markov"]
    assert run(["export", str(fitted), "--to", "peft", "--out", str(tmp_path / "out")]) == 0
    assert "README.md says how it is loaded" in capsys.readouterr().out
