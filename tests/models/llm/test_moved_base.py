"""A run's base model is found where it lies now, by what it is, before anything is loaded; never by a hub."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.sealed import seal
from support.tiny_base import build_tiny_base

import llmrec
from llmrec import Histories, Recipe, Split
from llmrec.arrays import Float32s
from llmrec.cli.app import run as llmrec_command
from llmrec.errors import ArtifactError
from llmrec.models.runs import fit_run

ASKED = Histories.of([["0", "1"], ["5"]])


@pytest.fixture(scope="module")
def project(
    tiny_base: Path,
    tiny_recipe: Callable[..., Recipe],
    toy_split: Split,
    tmp_path_factory: pytest.TempPathFactory,
) -> SimpleNamespace:
    """A run in ``project/runs`` whose base was named by a path relative to the folder that it was fitted in."""
    folder = tmp_path_factory.mktemp("moved") / "project"
    (folder / "runs").mkdir(parents=True)
    shutil.copytree(tiny_base, folder / "base")
    recipe = tiny_recipe("soft", "backbone.base=base", "train.epochs=1")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        model = fit_run(recipe, toy_split.data, toy_split, folder / "runs" / "llm", progress=False)
    shutil.copytree(folder, folder.with_name("copy"))
    return SimpleNamespace(
        run=folder / "runs" / "llm",
        base=folder / "base",
        recipe=recipe,
        split=toy_split,
        scores=model.score(ASKED),
    )


@pytest.fixture
def fitted(project: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The project as it was fitted, seen from another folder, and no hub."""
    folder = project.base.parent
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("copy"), folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LLMREC_BASES", raising=False)
    for module in ("bases", "recorded_base"):
        monkeypatch.setattr(f"llmrec.llm.{module}.hub_folder", lambda *_, **__: pytest.fail("a hub was asked"))
    return project


def scores(run: Path, **options: Any) -> Float32s:
    return llmrec.load(run, **options).score(ASKED)


def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmrec.llm.backbone.load_causal_lm", lambda *_, **__: pytest.fail("it was loaded"))


def test_from_another_folder(fitted: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    np.testing.assert_array_equal(scores(fitted.run), fitted.scores)
    recorded = json.loads((fitted.run / "manifest.json").read_text(encoding="utf-8"))["base"]
    assert recorded["name"] == str(fitted.base)
    assert recorded["dtype"] == "float32"
    assert llmrec.load(fitted.run).recipe.backbone.base == str(fitted.base)
    monkeypatch.chdir(fitted.base.parent)  # by the relative name it is the same run
    again = fit_run(fitted.recipe, fitted.split.data, fitted.split, fitted.run, resume=True, progress=False)
    np.testing.assert_array_equal(again.score(ASKED), fitted.scores)


def test_a_base_that_moved(fitted: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = fitted.base.rename(tmp_path / "elsewhere")
    with monkeypatch.context() as patch:
        nothing_is_loaded(patch)
        with pytest.raises(
            ArtifactError, match=r"base' *, which is not there: .* --base PATH, .*LLMREC_BASES=FOLDER"
        ):
            llmrec.load(fitted.run)
    for base in (moved, "elsewhere", [tmp_path / "nowhere", moved]):
        model = llmrec.load(fitted.run, base=base)
        np.testing.assert_array_equal(model.score(ASKED), fitted.scores)
        assert model.narration_base == str(moved)
    for folders in (str(tmp_path), f"{tmp_path / 'nowhere'}:{tmp_path}", str(moved), "."):
        monkeypatch.setenv("LLMREC_BASES", folders)
        np.testing.assert_array_equal(scores(fitted.run), fitted.scores)


def test_a_run_and_its_base_moved_together(fitted: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    run, base = (
        shutil.move(fitted.run, tmp_path / "to" / "run"),
        shutil.move(fitted.base, tmp_path / "to" / "base"),
    )
    np.testing.assert_array_equal(scores(Path(run)), fitted.scores)
    assert Path(base).is_dir()


def test_another_model_is_refused_before_it_is_loaded(
    fitted: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = build_tiny_base(tmp_path / "others" / "base", seed=1)
    monkeypatch.setenv("LLMREC_BASES", str(other.parent))
    nothing_is_loaded(monkeypatch)
    for base in (other, [other, tmp_path / "nowhere"]):
        with pytest.raises(
            ArtifactError, match=r"was trained on another '.*base': sha256:.*, but .*others/base is"
        ):
            llmrec.load(fitted.run, base=base)
    shutil.rmtree(fitted.base)
    with pytest.raises(ArtifactError, match=r"was trained on another '.*base'"):
        llmrec.load(fitted.run)
    shutil.copytree(other, fitted.base)
    with pytest.raises(ArtifactError, match=r"was trained on another '.*base': .*project/base is sha256"):
        llmrec.load(fitted.run)
    with pytest.raises(ArtifactError, match=r"but .*runs is not a model: it has no config\.json"):
        llmrec.load(fitted.run, base=fitted.run.parent)


def test_a_tokenizer_is_part_of_what_a_model_is(fitted: SimpleNamespace) -> None:
    config = fitted.base / "tokenizer_config.json"
    config.write_text(config.read_text(encoding="utf-8").replace("{", '{"add_prefix_space": true,', 1), "utf-8")
    with pytest.raises(ArtifactError, match="was trained on another"):
        llmrec.load(fitted.run)


@pytest.mark.parametrize(
    ("name", "identity", "message"),
    [
        ("some/model", None, r"'some/model', which is not there: looked at .*runs/some/model"),
        ("base", None, None),  # beside the run's own folder's parent: as earlier runs named it
        ("smollm2-135m", None, "was trained on another 'smollm2-135m'"),
        ("smollm2-135m", "wheel another==1 sha256:ab", "was trained on another 'smollm2-135m'"),
    ],
)
def test_what_a_manifest_names_is_no_reason_to_fetch(
    fitted: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    identity: str | None,
    message: str | None,
) -> None:
    monkeypatch.setattr("llmrec.llm.bases._converted", lambda _: pytest.fail("it was fetched"))
    path = fitted.run / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["base"] |= {"name": name} | ({"identity": identity} if identity else {})
    path.write_text(json.dumps(manifest), encoding="utf-8")
    monkeypatch.chdir(fitted.base.parent)
    if message is None:
        np.testing.assert_array_equal(scores(fitted.run), fitted.scores)
        return
    nothing_is_loaded(monkeypatch)
    with pytest.raises(ArtifactError, match=message):
        llmrec.load(fitted.run)


def test_the_commands_take_it(fitted: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = fitted.base.rename(tmp_path / "elsewhere")
    fitted.split.data.save(tmp_path / "data")
    markov = tmp_path / "markov"
    data, run = str(tmp_path / "data"), str(fitted.run)
    assert llmrec_command(["fit", "markov", "--data", data, "--out", str(markov)]) == 0
    commands = [
        ["recommend", run, "--history", "1,2", "-k", "2"],
        ["explain", run, "--history", "1,2", "--item", "3", "--backend", "template"],
        ["evaluate", run, str(markov), "--data", data, "--out", str(tmp_path / "report")],
    ]
    for command in commands:
        capsys.readouterr()
        assert llmrec_command(command) == 2
        assert "say where it is by --base PATH" in capsys.readouterr().err
        assert llmrec_command([*command, "--base", str(moved)]) == 0
    assert llmrec_command(["similar", run, "--item", "3"]) == 0  # its vectors lie in the run
    assert llmrec_command(["similar", str(markov), "--item", "3", "--base", str(moved)]) == 2
    assert "holds a markov model, which has no base model" in capsys.readouterr().err
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    costs = [result["cost"] for result in report["results"]]
    assert [(cost["trained_dtype"], cost["dtype"]) for cost in costs] == [("float32", "float32"), (None, None)]


def test_another_dtype_than_in_training_is_said(
    fitted: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = fitted.run / "recipe.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("dtype: float32", "dtype: bfloat16"), "utf-8")
    seal(fitted.run)
    with caplog.at_level("INFO"):
        model = llmrec.load(fitted.run)
        model.prepare()
    assert f"{fitted.run} was trained in float32, here it computes in bfloat16: scores differ" in caplog.messages
    report = llmrec.evaluate({"llm": model}, fitted.split)
    assert "llm was trained in float32 and computed in bfloat16 here." in report.notes
