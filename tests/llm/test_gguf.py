"""GGUF files as base models: converted once, with the same logits; what cannot be converted is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_gguf import write_tiny_gguf

from llmrec import Recipe
from llmrec.data import toy_films
from llmrec.errors import ModelError
from llmrec.llm import gguf_files
from llmrec.llm.bases import find_base
from llmrec.llm.weights import load_causal_lm
from llmrec.models import LLMRecommender


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def gguf(tiny_base: Path, tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return write_tiny_gguf(tiny_base, tmp_path / "models" / "tiny-f32.gguf")


def test_a_file_and_its_folder_are_the_model(gguf: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(gguf.parent.parent)
    original, tokenizer = load_causal_lm(str(tiny_base), dtype="float32")
    text = "The user saw, in this order:\nFilm 01: Silent Harbor\n"
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.inference_mode():
        expected = original(input_ids=ids).logits
        for name in (str(gguf), "models/tiny-f32.gguf", "models"):
            converted: Any
            converted, its_tokenizer = load_causal_lm(name, dtype="float32")
            assert its_tokenizer(text)["input_ids"] == ids[0].tolist()
            assert its_tokenizer.chat_template == tokenizer.chat_template
            torch.testing.assert_close(converted(input_ids=ids).logits, expected, atol=1e-4, rtol=1e-4)


def test_it_is_converted_once_wherever_it_lies(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_base(str(gguf))
    assert first.name == str(gguf)
    assert first.identity.startswith("gguf sha256:")
    monkeypatch.setattr(gguf_files, "_convert", lambda source, file, folder: pytest.fail("converted again"))
    moved = gguf.rename(gguf.parent.parent / "another.GGUF")
    again = find_base(str(moved))
    assert (again.identity, again.location) == (first.identity, first.location)


def test_it_is_converted_where_nobody_may_make_links(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As most users of Windows."""

    def refused(*_: Any) -> None:
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refused)
    assert (Path(find_base(str(gguf)).location) / "model.safetensors").is_file()


def test_a_run_on_a_gguf_file(gguf: Path, tmp_path: Path, tiny_base: Path) -> None:
    recipe = Recipe.of(
        {
            "backbone": {"base": str(gguf), "layers": 1, "dtype": "float32"},
            "history": {"encoding": "soft", "max_tokens": 128},
            "head": {"dim": 16},
            "train": {"epochs": 1},
        }
    )
    model = LLMRecommender(recipe).fit(toy_films(n_items=6, n_users=4, length=5))
    model.save(tmp_path / "run")
    loaded = LLMRecommender.load(tmp_path / "run")
    assert loaded.score(loaded.histories).tolist() == model.score(model.histories).tolist()
    assert loaded.metadata["base"]["name"] == str(gguf)


def _truncated(gguf: Path, base: Path) -> Path:
    gguf.write_bytes(gguf.read_bytes()[:20_000])
    return gguf


def _lacking(gguf: Path, base: Path) -> Path:
    return write_tiny_gguf(base, gguf, without="blk.1.ffn_up")


def _another_family(gguf: Path, base: Path) -> Path:
    gguf.write_bytes(gguf.read_bytes().replace(b"llama", b"lxxma"))
    return gguf


def _pointer(gguf: Path, base: Path) -> Path:
    gguf.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n", encoding="utf-8")
    return gguf.parent


def _no_gguf(gguf: Path, base: Path) -> Path:
    gguf.write_bytes(b"something else")
    return gguf


def _two(gguf: Path, base: Path) -> Path:
    (gguf.parent / "another.gguf").write_bytes(gguf.read_bytes())
    return gguf.parent


def _one_of_several(gguf: Path, base: Path) -> Path:
    gguf.rename(gguf.parent / "tiny-00001-of-00002.gguf")
    return gguf.parent


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_truncated, r"tiny-f32\.gguf cannot be converted"),
        (_lacking, r"cannot be converted: it lacks 1 weights, e\.g\. model\.layers\.1\.mlp\.up_proj\.weight"),
        (_another_family, "cannot be converted: .*lxxma"),
        (_pointer, r"tiny-f32\.gguf is a Git LFS pointer, .* git lfs pull"),
        (_no_gguf, "is no GGUF file"),
        (_two, r"holds 2 GGUF files: name one of them, e\.g\. .*another\.gguf"),
        (_one_of_several, "is one of 2 parts: join them first"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    gguf: Path, tiny_base: Path, tmp_path: Path, change: Any, message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        find_base(str(change(gguf, tiny_base)))
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
