"""Forgotten people are nowhere in a run's files; an interruption leaves the run as before or as after."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmrec import Dataset, Recipe, Split, UserIndex
from llmrec.data import toy_films
from llmrec.errors import DataError
from llmrec.models import forgetting, from_recipe, load
from llmrec.models.forgetting import forget_users
from llmrec.models.runs import fit_run, run_split
from llmrec.resources.journal import Journal

GONE = "person-who-leaves-4711"
EARLY, PAID = 1_690_000_000, 4711.25  # nobody else came before, or paid so much


def with_a_person(data: Dataset) -> Dataset:
    """Give a log a person whose name, prices and times nobody else has."""
    is_person = pl.col("user_id") == "3"
    events = data.events.with_columns(
        user_id=pl.col("user_id").replace({"3": GONE}),
        timestamp=pl.col("timestamp") - pl.when(is_person).then(20_000_000).otherwise(0),
        price=pl.when(is_person).then(PAID).otherwise(2.0),
    )
    return Dataset.from_tables(events, items=data.catalog.table, name="films")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return with_a_person(toy_films(n_items=12, n_users=30))


@pytest.fixture(scope="module")
def fitted(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders with a run of als and the index of its users beside it, and one of a stack."""
    folder = tmp_path_factory.mktemp("runs")
    split = Split.leave_last_out(data)
    als = Recipe.of({"name": "als", "model": "als", "als": {"factors": 4}})
    fit_run(als, data, split, folder / "als", progress=False)
    load(folder / "als").user_index().of_run(folder / "als").save(folder / "als.users")
    stack = Recipe.of({"name": "stack", "model": "stacked", "stack": {"members": ["markov", "popularity"]}})
    fit_run(stack, data, split, folder / "stack", progress=False)
    return folder


@pytest.fixture
def runs(fitted: Path, tmp_path: Path) -> Path:
    shutil.copytree(fitted, tmp_path / "runs")
    return tmp_path / "runs"


def holders(folder: Path) -> list[str]:
    """Return the files below a folder that hold the person, their prices or times, by bytes or as a table."""
    holding = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            columns = pl.read_parquet(path) if path.suffix == ".parquet" else pl.DataFrame()
            written = path.read_bytes()
            cells = [cell for column in columns.get_columns() for cell in column.cast(pl.String).to_list()]
            early = "timestamp" in columns.columns and bool((columns["timestamp"] < EARLY).any())
            in_bytes = GONE.encode() in written or struct.pack("<d", PAID) in written
            if in_bytes or early or {GONE, str(PAID)} & {*cells}:
                holding.append(path.relative_to(folder).as_posix())
    return holding


@pytest.mark.parametrize("name", ["als", "stack"])
def test_no_file_holds_a_forgotten_person(runs: Path, name: str) -> None:
    run, before = runs / name, load(runs / name)
    before.save(runs / "reference")
    assert holders(run)  # or the search finds nothing
    if name == "als":
        assert holders(runs / "als.users")
    load(run, journal=True).remove_items(["5"])
    n_events = len(before.histories.of_user(GONE).items(0))
    removed = forget_users(run, [GONE])
    assert removed == (1, n_events, int(name == "als"), False)
    assert [path for path in holders(runs) if name in path] == []
    after = load(run)
    assert GONE not in after.histories.user_ids
    assert len(after.histories) == len(before.histories) - 1
    assert after.score(before.histories).tolist() == before.score(before.histories).tolist()
    assert after.metadata["forgotten"]["users"] == 1
    assert after.catalog.removed is not None  # the journal is still the run's
    if name == "als":
        assert GONE not in UserIndex.open(run).ids
        assert len(UserIndex.open(run)) == 29
    with pytest.raises(DataError, match="is not among the 29 users"):
        forget_users(run, [GONE])


def test_whoever_is_unknown_or_named_twice_changes_nothing(runs: Path) -> None:
    manifest = (runs / "als" / "manifest.json").read_bytes()
    for users, said in (
        (["nobody"], "'nobody' is not among"),
        ([GONE, GONE], "there twice"),
        ([], "there is none"),
    ):
        with pytest.raises(DataError, match=said):
            forget_users(runs / "als", users)
    with pytest.raises(DataError, match="'nobody' is not among"):
        forget_users(runs / "als", [GONE, "nobody"])
    assert (runs / "als" / "manifest.json").read_bytes() == manifest
    assert holders(runs / "als")


def test_a_model_with_a_journal_forgets_in_its_run(runs: Path) -> None:
    model = load(runs / "stack", journal=True)
    model.forget_user(GONE)
    assert holders(runs / "stack") == []
    assert GONE not in model.histories.user_ids
    model.remove_items(["5"])  # the run is still the one that it was loaded from
    assert load(runs / "stack").metadata["forgotten"]["users"] == 1
    with pytest.raises(DataError, match="not among"):
        model.forget_user(GONE)


def test_the_split_of_a_run_fits_the_data_without_them(runs: Path, data: Dataset) -> None:
    forget_users(runs / "als", [GONE])
    model = load(runs / "als")
    less = Dataset.from_tables(
        data.events.filter(pl.col("user_id") != GONE), items=data.catalog.table, name="films"
    )
    split = run_split({str(runs / "als"): model}, less)
    assert split.parts.tolist() == Split.leave_last_out(less).parts.tolist()
    with pytest.raises(DataError, match="without the users that were forgotten"):
        run_split({str(runs / "als"): model}, data)


def test_without_them_a_run_is_judged_on_no_other_split(tmp_path: Path, data: Dataset) -> None:
    run = tmp_path / "run"
    fit_run(Recipe.load("popularity"), data, Split.none(data), run, progress=False)
    forget_users(run, [GONE])
    less = Dataset.from_tables(
        data.events.filter(pl.col("user_id") != GONE), items=data.catalog.table, name="films"
    )
    with pytest.raises(DataError, match="it may have seen the answers"):
        run_split({str(run): load(run)}, less, given="leave-last-out")


class Killed(BaseException):
    """Ends a process at once: from then on nothing on the disk changes."""


def kill_at(step: int, patch: pytest.MonkeyPatch) -> None:
    """Let the process end at a step that changes something on the disk."""
    left = step

    def dying(plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left <= 0:
                raise Killed
            left -= 1
            return plain(*arguments, **options)

        return call

    names = [(shutil, "rmtree"), (Path, "rename"), (Journal, "_write"), (forgetting, "write_without")]
    for module, name in names:
        patch.setattr(module, name, dying(getattr(module, name)))


def test_a_kill_leaves_the_run_as_before_or_as_after(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, step, killed = set[int](), 0, True
    while killed:
        run = tmp_path / f"copy-{step}" / "als"
        shutil.copytree(runs, run.parent)
        with monkeypatch.context() as patch:
            kill_at(step, patch)
            try:
                forget_users(run, [GONE])
                killed = False
            except Killed:
                pass
        seen.add(len(load(run).histories))
        forget_again(run)
        assert [path for path in holders(run.parent) if "als" in path] == [], step
        assert not list(run.parent.glob(".*-als*")), step
        assert len(UserIndex.open(run)) == len(load(run).histories) == 29
        step += 1
    assert seen == {29, 30}
    assert step > 8


def test_a_real_kill_is_finished_by_forgetting_again(runs: Path) -> None:
    program = (
        "import os, shutil, sys\nfrom llmrec.models import forgetting\n"
        "forgetting._remove_vectors = lambda *arguments: setattr(shutil, 'rmtree', lambda *a, **o: os._exit(9))\n"
        "forgetting.forget_users(sys.argv[1], [sys.argv[2]])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(runs / "als"), GONE], check=False)
    assert done.returncode == 9
    assert len(load(runs / "als").histories) == 29
    assert any(path.startswith(".old-als-") for path in holders(runs))
    assert forget_users(runs / "als", [GONE]).remains
    assert [path for path in holders(runs) if "als" in path] == []


def forget_again(run: Path) -> None:
    """Finish what was interrupted, or see that it was finished."""
    try:
        forget_users(run, [GONE])
    except DataError as error:
        assert "is not among the 29 users" in str(error)


def test_the_manifest_says_how_many_and_when_not_who(runs: Path) -> None:
    others = load(runs / "als").histories.user_ids[5:7]
    forget_users(runs / "als", [GONE])
    forget_users(runs / "als", others)
    manifest = json.loads((runs / "als" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["forgotten"]["users"] == 3
    assert set(manifest["forgotten"]) == {"users", "last", "weights"}
    assert "may still hold what they learned" in manifest["forgotten"]["weights"]


def test_everybody_can_be_forgotten(toy_split: Split, tmp_path: Path) -> None:
    model = from_recipe(Recipe(model="popularity")).fit(toy_split.train)
    model.save(tmp_path / "run")
    forget_users(tmp_path / "run", model.histories.user_ids)
    assert len(load(tmp_path / "run").histories) == 0


@pytest.mark.parametrize("beside", ["als.users", "served.users"])
def test_a_run_behind_a_link_is_written_anew_and_the_link_stays(runs: Path, beside: str) -> None:
    (runs / "served").symlink_to("als")
    (runs / "als.users").rename(runs / beside)
    done = forget_users(runs / "served", [GONE])
    assert (done.users, done.vectors) == (1, 1)
    assert holders(runs / "als") == holders(runs / beside) == []
    assert (runs / "served").is_symlink()
    assert GONE not in load(runs / "served").histories.user_ids
