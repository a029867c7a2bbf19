"""Bases that lack something, need something or say something: one true line each; no code of theirs is run."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from llmrec.errors import ModelError
from llmrec.llm.chat import Chat
from llmrec.llm.weights import load_causal_lm

CODE = "import pathlib\npathlib.Path('canary').touch()\nclass C: ...\nclass M: ...\n"


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to spoil, a working directory of its own, and somebody who types yes to every question."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 20))
    return shutil.copytree(tiny_base, tmp_path / "base")


def change_json(path: Path, **values: Any) -> None:
    there = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(there | values), encoding="utf-8")


def change_weight(base: Path, value: float) -> None:
    weights = load_file(base / "model.safetensors")
    weights["model.layers.1.mlp.down_proj.weight"][3, 4] = value
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})


def add_tokens(base: Path, *tokens: str, special: bool = False) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(base, trust_remote_code=False)
    tokenizer.add_tokens(list(tokens), special_tokens=special)
    tokenizer.save_pretrained(base)


def pickled_by_a_stranger(base: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (Path("canary"),)

    (base / "model.safetensors").unlink()
    torch.save({"model.embed_tokens.weight": Harmful()}, base / "pytorch_model.bin")


def with_code(base: Path, config: str, **values: Any) -> None:
    (base / "x.py").write_text(CODE, encoding="utf-8")
    change_json(base / config, **values)


CUSTOM = {"AutoConfig": "x.C", "AutoModelForCausalLM": "x.M"}
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n"
KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "added tokens": (
        lambda base: add_tokens(base, "<<new>>", "Toy Story"),
        r"has 313 tokens, the model 311 .*resize",
    ),
    "gptq": (
        lambda base: change_json(base / "config.json", quantization_config={"quant_method": "gptq", "bits": 4}),
        "GPTQ quantized model requires",
    ),
    "awq": (
        lambda base: change_json(base / "config.json", quantization_config={"quant_method": "awq", "bits": 4}),
        "cannot be loaded as a causal LM: .*(AWQ|awq)",
    ),
    "nan": (lambda base: change_weight(base, float("nan")), r"NaN or infinity \(model\.layers\.1\.mlp\.down_proj"),
    "infinity": (lambda base: change_weight(base, float("-inf")), "its weights hold NaN or infinity"),
    "lfs weights": (
        lambda base: (base / "model.safetensors").write_text(POINTER, encoding="utf-8"),
        r"model\.safetensors is a Git LFS pointer, .*git lfs pull",
    ),
    "lfs tokenizer": (
        lambda base: (base / "tokenizer.json").write_text(POINTER, encoding="utf-8"),
        r"tokenizer\.json is a Git LFS pointer",
    ),
    "code of its own": (
        lambda base: with_code(base, "config.json", model_type="myllm", auto_map=CUSTOM),
        "it needs code of its own .*never run",
    ),
    "code for a model that is none": (
        lambda base: with_code(base, "config.json", model_type="t5", auto_map=CUSTOM),
        "it needs code of its own .*never run",
    ),
    "code of a tokenizer": (
        lambda base: with_code(
            base, "tokenizer_config.json", tokenizer_class="Mine", auto_map={"AutoTokenizer": ["x.C", "x.C"]}
        ),
        "it needs code of its own .*never run",
    ),
    "code of a hub": (
        lambda base: change_json(base / "config.json", _attn_implementation="strange/kernel"),
        r"asks for code of a hub \(_attn_implementation: strange/kernel\)",
    ),
    "an adapter": (
        lambda base: change_json(base / "adapter_config.json", peft_type="LORA", base_model_name_or_path="a/b"),
        "holds an adapter .*merge it",
    ),
    "a pickle": (pickled_by_a_stranger, "cannot be loaded as a causal LM"),
    "no weights": (lambda base: (base / "model.safetensors").unlink(), r"model\.safetensors"),
    "a config that is a list": (
        lambda base: (base / "config.json").write_text("[1, 2]", encoding="utf-8"),
        "cannot be loaded as a causal LM",
    ),
    "absurd sizes": (
        lambda base: change_json(base / "config.json", num_attention_heads=7),
        "cannot be loaded as a causal LM",
    ),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_odd_base_is_one_line_and_asks_nothing(
    base: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = KINDS[kind]
    change(base)
    with pytest.raises(ModelError, match=message) as caught:
        load_causal_lm("base", dtype="float32")
    assert "\n" not in str(caught.value)
    assert not Path("canary").exists()
    assert "[y/N]" not in capsys.readouterr().out


def test_code_that_is_not_needed_is_not_run(base: Path) -> None:
    """Many a model of a known family brings the code that it once needed."""
    with_code(base, "config.json", auto_map=CUSTOM)
    (base / "custom_generate").mkdir()
    (base / "custom_generate" / "generate.py").write_text(CODE, encoding="utf-8")
    load_causal_lm("base", dtype="float32")
    assert not Path("canary").exists()


def test_special_tokens_that_no_text_becomes_may_lack_a_row(base: Path) -> None:
    """Gemma 3 has one for images. Padding is then by a token that has a row."""
    add_tokens(base, "<image>", special=True)
    change_json(base / "tokenizer_config.json", pad_token="<image>")
    _, tokenizer = load_causal_lm("base", dtype="float32")
    assert len(tokenizer) == 312
    assert int(tokenizer.pad_token_id) < 311
    assert max(tokenizer.encode("an <image>", split_special_tokens=True)) < 311


def test_a_chat_template_may_not_write_tokens_without_a_row(base: Path) -> None:
    add_tokens(base, "<turn>", special=True)
    template = base / "chat_template.jinja"
    template.write_text("<turn>" + template.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ModelError, match="no embeddings for the tokens that its chat template writes"):
        Chat("base").answer([[{"role": "user", "content": "Hello"}]])


def test_a_chat_template_that_refuses_a_turn_is_one_line(base: Path) -> None:
    refusing = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no\n system') }}{% endif %}"
    (base / "chat_template.jinja").write_text(refusing + "{{ m.content }}{% endfor %}", encoding="utf-8")
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    with pytest.raises(ModelError, match=r"the chat template of .*base refuses these turns \(no system\)"):
        Chat("base").answer([turns])


SAMPLING = {"do_sample": True, "temperature": 5.0, "top_k": 3, "top_p": 0.5, "min_p": 0.1, "typical_p": 0.3}
OTHERWISE = {
    "num_beams": 3,
    "repetition_penalty": 9.0,
    "no_repeat_ngram_size": 1,
    "min_new_tokens": 6,
    "suppress_tokens": list(range(3, 200)),
    "begin_suppress_tokens": list(range(3, 300)),
    "forced_eos_token_id": 7,
    "length_penalty": -3.0,
    "max_length": 2,
    "sequence_bias": [[[5], 50.0]],
    "guidance_scale": 3.0,
    "exponential_decay_length_penalty": [1, 5.0],
}


@pytest.mark.parametrize("name", ["sampling", *OTHERWISE])
def test_a_base_s_defaults_do_not_change_what_is_greedy(base: Path, name: str) -> None:
    chats = [[{"role": "user", "content": text}] for text in ("Golden Garden", "Broken Mirror and more")]
    expected = Chat("base", max_new_tokens=8).answer(chats)
    assert any(expected)
    defaults = SAMPLING if name == "sampling" else {name: OTHERWISE[name]}
    change_json(base / "generation_config.json", **defaults)
    assert Chat("base", max_new_tokens=8).answer(chats) == expected


def test_a_base_says_which_tokens_end_a_turn(base: Path) -> None:
    chat = [[{"role": "user", "content": "Golden Garden"}]]
    written = Chat("base", max_new_tokens=8).answer(chat)[0]
    _, tokenizer = load_causal_lm("base")
    first = tokenizer.encode(written, add_special_tokens=False)[0]
    change_json(base / "generation_config.json", eos_token_id=[2, first])
    assert len(Chat("base", max_new_tokens=8).answer(chat)[0]) < len(written)
