"""A recommender of another package is one file: once registered, it is fitted, saved and loaded as the shipped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import yaml
from support.next_film import GrowingNextFilm, NextFilm

import llmrec
from llmrec import Recipe, Split
from llmrec.cli.app import run
from llmrec.data import Histories, toy_films
from llmrec.errors import ArtifactError, RecipeError, RegistryError
from llmrec.models import Recommender, from_recipe, register
from llmrec.models.registry import class_of, kinds
from llmrec.models.runs import fit_run, load_run
from llmrec.testing import RecommenderContract

register("next-film", "support.next_film:NextFilm")


class TestNextFilm(RecommenderContract):
    good = 1.0

    def make(self) -> Recommender:
        return from_recipe(Recipe(model="next-film"))


class TestGrowingNextFilm(RecommenderContract):
    good = 1.0
    takes_new_items = True

    def make(self) -> Recommender:
        return GrowingNextFilm()


def test_a_registered_recommender_is_fitted_saved_and_loaded_as_a_run(tmp_path: Path) -> None:
    data = toy_films(n_items=12, n_users=30)
    split = Split.leave_last_out(data)
    model = fit_run(Recipe(model="next-film"), data, split, tmp_path / "run", progress=False)
    assert type(model) is class_of("next-film") is NextFilm
    assert kinds()[-1] == "next-film"
    for again in (llmrec.load(tmp_path / "run"), load_run(tmp_path / "run")):
        assert type(again) is NextFilm
        np.testing.assert_array_equal(again.score(data.histories), model.score(data.histories))
    assert llmrec.evaluate({"mine": model}, split).table["ndcg@10"].to_list() == [1.0]


MINE = '''
    """Recommend items in the order of the catalog from ``options.first`` on; what is newest in a history last."""
    import numpy as np
    from llmrec.errors import RecipeError
    from llmrec.models import Recommender

    class Mine(Recommender):
        kind = "mine"
        sections = ("history.max_items",)
        options = {"first": 0}

        @classmethod
        def check_recipe(cls, recipe):
            super().check_recipe(recipe)
            if recipe.options["first"] < 0:
                raise RecipeError("options.first is a position in the catalog, 0 or above")

        def _fit(self, data, **_): pass

        def _score(self, sequences):
            n = len(self.catalog)
            order = (np.arange(n) - self.recipe.options["first"]) % n
            scores = np.tile(-order.astype(np.float32), (len(sequences), 1))
            newest = sequences.last(self.recipe.history.max_items)
            scores[newest.users(), newest.codes] -= n
            return scores

        def _save(self, folder): pass

        def _load(self, folder): pass

    class Other(Mine):
        kind = "other"

    class Half(Recommender):
        kind = "half"

    class Stranger:
        kind = "stranger"
'''


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Modules of the packages that a test lays out are imported anew by the next."""
    yield
    for name in ("shelf", "attic"):
        sys.modules.pop(name, None)


def install(site: Path, name: str, points: dict[str, str], code: str | None = MINE) -> None:
    """Lay out an installed package: one module and the entry points of its metadata."""
    site.mkdir(exist_ok=True)
    if code is not None:
        (site / f"{name}.py").write_text(dedent(code).lstrip(), encoding="utf-8")
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    lines = "".join(f"{kind} = {path}\n" for kind, path in points.items())
    (info / "entry_points.txt").write_text(f"[llmrec.recommenders]\n{lines}", encoding="utf-8")


@pytest.mark.slow
def test_a_package_s_recommender_by_the_command_line(tmp_path: Path) -> None:
    """In processes of their own: nothing but the package's entry point says that it is there."""
    install(tmp_path / "site", "shelf", {"mine": "shelf:Mine"})
    toy_films(n_items=12, n_users=30).save(tmp_path / "data")
    (tmp_path / "mine.yaml").write_text("name: mine\nmodel: mine\n", encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)])

    def llmrec_command(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from llmrec.cli import main; main()", *words],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    told = llmrec_command("fit", "mine.yaml", "--set", "options.first=5", "--data", "data", "--out", "run")
    assert "run: mine trained on" in told
    table = json.loads(llmrec_command("recommend", "run", "--history", "5,6", "-k", "3", "--json"))
    assert [row["item_id"] for row in table] == ["7", "8", "9"]
    assert "options:\n  first: 5\n" in (tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8")


BAD = {
    "not importable": ({"mine": "nowhere_at_all:Mine"}, "mine", r"cannot be imported from nowhere_at_all:Mine"),
    "no such class": ({"mine": "shelf:Yours"}, "mine", r"cannot be imported from shelf:Yours .* install what it"),
    "no path": ({"mine": "shelf"}, "mine", "is registered as 'shelf'; write it as package.module:Class"),
    "no recommender": ({"stranger": "shelf:Stranger"}, "stranger", "is no llmrec.models.Recommender"),
    "no class": ({"mine": "shelf:np"}, "mine", "is no llmrec.models.Recommender"),
    "not finished": ({"half": "shelf:Half"}, "half", "does not define _fit, _load, _save, _score"),
    "another kind": ({"mine": "shelf:Other"}, "mine", "as 'mine', but its kind is 'other'; make them equal"),
    "a shipped kind": ({"gru": "shelf:Mine"}, "gru", r"two packages register the kind 'gru': llmrec \(.*shelf \("),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_registration_is_one_line_with_exit_code_2(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    points, kind, message = BAD[case]
    install(tmp_path / "site", "shelf", points)
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(RegistryError, match=message):
        from_recipe(Recipe(model=kind))
    assert refused_fit(kind, tmp_path, capsys)


def refused_fit(kind: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Fit a kind by the command line, which must refuse it before it looks for data; return its one line."""
    (folder / "recipe.yaml").write_text(f"model: {kind}\n", encoding="utf-8")
    capsys.readouterr()
    words = ["fit", str(folder / "recipe.yaml"), "--data", str(folder / "nowhere"), "--out", str(folder / "run")]
    assert run(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "not a prepared data set" not in line
    return line


def test_options_that_a_recommender_does_not_have_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "shelf", {"mine": "shelf:Mine"})
    monkeypatch.syspath_prepend(tmp_path)
    assert from_recipe(Recipe.of({"model": "mine", "options": {"first": 2}})).recipe.options == {"first": 2}
    for name, value, message in (
        ("frist", 2, "no option 'frist'; it has first"),
        ("first", "a", "'a' is no value"),
        ("first", -1, r"options\.first is a position in the catalog"),
    ):
        with pytest.raises(RecipeError, match=message):
            from_recipe(Recipe.of({"model": "mine", "options": {name: value}}))


def test_a_recommender_declares_what_it_reads_and_checks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "shelf", {"mine": "shelf:Mine"})
    monkeypatch.syspath_prepend(tmp_path)
    assert yaml.safe_load(from_recipe(Recipe(model="mine")).recipe.to_yaml()) == {
        "name": "unnamed", "model": "mine", "seed": 0, "history": {"max_items": 50}, "options": {"first": 0},
    }  # fmt: skip
    with pytest.raises(RecipeError, match=r"mine reads no field history\.events; of history it reads max_items"):
        from_recipe(Recipe.of({"model": "mine", "history": {"events": ["rating"]}}))
    histories = Histories.of([["0", "1", "2"]])
    for max_items, last in ((1, ["2"]), (50, ["0", "1", "2"])):
        recipe = Recipe.of({"model": "mine", "history": {"max_items": max_items}})
        ranked = from_recipe(recipe).fit(toy_films()).recommend(histories, 100, exclude_seen=False)["item_id"]
        assert sorted(ranked[-len(last) :]) == last


def test_two_packages_that_register_one_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "one", "shelf", {"mine": "shelf:Mine"})
    monkeypatch.syspath_prepend(tmp_path / "one")
    assert type(from_recipe(Recipe(model="mine"))).__name__ == "Mine"
    install(tmp_path / "two", "attic", {"mine": "attic:Mine"})
    monkeypatch.syspath_prepend(tmp_path / "two")
    with pytest.raises(RegistryError, match=r"'mine': attic \(attic:Mine\) and shelf \(shelf:Mine\); uninstall"):
        from_recipe(Recipe(model="mine"))
    assert from_recipe(Recipe(model="gru")).kind == "gru"  # other kinds go on


def test_a_broken_package_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "shelf", {"mine": "shelf:Mine"}, "raise RuntimeError('two\\nlines')")
    monkeypatch.syspath_prepend(tmp_path)
    assert from_recipe(Recipe(model="popularity")).kind == "popularity"
    assert "mine" in kinds()
    with pytest.raises(RegistryError, match=r"\(RuntimeError: two lines\)"):
        from_recipe(Recipe(model="mine"))


def test_a_kind_is_registered_once() -> None:
    register("next-film", "support.next_film:NextFilm")  # again the same: nothing changes
    with pytest.raises(RegistryError, match=r"kind 'next-film' of a:B is taken by .*:NextFilm; choose another"):
        register("next-film", "a:B")
    with pytest.raises(RegistryError, match=r"the kind 'gru' of a:B is taken by llmrec\..*:GRURecommender"):
        register("gru", "a:B")
    with pytest.raises(RegistryError, match=r"registered as 'a\.B'; write it as package\.module:Class"):
        register("mine", "a.B")


def test_a_run_whose_package_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as installed:
        install(tmp_path / "site", "shelf", {"mine": "shelf:Mine"})
        installed.syspath_prepend(tmp_path / "site")
        from_recipe(Recipe(model="mine")).fit(toy_films()).save(tmp_path / "run")
        assert llmrec.load(tmp_path / "run").kind == "mine"
    with pytest.raises(ArtifactError, match="a 'mine' model, which is not installed here; install the package"):
        llmrec.load(tmp_path / "run")
    assert run(["recommend", str(tmp_path / "run"), "--history", "1"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(RecipeError, match=r"no model 'mine'; there are popularity, .*; one of another package"):
        from_recipe(Recipe(model="mine"))
