"""The package as its users meet it: light to import, public where it says so, complete in what it ships."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from floors import floors

import llmrec
from llmrec import Recipe
from llmrec.config import names
from llmrec.data import toy_films
from llmrec.models import from_recipe
from llmrec.models.registry import SHIPPED
from llmrec.prompting import Prompt
from llmrec.resources.shipped import folder

HEAVY = (
    "torch",
    "transformers",
    "peft",
    "faiss",
    "datasets",
    "matplotlib",
    "scipy",
    "accelerate",
    "pandas",
    "sklearn",
    "omegaconf",
)
ROOT = Path(llmrec.__file__).parent


def loaded_by(code: str) -> tuple[float, list[str]]:
    """Run a statement in a new interpreter. Returns its seconds and the heavy modules it loaded."""
    program = (
        f"import json, sys, time; began = time.process_time()\n{code}\nspent = time.process_time() - began\n"
        f"print(json.dumps([spent, [name for name in {HEAVY} if name in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, heavy = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), list(heavy)


def test_importing_costs_little() -> None:
    spent = []
    # The best of five: a busy machine slows some imports, hardly all of them.
    for _ in range(5):
        seconds, heavy = loaded_by("import llmrec")
        assert heavy == []
        spent.append(seconds)
        if seconds < 0.5:
            return
    assert min(spent) < 0.5, spent


LIGHT = (
    "import llmrec; llmrec.Dataset, llmrec.Recipe, llmrec.Split, llmrec.Histories, llmrec.load, llmrec.models",
    "llmrec.evaluate; llmrec.explain",
    "import llmrec.cli.app",
    "llmrec.Recipe.load('quickstart')",
    "import llmrec.testing",
)


def test_what_is_heavy_is_imported_where_it_is_used() -> None:
    program = (
        "import json, sys\nloaded = {}\n"
        f"for code in {LIGHT!r}:\n    exec(code)\n"
        f"    loaded[code] = [name for name in {HEAVY} if name in sys.modules]\n"
        "print(json.dumps(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == {code: [] for code in LIGHT}


def test_all_is_what_is_public() -> None:
    assert sorted(llmrec.__all__) == dir(llmrec)
    for name in llmrec.__all__:
        assert getattr(llmrec, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Datset'"):
        llmrec.Datset  # noqa: B018
    # A name that is bound at import and neither private, nor a module, nor listed, would be public by accident.
    bound = {
        name
        for name, value in vars(llmrec).items()
        if not name.startswith("_") and type(value).__name__ != "module"
    }
    assert bound - {"annotations", "TYPE_CHECKING"} <= set(llmrec.__all__)


def test_a_run_is_fitted_by_a_public_name_and_says_where(tmp_path: Path) -> None:
    data = toy_films(n_items=12, n_users=30)
    split = llmrec.Split.leave_last_out(data)
    model = llmrec.fit(Recipe(model="markov"), data, split, tmp_path / "run", progress=False)
    assert (
        llmrec.load(tmp_path / "run").recommend(split.test.histories).equals(model.recommend(split.test.histories))
    )
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert llmrec.provenance() == {"machine": manifest["machine"], "versions": manifest["versions"]}


def test_every_recommender_is_public_and_of_its_kind() -> None:
    models = importlib.import_module("llmrec.models")
    for kind, path in SHIPPED.items():
        name = path.partition(":")[2]
        assert name in models.__all__
        assert getattr(models, name).kind == kind
    assert all(getattr(models, name) for name in models.__all__)
    with pytest.raises(AttributeError):
        models.NoSuchRecommender  # noqa: B018


def test_every_shipped_recipe_loads() -> None:
    assert len(names()) >= 6
    for name in names():
        recipe = Recipe.load(name)
        assert from_recipe(recipe).kind == recipe.model
        assert recipe.name == name
        if recipe.model == "llm":
            assert Prompt.load(recipe.history.prompt).render("user").strip()
            item = {"title": "Alien", "year": 1979, "genres": ["Horror", "Sci-Fi"]}
            assert "Alien" in Prompt.load(recipe.history.item_prompt).render("user", item=item)


def test_the_folders_ship() -> None:
    for name, pattern in {"prompts": "*.yaml", "finetune": "*.yaml", "eval/protocols": "*.yaml"}.items():
        assert list(folder(name).glob(pattern)), name


def test_nothing_is_unpickled() -> None:
    files = sorted(ROOT.rglob("*.py"))
    assert len(files) > 50
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "import pickle" not in text, file
        assert "torch.load(" not in text, file


def test_the_package_runs_as_the_command() -> None:
    words = [sys.executable, "-m", "llmrec", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.strip() == llmrec.__version__


def test_what_is_installed_is_no_older_than_the_floors() -> None:
    """And every dependency has one; ``make test-floors`` runs the tests on them."""
    least = dict(floors())
    assert {"torch", "transformers", "faiss-cpu", "jinja2", "sentence-transformers"} <= least.keys()
    for name, version in least.items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        assert numbers(installed) >= numbers(version), name


def numbers(version: str) -> list[int]:
    """Return a version's numbers, without trailing zeros: 6.0 is 6."""
    parts = [int(part) for part in re.findall(r"\d+", version.partition("+")[0])]
    while parts and not parts[-1]:
        parts.pop()
    return parts
