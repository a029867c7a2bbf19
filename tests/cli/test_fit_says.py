"""``llmrec fit``: what it says before and after training, and training on all events."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from llmrec import Recipe, Split, artifact
from llmrec.cli.app import run
from llmrec.data import Dataset, toy_films
from llmrec.data.splits.parts import TRAIN
from llmrec.errors import RecipeError, TrainingError
from llmrec.models.item_lines import item_lines
from llmrec.models.no_validation import with_epochs
from llmrec.models.runs import fit_run
from llmrec.training import encoding_bar
from llmrec.training.encoding_bar import EncodingBar, encoding_shown
from llmrec.training.progress import Progress

TOY = toy_films(n_items=12, n_users=30)
GRU = ["--set", "train.epochs=2", "--set", "sequence.dim=8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data, and a GRU that was validated."""
    path = tmp_path_factory.mktemp("fit")
    TOY.save(path / "data")
    assert run(["fit", "gru", "--data", str(path / "data"), "--out", str(path / "gru"), *GRU]) == 0
    return path


def call(capsys: pytest.CaptureFixture[str], folder: Path, *words: str | Path, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert run(["fit", str(words[0]), "--data", str(folder / "data"), *map(str, words[1:])]) == code
    printed = capsys.readouterr()
    return printed.out, printed.err


def test_the_end_says_what_can_be_typed_next(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = call(capsys, folder, "markov", "--out", tmp_path / "a run")
    run_name = f"'{tmp_path / 'a run'}'"
    assert [line for line in out.splitlines() if line.startswith("next: ")] == [
        f"next: llmrec evaluate {run_name} --data {folder / 'data'} --out '{tmp_path / 'a run'}-report'",
        f"next: llmrec recommend {run_name} --user 0",
        f"next: llmrec recommend {run_name} --all --out '{tmp_path / 'a run'}.parquet'",
    ]


def test_all_events_are_trained_on_as_long_as_was_best(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="llmrec")
    words: tuple[str | Path, ...] = ("gru", "--split", "none", "--out", tmp_path / "run", *GRU)
    assert "say how long by --epochs N, or --epochs RUN" in call(capsys, folder, *words, code=2)[1]
    out, _ = call(capsys, folder, *words, "--epochs", folder / "gru")
    assert f"gru trained on {TOY.events.height} events" in out
    assert "nothing is held out: the run cannot be judged" in out
    assert "llmrec evaluate" not in out
    assert "gru: nothing is held out: all 2 epochs (train.epochs) are trained" in caplog.messages
    assert artifact.read(tmp_path / "run").metadata["split"]["name"] == "none"
    assert (
        run(["evaluate", str(tmp_path / "run"), "--data", str(folder / "data"), "--out", str(tmp_path / "r")]) == 2
    )
    assert "nothing is held out to judge it by" in capsys.readouterr().err


@pytest.mark.parametrize(("metric", "best"), [("next_item", 1), ("responses", 2), ("both", 3)])
def test_the_epochs_are_those_whose_weights_a_run_has(metric: str, best: int, tmp_path: Path) -> None:
    rows = [
        {"epoch": 1, "step": 1, "valid_ndcg@10": 0.5, "valid_responses": 0.0},
        {"epoch": 2, "step": 2, "valid_ndcg@10": 0.1, "valid_responses": 0.3},
        {"epoch": 3, "step": 3, "valid_ndcg@10": 0.4, "valid_responses": 0.2},
    ]
    (tmp_path / "train_log.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    recipe = Recipe.load("gru-events", set={"responses.early_stopping_metric": metric})
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    assert with_epochs(recipe, str(tmp_path)).train.epochs == best


REFUSED = {
    "that is neither a number of epochs nor a run": ["gru", "--epochs", "many"],
    "that run was not validated": ["gru", "--epochs", "data"],
    "holds none out: leave out one": ["gru", "--split", "none", "--continue", "run", "--check"],
    "auto weighs its members on validation answers": ["auto", "--split", "none"],
    "markov is not trained in epochs": ["markov", "--epochs", "3"],
    "rules is not trained in epochs": ["rules", "--epochs", "gru"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused(
    message: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    line = call(capsys, folder, *REFUSED[message], "--out", "new", code=2)[1].splitlines()[-1]
    assert message in line
    assert sorted(folder.iterdir()) == before


def test_the_split_none_holds_nothing_out(tmp_path: Path) -> None:
    split = Split.open("none", TOY)
    assert (split.parts == TRAIN).all()
    assert len(split.valid.histories) == len(split.test.histories) == 0
    split.save(tmp_path / "split")
    assert Split.load(tmp_path / "split", TOY).hash == split.hash
    with pytest.raises(RecipeError, match="weighs its members"):
        fit_run(Recipe.load("rules"), TOY, split, tmp_path / "run")


def test_what_is_read_of_an_item() -> None:
    items = TOY.catalog.table.with_columns(
        brand=pl.lit("Acme"), price=pl.lit(9.5), description=pl.lit("Long. " * 100), stock=pl.lit(3)
    )
    catalog = Dataset.from_tables(TOY.events, items=items).catalog
    assert item_lines(Recipe.load("gru"), catalog) == []
    (lines,) = item_lines(Recipe.load("smollm2-135m-soft"), catalog)
    assert (lines.read, lines.unread) == (("title", "brand"), ("price", "description", "stock"))
    assert str(lines).endswith("not read: price, description, stock (history.item_prompt=item says what is)")
    (lines,) = item_lines(Recipe.load("text-graph", set=["text.prompt=product"]), catalog)
    assert (lines.read, lines.unread) == (("title", "brand", "price", "description"), ("stock",))
    assert lines.example.startswith(f"{catalog.titles[0]} | Acme | 9.5 | Long. Long.")
    assert len(lines.example) < 250
    assert len(item_lines(Recipe.load("auto"), catalog)) == 1  # of all members
    two = item_lines(Recipe.load("smollm2-135m-soft", set=["head.item_prompt=title"]), catalog)
    assert [lines.where for lines in two] == ["of an item in a history", "of an item that it ranks"]
    assert str(two[1]).startswith("of an item that it ranks it reads title: ")


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("{{ item.title }} by {{ item.brand }}", "of an item it reads title, brand: {title} by Acme"),
        ("{{ item.get('maker', '') }}", "of an item it reads nothing"),
    ],
)
def test_what_a_prompt_of_one_s_own_reads(user: str, said: str, tmp_path: Path) -> None:
    """It may ask for what every item has, and may write nothing."""
    (tmp_path / "mine.yaml").write_text(
        f'name: mine\ndescription: d\nlanguage: en\nvariables: [item]\nuser: "{user}"\n', encoding="utf-8"
    )
    catalog = Dataset.from_tables(TOY.events, items=TOY.catalog.table.with_columns(brand=pl.lit("Acme"))).catalog
    recipe = Recipe.load("smollm2-135m-lora", set=[f"history.item_prompt={tmp_path / 'mine.yaml'}"])
    (lines,) = item_lines(recipe, catalog)
    assert str(lines).splitlines()[0] == said.format(title=catalog.titles[0])


def test_encoding_that_takes_longer_than_training_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding_bar, "ESTIMATED_AFTER_SECONDS", -1.0)
    message = r"tiny: encoding 7 item texts takes about 0 minutes, longer than train.max_minutes=1e-09 lets"
    with (
        encoding_shown("tiny", shown=False, most_minutes=1e-9),
        EncodingBar(7, 100) as bar,
        pytest.raises(TrainingError, match=message),
    ):
        bar.advance(10)
        bar.advance(10)
    with EncodingBar(7, 100) as bar:  # outside of a fit nothing is refused
        bar.advance(10)
        bar.advance(10)


def test_a_slow_first_batch_does_not_say_how_long_encoding_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 30.0, 33.0, 36.0])  # 30 seconds for the first tenth, 3 for each of the others
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    with encoding_shown("tiny", shown=False, most_minutes=1.0), EncodingBar(7, 100) as bar:
        for _ in range(3):
            bar.advance(10)
    times = iter([0.0, 30.0, 34.0])
    with (
        encoding_shown("tiny", shown=False, most_minutes=1.0),
        EncodingBar(7, 100) as bar,
        pytest.raises(TrainingError, match=r"takes about 1 minutes"),
    ):
        bar.advance(10)
        bar.advance(10)


def test_encoding_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(encoding_bar, "LINE_EVERY_SECONDS", 0.0)
    for shown in (True, False):
        with encoding_shown("tiny", shown=shown, most_minutes=None), EncodingBar(7, 100) as bar:
            bar.advance(25)
            bar.advance(25)
        err = capsys.readouterr().err
        assert err.startswith("tiny: 50% of 7 item texts encoded, ") if shown else err == ""


def test_hours_are_said_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("llmrec.training.progress.LEAST_FREE", 2.0)
    for most, hours in ((None, "about 2.8 hours to go"), (90.0, "about 1.5 hours to go"), (5.0, "")):
        bar = Progress("tiny", shown=True, most_minutes=most)
        bar.start(1000)
        bar.began -= 100
        for step in (10, 11):
            bar.step(step, loss=1.0, tokens_per_second=1.0)
        err = capsys.readouterr().err
        assert err.count("hours to go") == bool(hours)
        assert hours in err
        assert err.count("GiB of memory are free") == 1
