"""The package as it is published: built, installed elsewhere, and used away from the repository."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from support.pages import ROOT

pytestmark = pytest.mark.slow

JOURNEY = """
import llmrec
from pathlib import Path
from llmrec.data import toy_films
assert Path(llmrec.__file__).is_relative_to({site!r}), llmrec.__file__
data = toy_films()
split = llmrec.Split.leave_last_out(data)
model = llmrec.fit(llmrec.Recipe.load("markov"), data, split, "run", progress=False)
report = llmrec.evaluate({{"markov": model}}, split)
report.save("report")
print(llmrec.explain(model, model.recommend(split.test.histories[:1], 1), split.test.histories)["sentence"][0])
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("build") is None:
        pytest.skip("build is not installed: pip install build")
    folder = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "No matching distribution" in done.stderr + done.stdout:
        pytest.skip("hatchling cannot be fetched from a package index")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


def test_the_wheel_works_away_from_the_repository(dist: Path, tmp_path: Path) -> None:
    """Its dependencies are those of this environment; ``make wheel`` tries it in an empty one."""
    (wheel,) = dist.glob("llmrec-*.whl")
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    for words in (["-c", JOURNEY.format(site=str(site))], ["-m", "llmrec", "recommend", "run", "--user", "1"]):
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "Film" in done.stdout
    assert "</table>" in (tmp_path / "report/report.html").read_text(encoding="utf-8")


def test_the_sdist_holds_what_a_wheel_is_built_of(dist: Path) -> None:
    (sdist,) = dist.glob("llmrec-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "constraints.txt", "llmrec/py.typed"} <= names
    assert {"prompts/item.yaml", "finetune/gru.yaml", "eval/protocols/leave-last-out.yaml"} <= names
    assert not [
        name for name in names if name.endswith((".safetensors", ".gguf", ".pyc")) or name.startswith("runs/")
    ]
